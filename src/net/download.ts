/**
 * Downloads what addresses from outside point at: attachments, results, references. Nothing the other side does can
 * lead us inside, hold us longer than the time or fill more memory than the size that the caller allows.
 */
import { Agent, type Dispatcher } from 'undici'
import { NetError } from './errors.ts'
import { checkUrl, createConnector, type Lookup, originsOf } from './guard.ts'
import { within } from './within.ts'

export interface DownloaderOptions {
  /** Origins, from settings, that may be http, private, at any port. */
  trusted: readonly string[]
  lookup?: Lookup
}

export interface DownloadOptions {
  maxBytes: number
  /** From the first name looked up to the last byte. Default 30 s. */
  timeoutMs?: number
  signal?: AbortSignal
  /** The media types wanted. */
  accept?: string
}

export interface Download {
  body: Buffer
  /** Media type in lower case without parameters, as the other side claims. '' if it does not. */
  type: string
  /** Where the last redirect led: as secret as the first. 'data:' if that is what it was. */
  url: string
}

export interface Downloader {
  /** An https address, a trusted one, or `data:` with base64. Rejects with a NetError, or the signal's reason. */
  get(address: string, options: DownloadOptions): Promise<Download>
  /** Ends what is under way. */
  close(): Promise<void>
}

/** What one answer brings. */
type Step = { location: string } | Omit<Download, 'url'>

const defaultMs = 30_000
const maxRedirects = 3
const redirects = [301, 302, 303, 307, 308]

export function createDownloader({ trusted, lookup }: DownloaderOptions): Downloader {
  const origins = originsOf(trusted)
  // one time limit for the whole, below
  const agent = new Agent({ connect: createConnector(trusted, lookup), headersTimeout: 0, bodyTimeout: 0 })

  async function follow(start: URL, options: DownloadOptions, signal: AbortSignal): Promise<Download> {
    let url = start
    for (let hop = 0; hop <= maxRedirects; hop++) {
      const found = await once(url, options, signal).catch((error) => {
        throw asNetError(error, url.origin, hop > 0)
      })
      if (!('location' in found)) return { ...found, url: url.href }
      url = next(found.location, url)
    }
    throw new NetError('broken', { origin: url.origin, reason: 'too many redirects' })
  }

  function next(location: string, from: URL): URL {
    try {
      return checkUrl(location, origins, from)
    } catch (error) {
      throw asNetError(error, from.origin, true)
    }
  }

  async function once(url: URL, { accept = '*/*', maxBytes }: DownloadOptions, signal: AbortSignal): Promise<Step> {
    const { origin } = url
    const { statusCode, headers, body } = await agent.request({
      origin,
      path: url.pathname + url.search,
      method: 'GET',
      headers: { accept, 'accept-encoding': 'identity', 'user-agent': 'fluxbot' },
      signal,
    })
    body.on('error', () => undefined) // breaking off is an error to the stream, and nobody else's
    try {
      if (redirects.includes(statusCode)) {
        if (typeof headers.location === 'string') return { location: headers.location }
        throw new NetError('broken', { origin, reason: 'redirect to nowhere' })
      }
      if (statusCode !== 200) throw new NetError('status', { origin, status: statusCode })
      if (String(headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity') {
        throw new NetError('broken', { origin, reason: 'compressed unasked' })
      }
      const length = headers['content-length'] === undefined ? undefined : Number(headers['content-length'])
      return { body: await read(body, origin, maxBytes, length), type: mediaType(headers['content-type']) }
    } finally {
      body.destroy()
    }
  }

  return {
    async get(address, options) {
      const { signal, timeoutMs = defaultMs, maxBytes } = options
      signal?.throwIfAborted()
      if (/^data:/i.test(address)) return decode(address, maxBytes)
      const url = checkUrl(address, origins)
      return within({ origin: url.origin, timeoutMs, signal }, (stop) => follow(url, options, stop))
    },

    close: () => agent.destroy(),
  }
}

/**
 * Room for all of it at once (which costs nothing until it is written to), so that pieces and the whole are never held
 * together.
 */
async function read(
  body: Dispatcher.ResponseData['body'],
  origin: string,
  maxBytes: number,
  length?: number,
): Promise<Buffer> {
  if (length !== undefined && length > maxBytes) throw new NetError('too_big', { origin })
  const room = Buffer.allocUnsafeSlow(length ?? maxBytes)
  let bytes = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    if (bytes + chunk.length > room.length) throw new NetError('too_big', { origin })
    bytes += chunk.copy(room, bytes)
  }
  if (length !== undefined && bytes !== length) throw new NetError('broken', { origin, reason: 'cut short' })
  const filled = room.subarray(0, bytes)
  return bytes > room.length / 2 ? filled : Buffer.from(filled)
}

/** Strict, because Node's decoder passes over whatever it does not know. */
function decode(address: string, maxBytes: number): Download {
  const head = /^data:([^,;]{0,100})(?:;[^,;]{0,100}){0,5};base64,/i.exec(address)
  if (!head) throw new NetError('broken', { origin: 'data:', reason: 'not base64', neverSent: true })
  const start = head[0].length
  const padding = address.endsWith('==') ? 2 : address.endsWith('=') ? 1 : 0
  if (Math.floor(((address.length - start - padding) * 3) / 4) > maxBytes) {
    throw new NetError('too_big', { origin: 'data:', neverSent: true })
  }
  const text = address.slice(start)
  if (!/^[\w+/-]*={0,2}$/.test(text)) {
    throw new NetError('broken', { origin: 'data:', reason: 'not base64', neverSent: true })
  }
  return { body: Buffer.from(text, 'base64'), type: mediaType(head[1]), url: 'data:' }
}

function mediaType(value: string | string[] | undefined): string {
  return typeof value === 'string' ? (value.split(';', 1)[0] ?? '').trim().toLowerCase() : ''
}

/** `sent`: something has gone out before this error. */
function asNetError(error: unknown, origin: string, sent: boolean): NetError {
  if (!(error instanceof NetError)) return new NetError('broken', { origin, cause: error })
  if (!sent || !error.neverSent) return error
  return new NetError(error.kind, { origin: error.origin ?? origin, cause: error })
}
