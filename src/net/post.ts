/**
 * Posts to addresses from outside, under the same guard as downloads: https, public, the checked address the one connected
 * to. No redirect is followed, and nothing of the answer is kept but its status.
 */
import { Agent } from 'undici'
import { NetError } from './errors.ts'
import { checkUrl, createConnector, type Lookup, originsOf } from './guard.ts'
import { within } from './within.ts'

export interface PosterOptions {
  /** Origins, from settings, that may be http, private, at any port. */
  trusted: readonly string[]
  lookup?: Lookup
}

export interface PostOptions {
  headers: Readonly<Record<string, string>>
  body: string
  /** From the name looked up to the answer. Default 10 s. */
  timeoutMs?: number
  signal?: AbortSignal
}

export interface Posting {
  status: number
  /** As the other side says it. */
  retryAfter: string | undefined
}

export interface Poster {
  /** Resolves whatever the status. Rejects with a NetError, or the signal's reason. */
  post(address: string, options: PostOptions): Promise<Posting>
  /** Ends what is under way. */
  close(): Promise<void>
}

const defaultMs = 10_000
/** Of the answer's body: read so that the other side need not see a broken connection. */
const mostAnswerBytes = 64 * 1024

export function createPoster({ trusted, lookup }: PosterOptions): Poster {
  const origins = originsOf(trusted)
  // one time limit for the whole, below
  const agent = new Agent({ connect: createConnector(trusted, lookup), headersTimeout: 0, bodyTimeout: 0 })

  return {
    async post(address, { headers, body, timeoutMs = defaultMs, signal }) {
      const { origin, pathname, search } = checkUrl(address, origins)
      let posting: Posting | undefined
      try {
        await within({ origin, timeoutMs, signal }, async (stop) => {
          const answer = await agent.request({
            origin,
            path: pathname + search,
            method: 'POST',
            headers: { 'user-agent': 'fluxbot', ...headers },
            body,
            signal: stop,
            // a connection kept open may be closed by the other side just as the next post goes out
            reset: true,
          })
          const retryAfter = answer.headers['retry-after']
          posting = { status: answer.statusCode, retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined }
          answer.body.on('error', () => undefined) // breaking off is an error to the stream, and nobody else's
          await answer.body.dump({ limit: mostAnswerBytes })
        })
      } catch (error) {
        // once there is a status, whatever comes after it changes nothing
        if (!posting) throw signal?.aborted || error instanceof NetError ? error : broken(origin, error)
      }
      if (!posting) throw broken(origin)
      return posting
    },

    close: () => agent.destroy(),
  }
}

const broken = (origin: string, cause?: unknown) => new NetError('broken', { origin, cause })
