/** Discord's REST API: reads and records a request, applies faults, checks the token and calls the route's handler. */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Busboy } from '@fastify/busboy'
import type { Answer, Fault, Faults } from '../faults.ts'
import type { Cdn } from './cdn.ts'
import { DiscordErrorResponse, invalidForm, invalidJson, notFound, requestTooLarge, unauthorized } from './errors.ts'
import { MAX_REQUEST_BYTES } from './limits.ts'
import type { Oracle } from './oracle.ts'
import type { FilePart, Json, Recorded } from './types.ts'

export interface Call {
  params: Record<string, string>
  query: Record<string, string>
  body: Json
  files: FilePart[]
  /** Unix milliseconds when processing began. Excludes the time to compile schemas, includes that of a 'delay' fault. */
  at: number
}

/** Returns the JSON of a 200 response, a 201 response, or undefined for a 204 response. Throws a DiscordErrorResponse. */
type Handler = (call: Call) => Json | Json[] | { status: 201; body: Json } | undefined

/** Keys: `METHOD /path/{param}` with the paths of Discord's OpenAPI document. The first match is used. */
export type Routes = Record<string, Handler>

export interface RestOptions {
  routes: Routes
  token: string
  faults: Faults
  cdn: Cdn
  oracle: Oracle | undefined
  record: (request: Recorded) => void
  violate: (problem: string) => void
  keepBytes: boolean
}

export function createRestHandler(options: RestOptions) {
  const table = Object.entries(options.routes).map(([key, handler]) => {
    const [method, template] = key.split(' ') as [string, string]
    return { method, template, handler, parts: template.slice(1).split('/'), bucket: bucketOf(key) }
  })

  return async function handle(req: IncomingMessage, res: ServerResponse) {
    const url = new URL(req.url ?? '/', 'http://discord.invalid')
    const asset = /^\/(cdn|media)(\/.*)$/.exec(url.pathname)
    const parts = asset ? [] : decodePath(url.pathname)
    const method = req.method ?? 'GET'
    const path = asset ? url.pathname : `/${parts?.join('/') ?? ''}`
    const request = await readPayload(req)
    if (request === 'cut off') return // the client disconnected while it sent the request
    const { body, files } = request
    const query = Object.fromEntries(url.searchParams)
    const recorded: Recorded = { method, path, query, headers: req.headers, body, files, at: Date.now(), status: 0 }
    options.record(recorded)

    const verdict = await options.faults.apply(req, res, path)
    if (verdict !== 'none') recorded.fault = options.faults.hits.at(-1)?.kind
    if (verdict === 'handled') {
      recorded.status = res.headersSent ? res.statusCode : 0
      return forget(files)
    }
    if (asset) {
      recorded.status = options.cdn.serve(asset[2]!, url.searchParams, res)
      return
    }
    const reply = answer(method, parts, { query, at: Date.now(), ...request }, req.headers.authorization)
    forget(files)
    if (verdict === 'dropAfter') return void req.socket.destroy()
    recorded.status = reply.status
    recorded.code = reply.code
    const text = reply.body === undefined ? '' : JSON.stringify(reply.body)
    res.writeHead(reply.status, { ...jsonHeaders(text), ...rateLimitHeaders(reply.bucket) }).end(text)
  }

  function answer(
    method: string,
    parts: string[] | undefined,
    call: Payload & Pick<Call, 'query' | 'at'>,
    authorization: string | undefined,
  ) {
    const route = parts && table.find((entry) => entry.method === method && fits(entry.parts, parts))
    const bucket = route?.bucket ?? bucketOf(method)
    try {
      const isOpen = parts && (['interactions', 'webhooks'].includes(parts[0]!) || parts.join('/') === 'gateway')
      if (!isOpen && authorization !== `Bot ${options.token}`) throw unauthorized()
      if (!route) throw notFound()
      if (call.problem) throw call.problem
      const { body = {}, files, query, at } = call
      if (call.body !== undefined) report(options.oracle?.request(method, route.template, body))
      const result = route.handler({ params: params(route.parts, parts), query, body: body as Json, files, at })
      const { status, body: json } = isCreated(result) ? result : { status: result ? 200 : 204, body: result }
      if (json) report(options.oracle?.response(method, route.template, status, json))
      return { status, body: json, bucket }
    } catch (error) {
      const { status, body } = error instanceof DiscordErrorResponse ? error : unexpected(error)
      if (body.errors) report(`${method} ${route?.template} request: ${JSON.stringify(body.errors)}`)
      if (route) report(options.oracle?.response(method, route.template, status, body))
      return { status, code: body.code, body, bucket }
    }
  }

  function forget(files: FilePart[]) {
    if (!options.keepBytes) for (const file of files) file.data = Buffer.alloc(0)
  }

  function report(problem: string | undefined) {
    if (problem) options.violate(problem)
  }
}

/** Any other exception means that a handler could not process the body; Discord rejects such a body too. */
function unexpected(error: unknown): DiscordErrorResponse {
  return invalidForm('_', 'EMULATOR_FAILED', error instanceof Error ? (error.stack ?? error.message) : String(error))
}

/** Discord's responses for the faults '429' and '500'. */
export const faultAnswers = {
  '429': ({ retryAfterSeconds = 1, global = false }: Fault): Answer => {
    const body = JSON.stringify({ message: 'You are being rate limited.', retry_after: retryAfterSeconds, global })
    // Discord sends whole seconds; a fraction below one second lets tests wait less
    const header = retryAfterSeconds < 1 ? retryAfterSeconds : Math.ceil(retryAfterSeconds)
    return {
      status: 429,
      headers: {
        'content-type': 'application/json',
        'retry-after': String(header),
        'x-ratelimit-scope': global ? 'global' : 'user',
        ...(global ? { 'x-ratelimit-global': 'true' } : {}),
        'x-ratelimit-limit': '5',
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': String(Date.now() / 1000 + retryAfterSeconds),
        'x-ratelimit-reset-after': String(retryAfterSeconds),
        'x-ratelimit-bucket': bucketOf('fault'),
        via: '1.1 google',
      },
      body,
    }
  },
  '500': (): Answer => ({
    status: 500,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ message: '500: Internal Server Error', code: 0 }),
  }),
}

interface Payload {
  body: unknown
  files: FilePart[]
  problem?: DiscordErrorResponse
}

async function readPayload(req: IncomingMessage): Promise<Payload | 'cut off'> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of req as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size <= MAX_REQUEST_BYTES) chunks.push(chunk) // the rest is read and dropped, so that the client receives the response
    }
  } catch {
    return 'cut off'
  }
  if (size > MAX_REQUEST_BYTES) return { body: undefined, files: [], problem: requestTooLarge() }
  if (size === 0) return { body: undefined, files: [] }
  const raw = Buffer.concat(chunks)
  const type = req.headers['content-type'] ?? ''
  if (type.startsWith('multipart/form-data')) return multipart(type, raw)
  return { ...parseJson(raw.toString()), files: [] }
}

function parseJson(text: string): { body: unknown; problem?: DiscordErrorResponse } {
  try {
    return { body: JSON.parse(text) }
  } catch {
    return { body: undefined, problem: invalidJson() }
  }
}

function multipart(type: string, raw: Buffer) {
  return new Promise<Payload>((resolve) => {
    const fields: Record<string, string> = {}
    const files: FilePart[] = []
    const parser = new Busboy({ headers: { 'content-type': type } })
    parser.on('field', (name, value) => {
      fields[name] = value
    })
    parser.on('file', (name, stream, filename, _encoding, contentType) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const data = Buffer.concat(chunks)
        files.push({ name, filename, contentType, data, size: data.length })
      })
    })
    parser.on('error', () => resolve({ body: undefined, files: [], problem: invalidJson() }))
    parser.on('finish', () => {
      const { payload_json: json, ...rest } = fields
      resolve({ ...(json === undefined ? { body: rest } : parseJson(json)), files })
    })
    parser.end(raw)
  })
}

function decodePath(pathname: string): string[] | undefined {
  const path = /^\/api(?:\/v\d+)?\/(.*)$/.exec(pathname)?.[1]
  try {
    return path?.split('/').map(decodeURIComponent)
  } catch {
    return undefined
  }
}

const isParam = (part: string) => part.startsWith('{')

function fits(template: string[], parts: string[]): boolean {
  return template.length === parts.length && template.every((part, i) => isParam(part) || part === parts[i])
}

function params(template: string[], parts: string[]): Record<string, string> {
  return Object.fromEntries(
    template.flatMap((part, index) => (isParam(part) ? [[part.slice(1, -1), parts[index]!]] : [])),
  )
}

function isCreated(result: ReturnType<Handler>): result is { status: 201; body: Json } {
  return result !== undefined && 'status' in result && result.status === 201
}

const bucketOf = (key: string) => createHash('md5').update(key).digest('hex')

function jsonHeaders(text: string): Record<string, string | number> {
  return text ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) } : {}
}

function rateLimitHeaders(bucket: string) {
  const limit = 1000
  const reset = Math.ceil(Date.now() / 1000) + 1
  return {
    'x-ratelimit-limit': limit,
    'x-ratelimit-remaining': limit - 1,
    'x-ratelimit-reset': reset,
    'x-ratelimit-reset-after': 1,
    'x-ratelimit-bucket': bucket,
    via: '1.1 google',
  }
}
