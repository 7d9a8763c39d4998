/**
 * The HTTP client of a provider, with limits on time and size. It sends the key to the configured origin only. Pictures
 * are downloaded without the key, from public addresses or from that origin.
 */
import { Pool } from 'undici'
import { AppError } from '../core/errors.ts'
import { traced } from '../core/trace.ts'
import type { Json } from '../db/json.ts'
import { createDownloader } from '../net/download.ts'
import { NetError } from '../net/errors.ts'

export interface ProviderHttpOptions {
  /** The provider's name, for errors. */
  provider: string
  /** Address that request paths are appended to. Trusted even if it is private. */
  baseUrl: string
  /** Headers of every request, including the key. */
  headers?: Readonly<Record<string, string>>
  /** Generations at the same time; decides the size of the connection pools. Default 64. */
  concurrency?: number
}

export interface ProviderRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Path appended to the base address, or a full URL on the same origin, as providers return them. */
  path: string
  /** Text or bytes, with their content-type in `headers`; or a form, which sets its own. */
  body?: string | Buffer | import('undici').FormData
  headers?: Readonly<Record<string, string>>
  signal: AbortSignal
  /** Limit for the whole exchange. For `events`: for the silence between two chunks. Default 30 s. */
  timeoutMs?: number
  /** Largest response body. Default 24 MiB: four large pictures in base64. */
  maxBytes?: number
  /** For `send`: gets the `data:` of each server-sent event, if the response is a stream of them. Its body is then empty. */
  onEvent?(data: string): void
}

export interface ProviderResponse {
  status: number
  /** Names are in lower case. */
  headers: Readonly<Record<string, string>>
  body: Buffer
}

export interface ProviderHttp {
  /** Sends one request and never retries it. Resolves with any status; a network error rejects with an AppError. */
  send(request: ProviderRequest): Promise<ProviderResponse>
  /** Yields the `data:` of each server-sent event. Throws like `send`, and for a status other than 2xx. */
  events(request: Omit<ProviderRequest, 'body' | 'maxBytes' | 'onEvent'>): AsyncIterable<string>
  /** Downloads a picture that a response names: a public https address, one on the base origin, or a data: URL. */
  picture(url: string, signal: AbortSignal, maxBytes?: number): Promise<Buffer>
  close(): Promise<void>
}

const requestMs = 30_000
const pictureMs = 60_000
const responseLimit = 24 * 1024 * 1024
const eventLimit = 1024 * 1024

/** Twice the concurrency: a generation that is ending may still hold its connection when the next one starts. */
const connectionsFor = (concurrency: number) => Math.min(1_024, Math.max(32, concurrency * 2))

export function createProviderHttp(options: ProviderHttpOptions): ProviderHttp {
  const { provider, baseUrl, headers = {}, concurrency = 64 } = options
  const { origin } = new URL(baseUrl)
  const poolOptions = { connections: connectionsFor(concurrency), connect: { timeout: 10_000 }, pipelining: 1 }
  const pool = new Pool(origin, poolOptions)
  // a stream holds its connection until the generation ends; other requests must not queue behind it
  const streams = new Pool(origin, poolOptions)
  const downloader = createDownloader({ trusted: [origin] })

  function target(path: string): string {
    const url = new URL(path.startsWith('/') ? baseUrl + path : path)
    if (url.origin !== origin) {
      throw new AppError(
        'bad_result',
        { provider },
        { cause: new Error(`the response names an address on another origin: ${url.origin}`) },
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
      const { signal, timeoutMs = requestMs, maxBytes = responseLimit, onEvent } = request
      const limit = AbortSignal.timeout(timeoutMs)
      try {
        const response = await open(pool, request, AbortSignal.any([signal, limit]))
        const headers = flatHeaders(response.headers)
        const isStream = onEvent && headers['content-type']?.startsWith('text/event-stream')
        if (isStream) await readEvents(response.body, { maxBytes, onEvent })
        const body = isStream ? Buffer.alloc(0) : await readAll(response.body, maxBytes)
        return { status: response.statusCode, headers, body }
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
        const response = await open(streams, { ...request, headers: accept }, AbortSignal.any([signal, silence.signal]))
        if (response.statusCode < 200 || response.statusCode > 299) {
          await response.body.dump().catch(() => undefined)
          throw new AppError(
            'provider_failed',
            { provider },
            { cause: new Error(`the event stream was answered with status ${response.statusCode}`) },
          )
        }
        let rest = ''
        const decoder = new TextDecoder()
        for await (const chunk of response.body) {
          timer.refresh()
          rest = (rest + decoder.decode(chunk as Buffer, { stream: true })).replaceAll('\r\n', '\n')
          if (rest.length > eventLimit) throw new AppError('bad_result', { provider })
          const blocks = rest.split('\n\n')
          rest = blocks.pop() ?? ''
          for (const block of blocks) {
            const data = dataOf(block)
            if (data !== undefined) yield data
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

    async picture(url, signal, maxBytes = responseLimit) {
      try {
        const got = await traced('download', { provider }, () =>
          downloader.get(url, { maxBytes, timeoutMs: pictureMs, signal }),
        )
        return got.body
      } catch (error) {
        signal.throwIfAborted()
        if (!(error instanceof NetError)) throw error
        // the picture is paid for, so a failure that may pass is reported as retryable; a wrong address is not
        const mayPass = ['unreachable', 'timeout', 'broken'].includes(error.kind) || (error.status ?? 0) >= 500
        const kind = mayPass ? 'provider_failed' : 'bad_result'
        throw new AppError(kind, { provider }, { cause: error })
      }
    },

    close: async () => {
      await Promise.all([pool.destroy(), streams.destroy(), downloader.close()])
    },
  }
}

/** Parses a response body. Throws AppError bad_result. */
export function parseJson(provider: string, response: Pick<ProviderResponse, 'body'>): Json {
  try {
    return JSON.parse(response.body.toString('utf8')) as Json
  } catch (error) {
    throw new AppError('bad_result', { provider }, { cause: error })
  }
}

interface StatusErrorDetails {
  /** The provider's own message, shown to the person; free of secrets. */
  reason?: string
  /** Whether it is certain that nothing was started. Default: true below status 500, else false. */
  neverRan?: boolean
}

/** The error for a status, for responses without a provider error code that says more. */
export function statusError(
  provider: string,
  response: ProviderResponse,
  { reason, neverRan }: StatusErrorDetails = {},
): AppError {
  const { status } = response
  const extra = {
    cause: new Error(`${provider} answered with status ${status}`),
    neverRan: neverRan ?? status < 500,
    retryAfterMs: retryAfterMs(response.headers['retry-after']),
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

/** Milliseconds of a Retry-After header, which holds seconds or a date. undefined: absent or malformed. */
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

interface EventReading {
  /** Of the whole stream. */
  maxBytes: number
  onEvent(data: string): void
}

/** Keeps one event at a time in memory. Pieces are joined only where an event ends: events may have megabytes. */
async function readEvents(
  body: AsyncIterable<Buffer> & { destroy(): unknown },
  { maxBytes, onEvent }: EventReading,
): Promise<void> {
  let pieces: string[] = []
  let length = 0
  const decoder = new TextDecoder()
  const tell = (events: readonly string[]) => {
    for (const data of events.map(dataOf)) if (data !== undefined) onEvent(data)
  }
  for await (const chunk of body) {
    const piece = decoder.decode(chunk, { stream: true }).replaceAll('\r', '')
    if (piece === '') continue
    pieces.push(piece)
    length += piece.length
    if (length > maxBytes) {
      body.destroy()
      throw new NetError('too_big')
    }
    // the two line ends may be in two pieces
    if (!`${pieces.at(-2)?.slice(-1) ?? ''}${pieces.at(-1)}`.includes('\n\n')) continue
    const blocks = pieces.join('').split('\n\n')
    pieces = [blocks.pop() ?? '']
    tell(blocks)
  }
  // some services leave out the empty line after the last event
  tell([pieces.join('')])
}

/** undefined: the event has no data. */
function dataOf(event: string): string | undefined {
  const data = event.split('\n').flatMap((line) => (line.startsWith('data:') ? [line.slice(5).trim()] : []))
  return data.length > 0 ? data.join('\n') : undefined
}

/** Codes of errors that occur before a request is sent. */
const neverSentCodes =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/

function networkError(provider: string, timedOut: boolean, error: unknown): AppError {
  if (error instanceof AppError) return error
  if (error instanceof NetError) return new AppError('bad_result', { provider }, { cause: error })
  if (timedOut) return new AppError('provider_timeout', { provider }, { cause: error })
  const neverSent = neverSentCodes.test(String((error as { code?: unknown }).code ?? ''))
  const data = { provider, ...(neverSent && { unreachable: true }) }
  return new AppError('provider_failed', data, { cause: error, neverRan: neverSent })
}

function flatHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  )
}
