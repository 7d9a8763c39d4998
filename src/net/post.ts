/**
 * Posts to addresses that we did not choose, under the same guard as downloads: https, public, and connected to the
 * address that was checked. Follows no redirects, and keeps only status and Retry-After of the response.
 */
import { Agent } from 'undici'
import { NetError } from './errors.ts'
import { checkUrl, createConnector, type Lookup, originsOf } from './guard.ts'
import { withTimeout } from './timeout.ts'

export interface PosterOptions {
  /** Origins from the settings. They may use http, a private address and any port. */
  trusted: readonly string[]
  lookup?: Lookup
}

export interface PostOptions {
  headers: Readonly<Record<string, string>>
  body: string
  /** Milliseconds from the lookup to the response. Default 10,000. */
  timeoutMs?: number
  signal?: AbortSignal
}

export interface PostResponse {
  status: number
  /** The Retry-After header as it was sent. */
  retryAfter: string | undefined
}

export interface Poster {
  /** Resolves with any status. Rejects with a NetError or the signal's reason. */
  post(address: string, options: PostOptions): Promise<PostResponse>
  /** Aborts posts in progress. */
  close(): Promise<void>
}

const defaultMs = 10_000
/** The response body is read up to this size, so that the server does not see a broken connection. */
const maxResponseBytes = 64 * 1024

export function createPoster({ trusted, lookup }: PosterOptions): Poster {
  const origins = originsOf(trusted)
  // withTimeout covers the whole post
  const agent = new Agent({ connect: createConnector(trusted, lookup), headersTimeout: 0, bodyTimeout: 0 })

  return {
    async post(address, { headers, body, timeoutMs = defaultMs, signal }) {
      const { origin, pathname, search } = checkUrl(address, origins)
      let received: PostResponse | undefined
      try {
        await withTimeout({ origin, timeoutMs, signal }, async (stop) => {
          const response = await agent.request({
            origin,
            path: pathname + search,
            method: 'POST',
            headers: { 'user-agent': 'fluxbot', ...headers },
            body,
            signal: stop,
            // the server might close a kept connection just as the next post is sent
            reset: true,
          })
          const retryAfter = response.headers['retry-after']
          received = {
            status: response.statusCode,
            retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined,
          }
          // without a listener, a broken connection would end the process
          response.body.on('error', () => undefined)
          await response.body.dump({ limit: maxResponseBytes })
        })
      } catch (error) {
        // a failure after the status does not matter
        if (!received) throw signal?.aborted || error instanceof NetError ? error : broken(origin, error)
      }
      if (!received) throw broken(origin)
      return received
    },

    close: () => agent.destroy(),
  }
}

const broken = (origin: string, cause?: unknown) => new NetError('broken', { origin, cause })
