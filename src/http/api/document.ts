/** The schemas of routes → one OpenAPI document that can be read: what routes have in common is added, what nobody uses left out. */
import type { SwaggerTransform, SwaggerTransformObject } from '@fastify/swagger'
import type { FastifyContextConfig } from 'fastify'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'
import { z } from 'zod'

declare module 'fastify' {
  interface FastifySchema {
    told?: Documented
  }
}

/** What a route checks by itself, or nobody has to: it is in the document only. */
export interface Documented {
  /** Content type → what such a body holds. */
  bodies?: Readonly<Record<string, z.ZodType>>
  headers?: z.ZodObject
  /** Of a path that ends in '*': one, by its name. */
  params?: z.ZodObject
}

/** Ways to come in: either of them. */
export const keys: Record<string, string[]>[] = [{ bearer: [] }, { key: [] }]

/** As much of OpenAPI 3.1 as is touched here. */
export interface Document {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: Record<string, Record<string, unknown>>
  tags?: { name: string; description?: string }[]
}

interface Operation {
  tags?: string[]
  security?: unknown[]
  requestBody?: { content: Record<string, { example?: unknown }> }
  'x-examples'?: Readonly<Record<string, unknown>>
  responses: Record<string, { description: string; headers?: Record<string, unknown>; content?: object }>
}

/** Routes without an `operationId` are not told of. */
export const asOperation: SwaggerTransform = (given) => {
  const { schema, url, route } = given
  if (schema?.operationId === undefined || schema.hide) return { schema: { hide: true }, url }
  const { told: { bodies, ...told } = {}, ...checked } = schema
  const shown = jsonSchemaTransform({ ...given, schema: { ...checked, ...told } }).schema
  const sent = bodies ?? (checked.body ? { 'application/json': checked.body as z.ZodType } : {})
  const contents = Object.entries(sent).map(([type, body]) => [type, { schema: bodyOf(given, body) }])
  const body = contents.length > 0 && { content: Object.fromEntries(contents) }
  const examples = Object.fromEntries(Object.entries(sent).map(([type, each]) => [type, exampleOf(each)]))
  const security = securityOf(route.config?.open)
  const [name = ''] = Object.keys(told.params?.shape ?? {})
  return {
    url: url.replace('*', `:${name}`),
    schema: { ...shown, ...(body && { body, 'x-examples': examples }), ...(security && { security }) },
  }
}

/** undefined: as everywhere. */
function securityOf(open: FastifyContextConfig['open']): Record<string, string[]>[] | undefined {
  if (typeof open === 'function') return [...keys, {}]
  return open ? [] : undefined
}

/** The first of `.meta({ examples })`, so that the page has something to send that works. */
const exampleOf = (body: z.ZodType) => (z.globalRegistry.get(body)?.examples as unknown[] | undefined)?.[0]

const bodyOf = (given: Parameters<SwaggerTransform>[0], body: z.ZodType) =>
  jsonSchemaTransform({ ...given, schema: { body } }).schema.body

/** All named schemas there are come with it, each as it is sent and as it is answered. */
export const tidy: SwaggerTransformObject = (given) => {
  const whole = jsonSchemaTransformObject(given) as unknown as Document
  for (const [method, operation] of operationsOf(whole)) {
    tellOfAnswers(method, operation)
    showExamples(operation)
  }
  const used = new Set(operationsOf(whole).flatMap(([, { tags = [] }]) => tags))
  const tags = whole.tags?.filter(({ name }) => used.has(name))
  const components = { ...whole.components, headers, schemas: reached(whole) }
  return withPlainNames({ ...whole, tags, components }) as unknown as ReturnType<SwaggerTransformObject>
}

const operationsOf = ({ paths }: Document) => Object.values(paths).flatMap((path) => Object.entries(path))

const headers = {
  RequestId: { description: 'Names this request in the log.', schema: { type: 'string', format: 'uuid' } },
  RetryAfter: { description: 'Seconds after which another try may do better.', schema: { type: 'integer' } },
  Location: { description: 'Where to look from now on.', schema: { type: 'string' } },
  Job: {
    description: 'Its job, to be looked up should the connection break; events begin with it.',
    schema: { type: 'string' },
  },
  RateLimit: {
    description: 'Requests for pictures that the account may make in a minute.',
    schema: { type: 'integer' },
  },
  RateRemaining: { description: 'How many of them are left now.', schema: { type: 'integer' } },
}

/** What @fastify/swagger says where nothing is said. */
const unsaid = 'Default Response'
const meanings: Readonly<Record<string, string>> = {
  2: 'It is done.',
  4: 'The request, the key or the account does not allow it; nothing is charged.',
  5: 'It did not work here; nothing is charged.',
}

function tellOfAnswers(method: string, { security, responses }: Operation): void {
  const named = (name: keyof typeof headers) => ({ $ref: `#/components/headers/${name}` })
  const paced = method === 'post' && security === undefined
  for (const [status, response] of Object.entries(responses)) {
    if (response.description === unsaid) response.description = meanings[status[0] ?? ''] ?? 'Something else.'
    response.headers = {
      ...response.headers,
      'x-request-id': named('RequestId'),
      ...(status === '202' && { location: named('Location') }),
      ...('text/event-stream' in (response.content ?? {}) && { 'content-location': named('Job') }),
      ...(/^[45]/.test(status) && { 'retry-after': named('RetryAfter') }),
      ...(paced && { 'x-ratelimit-limit-requests': named('RateLimit') }),
      ...(paced && { 'x-ratelimit-remaining-requests': named('RateRemaining') }),
    }
  }
}

/** Where the framework would not leave them. */
function showExamples(operation: Operation): void {
  const { 'x-examples': examples, requestBody } = operation
  delete operation['x-examples']
  for (const [type, content] of Object.entries(requestBody?.content ?? {})) {
    if (examples?.[type] !== undefined) content.example = examples[type]
  }
}

const prefix = '#/components/schemas/'

/** The schemas that a path leads to, by whatever way. */
function reached({ paths, components: { schemas = {} } }: Document): Record<string, unknown> {
  const found = new Set(namesIn(paths))
  for (const name of found) for (const next of namesIn(schemas[name])) found.add(next)
  return Object.fromEntries([...found].sort().map((name) => [name, schemas[name]]))
}

const namesIn = (value: unknown) =>
  [...(JSON.stringify(value) ?? '').matchAll(/"\$ref":"#\/components\/schemas\/([^"/]+)"/g)].map(
    ([, name = '']) => name,
  )

/** 'BodyInput' → 'Body', where nothing is answered that is called so. */
function withPlainNames(document: Document): Document {
  const { schemas = {} } = document.components
  const plain = (name: string) => {
    const short = name.replace(/Input$/, '')
    return Object.hasOwn(schemas, short) ? name : short
  }
  const renamed = Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [plain(name), schema]))
  const whole = { ...document, components: { ...document.components, schemas: renamed } }
  return JSON.parse(JSON.stringify(whole), (key, value) => {
    // what every number of JavaScript keeps to says nothing of this one
    if (Math.abs(value) === Number.MAX_SAFE_INTEGER && /^(max|min)imum$/.test(key)) return undefined
    const named = key === '$ref' && typeof value === 'string' && value.startsWith(prefix)
    return named ? prefix + plain(value.slice(prefix.length)) : value
  })
}
