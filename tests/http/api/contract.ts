/** Validates responses against the OpenAPI document. */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'

export interface Schema {
  $ref?: string
  type?: string | string[]
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  anyOf?: Schema[]
  enum?: unknown[]
  format?: string
  minimum?: number
  [more: string]: unknown
}

interface Media {
  schema?: Schema
}

export interface OperationObject {
  operationId: string
  summary?: string
  tags?: string[]
  security?: unknown[]
  parameters?: { name: string; in: string; required?: boolean; schema: Schema; description?: string }[]
  requestBody?: { required?: boolean; content: Record<string, Media> }
  responses: Record<string, { description?: string; content?: Record<string, Media>; headers?: Record<string, Schema> }>
}

export interface Document {
  openapi: string
  info: Record<string, unknown>
  servers: { url: string }[]
  tags: { name: string; description: string }[]
  paths: Record<string, Record<string, OperationObject>>
  components: { schemas: Record<string, Schema>; headers: Record<string, Schema>; securitySchemes: object }
}

export interface Operation extends OperationObject {
  method: string
  /** '/v1/models/{model}' */
  path: string
}

export interface Response {
  status: number
  headers: Record<string, unknown>
  body: string
}

export interface Contract {
  operations: readonly Operation[]
  find(method: string, url: string): Operation | undefined
  /** Differences between a response and the document: in status, content type or schema. */
  problems(operation: Operation, response: Response): string[]
  /** Compiles every schema, and returns how many there are. Throws for an invalid one. */
  compileAll(): number
  resolve(schema: Schema): Schema
}

const root = 'document:openapi'

export function contractOf(document: Document): Contract {
  const ajv = new Ajv2020({ strict: false, allErrors: true, logger: false })
  formats.default(ajv)
  ajv.addSchema({ ...document, $id: root })
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, each]) => ({ ...each, method: method.toUpperCase(), path })),
  )
  // a fixed path before one with parameters
  const sorted = operations.toSorted((a, b) => a.path.split('{').length - b.path.split('{').length)
  const compiled = new Map<string, ValidateFunction>()
  const check = (...steps: string[]) => {
    const $ref = `${root}#/${steps.map(pointer).join('/')}`
    const made = compiled.get($ref) ?? ajv.compile({ $ref })
    compiled.set($ref, made)
    return made
  }

  return {
    operations,
    find: (method, url) => {
      const path = (url.split('?')[0] ?? '').replace(/(?<=.)\/$/, '')
      const among = sorted.filter((each) => each.method === method)
      const fits = (last: string) => among.find((each) => patternOf(each.path, last).test(path))
      // the last parameter may contain slashes, when no other path matches
      return fits('[^/]*') ?? fits('.*')
    },
    problems: ({ path, method, responses }, { status, headers, body }) => {
      const key = [String(status), `${Math.floor(status / 100)}XX`].find((each) => Object.hasOwn(responses, each))
      if (key === undefined) return [`status ${status} is not documented`]
      const type = String(headers['content-type'] ?? '').split(';')[0] ?? ''
      const content = responses[key]?.content ?? {}
      if (Object.keys(content).length === 0)
        return body === '' ? [] : [`a body with status ${status} is not documented`]
      if (!Object.hasOwn(content, type)) return [`'${type}' with status ${status} is not documented`]
      const fits = check('paths', path, method.toLowerCase(), 'responses', key, 'content', type, 'schema')
      return valuesIn(type, body).flatMap((value) => (fits(value) ? [] : [ajv.errorsText(fits.errors)]))
    },
    compileAll: () => {
      const pointers = Object.keys(document.components.schemas).map((name) => ['components', 'schemas', name])
      walk(document.paths, ['paths'], (_schema, at) => {
        if (at.at(-1) === 'schema') pointers.push(at)
      })
      for (const steps of pointers) check(...steps)
      return pointers.length
    },
    resolve: function resolve(schema): Schema {
      const name = schema.$ref?.slice('#/components/schemas/'.length)
      return name === undefined ? schema : resolve(document.components.schemas[name] ?? {})
    },
  }
}

/** Calls `visit` for every object in a document, with its path. */
export function walk(value: unknown, at: string[], visit: (each: Schema, at: string[]) => void): void {
  if (typeof value !== 'object' || value === null) return
  visit(value as Schema, at)
  for (const [key, each] of Object.entries(value)) walk(each, [...at, key], visit)
}

/** `last`: pattern for a parameter at the end of the path. */
function patternOf(path: string, last: string): RegExp {
  const literal = path.replace(/[.*+?^$()|[\]\\]/g, '\\$&')
  return new RegExp(`^${literal.replace(/\{\w+\}$/, last).replace(/\{\w+\}/g, '[^/]+')}$`, 's')
}

const pointer = (step: string) => encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1'))

function valuesIn(type: string, body: string): unknown[] {
  if (type === 'text/html') return [body]
  if (type !== 'text/event-stream') return [JSON.parse(body)]
  const data = [...body.matchAll(/^data: (.*)$/gm)].map(([, each = '']) => each)
  return data.filter((each) => each !== '[DONE]').map((each) => JSON.parse(each))
}
