/**
 * How providers are asked: one origin, one pool, a limit on everything. The key goes to the configured origin and
 * nowhere else; pictures are fetched without it, from public addresses or that same origin.
 */
import { Pool } from 'undici'
import { AppError } from '../core/errors.ts'
import type { Json } from '../db/json.ts'
import { createDownloader } from '../net/download.ts'
import { NetError } from '../net/errors.ts'

export interface ProviderHttpOptions {
  /** Its name, for errors. */
  provider: string
  /** Trusted, private or not; paths are added to it. */
  baseUrl: string
  /** Sent with every request, the key among them. */
  headers?: Readonly<Record<string, string>>
  /** Generations at the same time; room for connections is made accordingly. Default 64. */
  concurrency?: number
}

export interface ProviderRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Added to the base address; or a whole address on its origin, as providers hand out. */
  path: string
  /** Text or bytes with their own content-type in `headers`, or a form of undici's. */
  body?: string | Buffer | import('undici').FormData
  headers?: Readonly<Record<string, string>>
  signal: AbortSignal
  /** For the whole exchange. Default 30 s. */
  timeoutMs?: number
  /** Of the answer. Default 24 MiB: four large pictures in base64. */
  maxBytes?: number
}

export interface ProviderAnswer {
  status: number
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>
  body: Buffer
}

export interface ProviderHttp {
  /** One request, never repeated. Any status resolves; network trouble rejects with an AppError. */
  send(request: ProviderRequest): Promise<ProviderAnswer>
  /** The `data:` of each server-sent event until the stream ends. Rejects like `send`, and with any status but 2xx. */
  events(request: Omit<ProviderRequest, 'body' | 'maxBytes'>): AsyncIterable<string>
  /** A picture that an answer names: a public https address, one on the base origin, or a data: URL. */
  picture(url: string, signal: AbortSignal): Promise<Buffer>
  close(): Promise<void>
}

const requestMs = 30_000
const pictureMs = 60_000
const answerLimit = 24 * 1024 * 1024
const eventLimit = 1024 * 1024

/** A generation being ended may still have its connection when the next one begins. */
const connectionsFor = (concurrency: number) => Math.min(1_024, Math.max(32, concurrency * 2))

export function createProviderHttp(options: ProviderHttpOptions): ProviderHttp {
  const { provider, baseUrl, headers = {}, concurrency = 64 } = options
  const { origin } = new URL(baseUrl)
  const room = { connections: connectionsFor(concurrency), connect: { timeout: 10_000 }, pipelining: 1 }
  const pool = new Pool(origin, room)
  // streams are open as long as the work takes: what is asked meanwhile must not wait for them
  const streams = new Pool(origin, room)
  const downloader = createDownloader({ trusted: [origin] })

  function target(path: string): string {
    const url = new URL(path.startsWith('/') ? baseUrl + path : path)
    if (url.origin !== origin) {
      throw new AppError(
        'bad_result',
        { provider },
        { cause: new Error(`an address on another origin: ${url.origin}`) },
      )
    }
    return url.pathname + url.search
  }

  async function open(through: Pool, request: ProviderRequest, signal: AbortSignal) {
    const { method, path, body } = request
    return through.request({
      method,
      path: target(path),
      body,
      headers: { accept: 'application/json', 'accept-encoding': 'identity', ...headers, ...request.headers },
      signal,
      headersTimeout: 0,
      bodyTimeout: 0,
    })
  }

  return {
    async send(request) {
      const { signal, timeoutMs = requestMs, maxBytes = answerLimit } = request
      const limit = AbortSignal.timeout(timeoutMs)
      try {
        const answer = await open(pool, request, AbortSignal.any([signal, limit]))
        const body = await readAll(answer.body, maxBytes)
        return { status: answer.statusCode, headers: flat(answer.headers), body }
      } catch (error) {
        signal.throwIfAborted()
        throw networkError(provider, limit.aborted, error)
      }
    },

    async *events(request) {
      const { signal, timeoutMs = requestMs } = request
      const silence = new AbortController()
      const timer = setTimeout(() => silence.abort(), timeoutMs)
      try {
        const accept = { accept: 'text/event-stream', ...request.headers }
        const answer = await open(streams, { ...request, headers: accept }, AbortSignal.any([signal, silence.signal]))
        if (answer.statusCode < 200 || answer.statusCode > 299) {
          await answer.body.dump().catch(() => undefined)
          throw new AppError(
            'provider_failed',
            { provider },
            { cause: new Error(`stream status ${answer.statusCode}`) },
          )
        }
        let rest = ''
        for await (const chunk of answer.body.setEncoding('utf8')) {
          timer.refresh()
          rest = (rest + chunk).replaceAll('\r\n', '\n')
          if (rest.length > eventLimit) throw new AppError('bad_result', { provider })
          const blocks = rest.split('\n\n')
          rest = blocks.pop() ?? ''
          for (const block of blocks) {
            const data = block.split('\n').flatMap((line) => (line.startsWith('data:') ? [line.slice(5).trim()] : []))
            if (data.length > 0) yield data.join('\n')
          }
        }
      } catch (error) {
        signal.throwIfAborted()
        throw networkError(provider, silence.signal.aborted, error)
      } finally {
        clearTimeout(timer)
        silence.abort()
      }
    },

    async picture(url, signal) {
      try {
        return (await downloader.get(url, { maxBytes: answerLimit, timeoutMs: pictureMs, signal })).body
      } catch (error) {
        signal.throwIfAborted()
        if (!(error instanceof NetError)) throw error
        // the picture is paid for: a host that is away for a moment is asked again, an address that is wrong is not
        const passing = ['unreachable', 'timeout', 'broken'].includes(error.kind) || (error.status ?? 0) >= 500
        const kind = passing ? 'provider_failed' : 'bad_result'
        throw new AppError(kind, { provider }, { cause: error })
      }
    },

    close: async () => {
      await Promise.all([pool.destroy(), streams.destroy(), downloader.close()])
    },
  }
}

/** JSON of an answer. Throws AppError bad_result. */
export function parseJson(provider: string, answer: Pick<ProviderAnswer, 'body'>): Json {
  try {
    return JSON.parse(answer.body.toString('utf8')) as Json
  } catch (error) {
    throw new AppError('bad_result', { provider }, { cause: error })
  }
}

interface Refusal {
  /** The provider's own words, for the person; without anything secret. */
  reason?: string
  /** Its envelope was understood: it says itself that nothing was started. Default: true below 500, else false. */
  neverRan?: boolean
}

/** What a status means where the provider has no finer word for it. */
export function statusError(provider: string, answer: ProviderAnswer, { reason, neverRan }: Refusal = {}): AppError {
  const { status } = answer
  const extra = {
    cause: new Error(`${provider} answered ${status}`),
    neverRan: neverRan ?? status < 500,
    retryAfterMs: retryAfterMs(answer.headers['retry-after']),
  }
  const data = { provider, reason: reason?.slice(0, 300) }
  if (status === 401 || status === 402 || status === 403) return new AppError('provider_account', data, extra)
  if (status === 408 || status === 504) return new AppError('provider_timeout', data, extra)
  if (status === 429) return new AppError('provider_busy', data, extra)
  if (status === 503) return new AppError('provider_busy', data, extra)
  if (status >= 500) return new AppError('provider_failed', data, extra)
  if (status >= 400) return new AppError('provider_refused', data, extra)
  return new AppError('bad_result', data, { cause: extra.cause })
}

/** Seconds or a date. undefined: absent or not understood. */
export function retryAfterMs(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const seconds = /^\d+(\.\d+)?$/.test(value.trim()) ? Number(value) : (Date.parse(value) - Date.now()) / 1000
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds * 1000)
}

async function readAll(body: AsyncIterable<Buffer> & { destroy(): unknown }, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > maxBytes) {
      body.destroy()
      throw new NetError('too_big')
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Codes of errors before anything was sent. */
const notSent =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/

function networkError(provider: string, timedOut: boolean, error: unknown): AppError {
  if (error instanceof AppError) return error
  if (error instanceof NetError) return new AppError('bad_result', { provider }, { cause: error })
  if (timedOut) return new AppError('provider_timeout', { provider }, { cause: error })
  const code = String((error as { code?: unknown }).code ?? '')
  return new AppError('provider_failed', { provider }, { cause: error, neverRan: notSent.test(code) })
}

function flat(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  )
}
