/**
 * Downloads files from addresses that we did not choose: attachments, results, references. The server can neither lead
 * us to a private address, nor exceed the time and the size that the caller allows.
 */
import { Agent, type Dispatcher } from 'undici'
import { NetError } from './errors.ts'
import { checkUrl, createConnector, type Lookup, originsOf } from './guard.ts'
import { withTimeout } from './timeout.ts'

export interface DownloaderOptions {
  /** Origins from the settings. They may use http, a private address and any port. */
  trusted: readonly string[]
  lookup?: Lookup
}

export interface DownloadOptions {
  maxBytes: number
  /** Milliseconds from the first lookup to the last byte. Default 30,000. */
  timeoutMs?: number
  signal?: AbortSignal
  /** The Accept header. Default: any type. */
  accept?: string
}

export interface Download {
  body: Buffer
  /** Media type as the server claims it, in lower case, without parameters. '' if it claims none. */
  type: string
  /** The address after all redirects, as secret as the first one. 'data:' for a data URL. */
  url: string
}

export interface Downloader {
  /** Takes an https address, a trusted one, or a base64 data URL. Rejects with a NetError or the signal's reason. */
  get(address: string, options: DownloadOptions): Promise<Download>
  /** Aborts downloads in progress. */
  close(): Promise<void>
}

/** What one response leads to: another address, or the file. */
type Step = { location: string } | Omit<Download, 'url'>

const defaultMs = 30_000
const maxRedirects = 3
const redirects = [301, 302, 303, 307, 308]

export function createDownloader({ trusted, lookup }: DownloaderOptions): Downloader {
  const origins = originsOf(trusted)
  // withTimeout covers the whole download
  const agent = new Agent({ connect: createConnector(trusted, lookup), headersTimeout: 0, bodyTimeout: 0 })

  async function follow(start: URL, options: DownloadOptions, signal: AbortSignal): Promise<Download> {
    let url = start
    for (let hop = 0; hop <= maxRedirects; hop++) {
      const step = await request(url, options, signal).catch((error) => {
        throw asNetError(error, url.origin, hop > 0)
      })
      if (!('location' in step)) return { ...step, url: url.href }
      url = next(step.location, url)
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

  async function request(url: URL, { accept = '*/*', maxBytes }: DownloadOptions, signal: AbortSignal): Promise<Step> {
    const { origin } = url
    const { statusCode, headers, body } = await agent.request({
      origin,
      path: url.pathname + url.search,
      method: 'GET',
      headers: { accept, 'accept-encoding': 'identity', 'user-agent': 'fluxbot' },
      signal,
    })
    // reading reports a broken connection; without a listener the event would end the process
    body.on('error', () => undefined)
    try {
      if (redirects.includes(statusCode)) {
        if (typeof headers.location === 'string') return { location: headers.location }
        throw new NetError('broken', { origin, reason: 'redirect without an address' })
      }
      if (statusCode !== 200) throw new NetError('status', { origin, status: statusCode })
      if (String(headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity') {
        throw new NetError('broken', { origin, reason: 'compressed without being asked' })
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
      return withTimeout({ origin: url.origin, timeoutMs, signal }, (stop) => follow(url, options, stop))
    },

    close: () => agent.destroy(),
  }
}

/**
 * Copies the chunks into one buffer of the full size, so that chunks and file are never in memory together. Unused
 * pages of the buffer cost nothing.
 */
async function read(
  body: Dispatcher.ResponseData['body'],
  origin: string,
  maxBytes: number,
  length?: number,
): Promise<Buffer> {
  if (length !== undefined && length > maxBytes) throw new NetError('too_big', { origin })
  const buffer = Buffer.allocUnsafeSlow(length ?? maxBytes)
  let bytes = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    if (bytes + chunk.length > buffer.length) throw new NetError('too_big', { origin })
    bytes += chunk.copy(buffer, bytes)
  }
  if (length !== undefined && bytes !== length) throw new NetError('broken', { origin, reason: 'cut short' })
  const filled = buffer.subarray(0, bytes)
  return bytes > buffer.length / 2 ? filled : Buffer.from(filled)
}

/** Decodes a data URL, also one with line breaks. Checks the alphabet, because Node's decoder skips unknown characters. */
function decode(address: string, maxBytes: number): Download {
  const head = /^data:([^,;]{0,100})(?:;[^,;]{0,100}){0,5};base64,/i.exec(address)
  if (!head) throw new NetError('broken', { origin: 'data:', reason: 'not base64', neverSent: true })
  const text = address.slice(head[0].length).replace(/[\r\n\t]+|%0[AD]/gi, '')
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  if (Math.floor(((text.length - padding) * 3) / 4) > maxBytes) {
    throw new NetError('too_big', { origin: 'data:', neverSent: true })
  }
  if (!/^[\w+/-]*={0,2}$/.test(text)) {
    throw new NetError('broken', { origin: 'data:', reason: 'not base64', neverSent: true })
  }
  return { body: Buffer.from(text, 'base64'), type: mediaType(head[1]), url: 'data:' }
}

function mediaType(value: string | string[] | undefined): string {
  return typeof value === 'string' ? (value.split(';', 1)[0] ?? '').trim().toLowerCase() : ''
}

/** `sent`: whether a request was sent before this error. */
function asNetError(error: unknown, origin: string, sent: boolean): NetError {
  if (!(error instanceof NetError)) return new NetError('broken', { origin, cause: error })
  if (!sent || !error.neverSent) return error
  return new NetError(error.kind, { origin: error.origin ?? origin, cause: error })
}
