/** News of a request as it happens. One stream for each request, which lives until there is no more news or no more interest. */
import { AppError } from '../../core/errors.ts'
import type { ProviderHttp } from '../http.ts'
import type { Ticket } from './addresses.ts'
import { parseExactly } from './exact.ts'
import { type Status, statusShape } from './status.ts'

export interface Streams {
  /** The next news; undefined: there is no stream (any more), so ask. Rejects only when the signal aborts. */
  next(ticket: Ticket, signal: AbortSignal): Promise<Status | undefined>
  /** Whether the last attempts say that there will be a stream. */
  readonly likely: boolean
  end(requestId: string): void
  close(): void
}

/** fal's own client gives up after 15 s of silence. */
const silenceMs = 20_000
/** A relay that has no streams is not asked for one with each picture; one that stumbled is asked again soon. */
const refusedMs = { first: 5_000, most: 5 * 60_000 }

interface Open {
  news: AsyncIterator<string>
  signal: AbortSignal
  stop: AbortController
}

export function createStreams(http: ProviderHttp): Streams {
  const open = new Map<string, Open>()
  /** Requests whose stream broke: they are asked after instead. */
  const broken = new Set<string>()
  let refusedUntil = 0
  let refusals = 0

  function end(requestId: string): void {
    const stream = open.get(requestId)
    open.delete(requestId)
    broken.delete(requestId)
    stream?.stop.abort()
    // lets go of the timer that waits for silence
    stream?.news.return?.().catch(() => undefined)
  }

  function refused(): void {
    refusedUntil = Date.now() + Math.min(refusedMs.most, refusedMs.first * 4 ** refusals)
    refusals++
  }

  function streamOf({ requestId, statusPath }: Ticket, signal: AbortSignal): Open {
    const known = open.get(requestId)
    if (known?.signal === signal) return known
    if (known) end(requestId)
    const stop = new AbortController()
    const both = AbortSignal.any([signal, stop.signal])
    const path = `${statusPath}/stream?logs=1`
    const events = http.events({ method: 'GET', path, signal: both, timeoutMs: silenceMs })
    const stream = { news: events[Symbol.asyncIterator](), signal, stop }
    open.set(requestId, stream)
    signal.addEventListener('abort', () => open.get(requestId) === stream && end(requestId), { once: true })
    return stream
  }

  return {
    get likely() {
      return Date.now() >= refusedUntil
    },
    async next(ticket, signal) {
      const { requestId } = ticket
      const fresh = !open.has(requestId)
      if (broken.has(requestId) || (fresh && Date.now() < refusedUntil)) return undefined
      const { news } = streamOf(ticket, signal)
      try {
        const { value, done } = await news.next()
        const status = done ? undefined : statusShape.safeParse(parseExactly(value)).data
        if (status) {
          refusals = 0
          return status
        }
      } catch (error) {
        signal.throwIfAborted()
        if (!(error instanceof AppError) && !(error instanceof SyntaxError)) throw error
      }
      if (fresh) refused()
      end(requestId)
      broken.add(requestId)
      signal.addEventListener('abort', () => broken.delete(requestId), { once: true })
      return undefined
    },
    end,
    close() {
      for (const requestId of [...open.keys()]) end(requestId)
    },
  }
}
