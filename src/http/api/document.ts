/**
 * Converts the schemas of the routes to an OpenAPI document: adds what all routes have in common, and removes unused schemas.
 */
import type { SwaggerTransform, SwaggerTransformObject } from '@fastify/swagger'
import type { FastifyContextConfig } from 'fastify'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'
import { z } from 'zod'

declare module 'fastify' {
  interface FastifySchema {
    documented?: Documented
  }
}

/** Parts of a request that the document describes and fastify does not validate. */
export interface Documented {
  /** Content type → schema of the body. */
  bodies?: Readonly<Record<string, z.ZodType>>
  headers?: z.ZodObject
  /** The name of the part that '*' at the end of the path matches. */
  params?: z.ZodObject
}

/** Either header authenticates. */
export const keys: Record<string, string[]>[] = [{ bearer: [] }, { key: [] }]

/** The parts of OpenAPI 3.1 that this file changes. */
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

/** Leaves out routes without an `operationId`. */
export const asOperation: SwaggerTransform = (given) => {
  const { schema, url, route } = given
  if (schema?.operationId === undefined || schema.hide) return { schema: { hide: true }, url }
  const { documented: { bodies, ...documented } = {}, ...checked } = schema
  const shown = jsonSchemaTransform({ ...given, schema: { ...checked, ...documented } }).schema
  const sent = bodies ?? (checked.body ? { 'application/json': checked.body as z.ZodType } : {})
  const contents = Object.entries(sent).map(([type, body]) => [type, { schema: bodyOf(given, body) }])
  const body = contents.length > 0 && { content: Object.fromEntries(contents) }
  const examples = Object.fromEntries(Object.entries(sent).map(([type, each]) => [type, exampleOf(each)]))
  const security = securityOf(route.config?.open)
  const [name = ''] = Object.keys(documented.params?.shape ?? {})
  return {
    url: url.replace('*', `:${name}`),
    schema: { ...shown, ...(body && { body, 'x-examples': examples }), ...(security && { security }) },
  }
}

/** Returns undefined for the default of the document: a key is required. */
function securityOf(open: FastifyContextConfig['open']): Record<string, string[]>[] | undefined {
  if (typeof open === 'function') return [...keys, {}]
  return open ? [] : undefined
}

/** The first of `.meta({ examples })`. The page offers it as a request that works. */
const exampleOf = (body: z.ZodType) => (z.globalRegistry.get(body)?.examples as unknown[] | undefined)?.[0]

const bodyOf = (given: Parameters<SwaggerTransform>[0], body: z.ZodType) =>
  jsonSchemaTransform({ ...given, schema: { body } }).schema.body

/** Receives every named schema twice: as input and as output. */
export const tidy: SwaggerTransformObject = (given) => {
  const document = jsonSchemaTransformObject(given) as unknown as Document
  for (const [method, operation] of operationsOf(document)) {
    describeResponses(method, operation)
    showExamples(operation)
  }
  const used = new Set(operationsOf(document).flatMap(([, { tags = [] }]) => tags))
  const tags = document.tags?.filter(({ name }) => used.has(name))
  const components = { ...document.components, headers, schemas: referencedSchemas(document) }
  return withPlainNames({ ...document, tags, components }) as unknown as ReturnType<SwaggerTransformObject>
}

const operationsOf = ({ paths }: Document) => Object.values(paths).flatMap((path) => Object.entries(path))

const headers = {
  RequestId: { description: 'Identifies this request in the log.', schema: { type: 'string', format: 'uuid' } },
  RetryAfter: { description: 'Seconds after which a retry may succeed.', schema: { type: 'integer' } },
  Location: { description: 'Where to poll.', schema: { type: 'string' } },
  Job: {
    description: 'The job of this request, for polling when the connection breaks. Sent before the first event.',
    schema: { type: 'string' },
  },
  RateLimit: {
    description: 'Generations that the account may request in a minute.',
    schema: { type: 'integer' },
  },
  RateRemaining: { description: 'How many of them are left.', schema: { type: 'integer' } },
}

/** What @fastify/swagger inserts for a missing description. */
const missingDescription = 'Default Response'
const defaultDescriptions: Readonly<Record<string, string>> = {
  2: 'The request succeeded.',
  4: 'The request, the key or the account does not permit this. Nothing is charged.',
  5: 'The service or its provider failed. Nothing is charged.',
}

function describeResponses(method: string, { security, responses }: Operation): void {
  const named = (name: keyof typeof headers) => ({ $ref: `#/components/headers/${name}` })
  const rateLimited = method === 'post' && security === undefined
  for (const [status, response] of Object.entries(responses)) {
    if (response.description === missingDescription)
      response.description = defaultDescriptions[status[0] ?? ''] ?? 'Another response.'
    response.headers = {
      ...response.headers,
      'x-request-id': named('RequestId'),
      ...(status === '202' && { location: named('Location') }),
      ...('text/event-stream' in (response.content ?? {}) && { 'content-location': named('Job') }),
      ...(/^[45]/.test(status) && { 'retry-after': named('RetryAfter') }),
      ...(rateLimited && { 'x-ratelimit-limit-requests': named('RateLimit') }),
      ...(rateLimited && { 'x-ratelimit-remaining-requests': named('RateRemaining') }),
    }
  }
}

/** Moves examples to where OpenAPI expects them; the framework does not keep them there. */
function showExamples(operation: Operation): void {
  const { 'x-examples': examples, requestBody } = operation
  delete operation['x-examples']
  for (const [type, content] of Object.entries(requestBody?.content ?? {})) {
    if (examples?.[type] !== undefined) content.example = examples[type]
  }
}

const prefix = '#/components/schemas/'

/** The schemas that a path refers to, directly or through other schemas. */
function referencedSchemas({ paths, components: { schemas = {} } }: Document): Record<string, unknown> {
  const found = new Set(namesIn(paths))
  for (const name of found) for (const next of namesIn(schemas[name])) found.add(next)
  return Object.fromEntries([...found].sort().map((name) => [name, schemas[name]]))
}

const namesIn = (value: unknown) =>
  [...(JSON.stringify(value) ?? '').matchAll(/"\$ref":"#\/components\/schemas\/([^"/]+)"/g)].map(
    ([, name = '']) => name,
  )

/** 'BodyInput' → 'Body', unless a response schema has that name. */
function withPlainNames(document: Document): Document {
  const { schemas = {} } = document.components
  const plain = (name: string) => {
    const short = name.replace(/Input$/, '')
    return Object.hasOwn(schemas, short) ? name : short
  }
  const renamed = Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [plain(name), schema]))
  const changed = { ...document, components: { ...document.components, schemas: renamed } }
  return JSON.parse(JSON.stringify(changed), (key, value) => {
    // the range of JavaScript's numbers is not a limit of this field
    if (Math.abs(value) === Number.MAX_SAFE_INTEGER && /^(max|min)imum$/.test(key)) return undefined
    const named = key === '$ref' && typeof value === 'string' && value.startsWith(prefix)
    return named ? prefix + plain(value.slice(prefix.length)) : value
  })
}
