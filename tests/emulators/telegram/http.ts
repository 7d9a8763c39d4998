/** HTTP server of the Bot API: reads a call, applies faults, runs the method and sends the response. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Answer, Fault, Faults } from '../faults.ts'
import { readBody } from './body.ts'
import { errorBody, notFound, TelegramErrorResponse, unauthorized } from './errors.ts'
import type { Call } from './telegram.ts'
import type { Recorded } from './types.ts'

export interface HttpOptions {
  token: string
  faults: Faults
  /** Called when a request arrives. The object is completed later. */
  record(recorded: Recorded): void
  /** Called when the request is done, with or without a response. */
  finished(recorded: Recorded): void
  /** Returns the `result`. Throws a TelegramErrorResponse. `isText`: the parameters came as form, query or multipart. */
  run(call: Call, isText: boolean): unknown
  download(path: string): Buffer | undefined
  violate(problem: string): void
  maxFileBytes: number
}

/** Longer than the client's, because a shorter one would close connections that the client is about to use. */
const KEEP_ALIVE_MS = 120_000
const json = { 'content-type': 'application/json' }

export const faultAnswers: Record<'429' | '500', (fault: Fault) => Answer> = {
  '429': ({ retryAfterSeconds = 1 }) => ({
    status: 429,
    headers: { ...json, 'retry-after': String(retryAfterSeconds) },
    body: errorBody(429, `Too Many Requests: retry after ${retryAfterSeconds}`, { retry_after: retryAfterSeconds }),
  }),
  '500': () => ({ status: 500, headers: json, body: errorBody(500, 'Internal Server Error') }),
}

interface Target {
  token: string
  /** Method name or `file/…`. */
  label: string
  query: URLSearchParams
}

export function createHttp(options: HttpOptions): Server {
  const server = createServer((req, res) => {
    handle(options, req, res).catch(() => res.destroy()) // the client disconnected while it sent the request
  })
  server.keepAliveTimeout = KEEP_ALIVE_MS
  return server
}

async function handle(options: HttpOptions, req: IncomingMessage, res: ServerResponse) {
  const target = readTarget(req)
  const recorded: Recorded = { method: target.label, params: {}, files: [], at: Date.now(), status: 0 }
  options.record(recorded)
  const problem = await fillIn(recorded, req, { query: target.query, maxFileBytes: options.maxFileBytes })

  const hits = options.faults.hits.length
  const applied = options.faults.apply(req, res, target.label)
  if (options.faults.hits.length > hits) recorded.fault = options.faults.hits.at(-1)!.kind
  const verdict = await applied
  if (verdict === 'handled') {
    if (res.writableEnded) recorded.status = res.statusCode
    return options.finished(recorded)
  }

  const isText = !req.headers['content-type']?.startsWith('application/json')
  const answer = problem ? errorAnswer(problem) : await answerTo(options, { target, recorded, isText, res })
  if (verdict === 'dropAfter') {
    req.socket.destroy()
  } else if (!res.destroyed) {
    const { status, type = json['content-type'], retryAfter, body } = answer
    recorded.description = answer.description
    res.once('finish', () => {
      recorded.status = status // a fault may delay the response
    })
    if (retryAfter !== undefined) res.setHeader('retry-after', retryAfter)
    res.writeHead(status, { 'content-type': type, 'content-length': body.length }).end(body)
    if (res.writableEnded) recorded.status = status
  }
  options.finished(recorded)
}

interface Reading {
  query: URLSearchParams
  maxFileBytes: number
}

/** Returns the error of a body that cannot be read. */
async function fillIn(recorded: Recorded, req: IncomingMessage, { query, maxFileBytes }: Reading) {
  try {
    Object.assign(recorded, await readBody(req, query, maxFileBytes))
    return undefined
  } catch (error) {
    if (error instanceof TelegramErrorResponse) return error
    throw error
  }
}

/** Paths: `/bot<token>/<method>` and `/file/bot<token>/<path>`. */
function readTarget(req: IncomingMessage): Target {
  const url = new URL(req.url ?? '/', 'http://telegram')
  const [, file = '', token = '', rest = ''] = /^\/(file\/)?bot([^/]+)\/(.+)$/.exec(url.pathname) ?? []
  return { token: decodeURIComponent(token), label: rest ? `${file}${rest}` : url.pathname, query: url.searchParams }
}

interface HttpAnswer {
  status: number
  body: Buffer
  type?: string
  description?: string
  /** Seconds. */
  retryAfter?: number
}

interface Job {
  target: Target
  recorded: Recorded
  isText: boolean
  res: ServerResponse
}

async function answerTo(options: HttpOptions, { target, recorded, isText, res }: Job): Promise<HttpAnswer> {
  try {
    if (!/^\d+:/.test(target.token)) throw notFound()
    if (target.token !== options.token) throw unauthorized()
    if (target.label.startsWith('file/')) return download(options, target.label.slice('file/'.length))
    const { method, params, files } = recorded
    const onClose = (listener: () => void) => res.once('close', listener)
    const result = await options.run({ method, params, files, onClose }, isText)
    return { status: 200, body: Buffer.from(JSON.stringify({ ok: true, result })) }
  } catch (error) {
    if (error instanceof TelegramErrorResponse) return errorAnswer(error)
    options.violate(`the emulator failed in ${target.label}: ${error instanceof Error ? error.stack : error}`)
    return errorAnswer(new TelegramErrorResponse(500, 'Internal Server Error'))
  }
}

function download(options: HttpOptions, path: string): HttpAnswer {
  const data = options.download(decodeURIComponent(path))
  if (!data) throw notFound()
  return { status: 200, body: data, type: 'application/octet-stream' }
}

function errorAnswer({ status, message, parameters }: TelegramErrorResponse): HttpAnswer {
  const retryAfter = parameters?.retry_after as number | undefined
  return { status, description: message, retryAfter, body: Buffer.from(errorBody(status, message, parameters)) }
}
