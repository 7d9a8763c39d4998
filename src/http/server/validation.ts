/** zod as what checks requests: all that is wrong with one is said, by name. */
import type { FastifySchemaCompiler } from 'fastify'
import type { z } from 'zod'

/** For examples: a grey square that is no link to anywhere. */
export const examplePicture =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAADklEQVR42mNogAIGyhgAgIQgARDoahcAAAAASUVORK5CYII='

/** null, which many clients send, is as good as absent. */
export const optional = <T extends z.ZodType>(type: T) => type.nullish().transform((value) => value ?? undefined)

/** What is blank is not said, as in forms; of an empty prompt more is said than that it is missing. */
export function withoutBlanks(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body
  const isSaid = ([name, value]: [string, unknown]) =>
    name === 'prompt' || typeof value !== 'string' || /\S/.test(value)
  return Object.fromEntries(Object.entries(body).filter(isSaid))
}

/** Something that does not fit a schema. `given`: what was looked at. */
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
  /** 'size', 'images.0.url'. undefined: the whole. */
  name: string | undefined
  message: string
  /** missing: it must be there. type: another kind of thing. value: not one of those that are allowed. */
  problem: 'missing' | 'type' | 'value'
}

/** Wrong in more places than this is said of the first ones. */
const mostIssues = 20

export const checkWithZod: FastifySchemaCompiler<z.ZodType> =
  ({ schema }) =>
  (value) => {
    try {
      return { value: parseWith(schema, value) }
    } catch (error) {
      return { error: error as InvalidRequest }
    }
  }

/** Throws InvalidRequest. `within`: where the value stands. */
export function parseWith<T extends z.ZodType>(schema: T, value: unknown, within: readonly string[] = []): z.output<T> {
  const result = schema.safeParse(value, { reportInput: true })
  if (result.success) return result.data
  throw new InvalidRequest(result.error.issues.slice(0, mostIssues).map((issue) => fieldOf(issue, within)))
}

/** Deeper bodies are refused: whoever walks through them would run out of stack. */
const mostLevels = 100

/** Throws InvalidRequest, with the field. */
export function assertShallow(body: unknown): void {
  if (typeof body !== 'object' || body === null) return
  const deep = Object.entries(body).find(([, value]) => isDeeper(value, mostLevels))
  if (!deep) return
  throw new InvalidRequest([{ name: deep[0], message: `it is nested more than ${mostLevels} deep`, problem: 'value' }])
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  const parts = Array.isArray(value) ? value : Object.values(value)
  return levels === 0 || parts.some((each) => isDeeper(each, levels - 1))
}

function fieldOf(issue: z.core.$ZodIssue, within: readonly string[]): InvalidField {
  const path = [...within, ...issue.path]
  const name = path.length === 0 ? undefined : path.map(String).join('.')
  const missing = issue.code === 'invalid_type' && issue.input === undefined
  const problem = missing ? 'missing' : issue.code === 'invalid_type' ? 'type' : 'value'
  return { name, message: missing ? 'it must be given' : issue.message, problem }
}
