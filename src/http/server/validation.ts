/** Validates requests with zod schemas and reports every invalid field by name. */
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifySchemaCompiler,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { z } from 'zod'

/** An app whose route schemas are zod's: they validate requests, type them, and make the OpenAPI document. */
export type TypedApp = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>

export function withSchemas(app: FastifyInstance): TypedApp {
  app.setValidatorCompiler(validateWithZod)
  // responses are typed, so there is nothing to validate or to strip
  app.setSerializerCompiler(() => JSON.stringify)
  return app.withTypeProvider<ZodTypeProvider>()
}

/** A grey square for examples, so that they link to no address. */
export const examplePicture =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAADklEQVR42mNogAIGyhgAgIQgARDoahcAAAAASUVORK5CYII='

/** An optional field that may also be null, as many clients send it. */
export const optional = <T extends z.ZodType>(type: T) => type.nullish().transform((value) => value ?? undefined)

/** Leaves blank fields out, as forms send them. A blank prompt stays, because its error says more than "it is missing". */
export function withoutBlanks(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body
  const hasValue = ([name, value]: [string, unknown]) =>
    name === 'prompt' || typeof value !== 'string' || /\S/.test(value)
  return Object.fromEntries(Object.entries(body).filter(hasValue))
}

/** A request that does not match its schema. */
export class InvalidRequest extends Error {
  readonly statusCode = 400
  readonly issues: readonly InvalidField[]

  constructor(issues: readonly InvalidField[]) {
    super(issues.map(({ name, message }) => `${name ?? 'the body'}: ${message}`).join('; '))
    this.name = 'InvalidRequest'
    this.issues = issues
  }
}

export interface InvalidField {
  /** 'size', 'images.0.url'. undefined: the whole body. */
  name: string | undefined
  message: string
  /** missing: it is required. type: it has the wrong type. value: its value is not allowed. */
  problem: 'missing' | 'type' | 'value'
}

/** Issues reported at most. */
const maxIssues = 20

export const validateWithZod: FastifySchemaCompiler<z.ZodType> =
  ({ schema }) =>
  (value) => {
    try {
      return { value: parseWith(schema, value) }
    } catch (error) {
      return { error: error as InvalidRequest }
    }
  }

/** Throws InvalidRequest. `within`: path to the value in the body. */
export function parseWith<T extends z.ZodType>(schema: T, value: unknown, within: readonly string[] = []): z.output<T> {
  const result = schema.safeParse(value, { reportInput: true })
  if (result.success) return result.data
  const issues = result.error.issues.slice(0, maxIssues)
  throw new InvalidRequest(issues.map((issue) => fieldOf(inWords(issue, { schema, value }), within)))
}

/** Code that walks through deeper values could overflow the stack. */
const maxDepth = 100

/** Throws InvalidRequest that names the field. */
export function assertShallow(body: unknown): void {
  if (typeof body !== 'object' || body === null) return
  const deep = Object.entries(body).find(([, value]) => isDeeper(value, maxDepth))
  if (!deep) return
  throw new InvalidRequest([{ name: deep[0], message: `it is nested more than ${maxDepth} deep`, problem: 'value' }])
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  const parts = Array.isArray(value) ? value : Object.values(value)
  return levels === 0 || parts.some((each) => isDeeper(each, levels - 1))
}

/** zod's own texts about ranges name a type and an operator, so we write our own. */
const zodRange = /^Too (big|small): expected /

function inWords(issue: z.core.$ZodIssue, body: { schema: z.ZodType; value: unknown }): z.core.$ZodIssue {
  if ((issue.code !== 'too_big' && issue.code !== 'too_small') || !zodRange.test(issue.message)) return issue
  const limit = issue.code === 'too_big' ? issue.maximum : issue.minimum
  const least = issue.code === 'too_small'
  const bound = `${least ? 'at least' : 'at most'} ${limit}`
  if (issue.origin === 'string')
    return { ...issue, message: `use ${bound} ${limit === 1 ? 'character' : 'characters'}` }
  if (issue.origin === 'array') return { ...issue, message: `send ${bound}` }
  if (!issue.inclusive) return { ...issue, message: least ? `use more than ${limit}` : `use less than ${limit}` }
  const other = otherLimit(issue, body)
  if (other === undefined) return { ...issue, message: least ? `use ${limit} or more` : `use ${limit} or less` }
  return { ...issue, message: least ? `use ${limit} to ${other}` : `use ${other} to ${limit}` }
}

type RangeIssue = z.core.$ZodIssueTooBig | z.core.$ZodIssueTooSmall

/** The other end of the range of a number. An issue names only the end that was passed, so the other one is passed as well. */
function otherLimit({ code, path }: RangeIssue, { schema, value }: { schema: z.ZodType; value: unknown }) {
  const beyond = code === 'too_big' ? Number.MIN_SAFE_INTEGER : Number.MAX_SAFE_INTEGER
  const issues = schema.safeParse(replacedAt(value, path, beyond)).error?.issues ?? []
  const found = issues.find((each) => each.code !== code && each.path.join('.') === path.join('.'))
  if ((found?.code !== 'too_small' && found?.code !== 'too_big') || !found.inclusive) return undefined
  return found.code === 'too_small' ? found.minimum : found.maximum
}

/** A copy of the value with another value at the path. */
function replacedAt(value: unknown, [step, ...rest]: readonly PropertyKey[], other: number): unknown {
  if (step === undefined) return other
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((each, at) => (at === step ? replacedAt(each, rest, other) : each))
  return { ...value, [step]: replacedAt((value as Record<PropertyKey, unknown>)[step], rest, other) }
}

function fieldOf(issue: z.core.$ZodIssue, within: readonly string[]): InvalidField {
  const path = [...within, ...issue.path]
  const name = path.length === 0 ? undefined : path.map(String).join('.')
  const missing = issue.code === 'invalid_type' && issue.input === undefined
  const problem = missing ? 'missing' : issue.code === 'invalid_type' ? 'type' : 'value'
  return { name, message: missing ? 'it is required' : issue.message, problem }
}
