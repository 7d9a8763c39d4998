/** Status events of requests as they happen: one event stream for each request, open while the request is checked. */
import { AppError } from '../../core/errors.ts'
import type { ProviderHttp } from '../http.ts'
import { parseExactly, type Status, statusShape } from './responses.ts'
import type { Ticket } from './ticket.ts'

export interface Streams {
  /** The next status event. undefined: there is no stream, so poll. Rejects only when the signal aborts. */
  next(ticket: Ticket, signal: AbortSignal): Promise<Status | undefined>
  /** Whether a new request can expect a stream; false for a while after streams were refused. */
  readonly available: boolean
  end(requestId: string): void
  close(): void
}

/** Limit on the silence between events; fal's own client gives up after 15 s. */
const silenceMs = 20_000
/** Pause before a stream is tried again: short after one failure, long at a relay that never offers streams. */
const refusedMs = { first: 5_000, most: 5 * 60_000 }

interface OpenStream {
  events: AsyncIterator<string>
  signal: AbortSignal
  stop: AbortController
}

export function createStreams(http: ProviderHttp): Streams {
  const open = new Map<string, OpenStream>()
  /** Ids of requests whose stream broke; they are polled instead. */
  const broken = new Set<string>()
  let refusedUntil = 0
  let refusals = 0

  function end(requestId: string): void {
    const stream = open.get(requestId)
    open.delete(requestId)
    broken.delete(requestId)
    stream?.stop.abort()
    // runs the generator's cleanup, which clears its timer
    stream?.events.return?.().catch(() => undefined)
  }

  function countRefusal(): void {
    refusedUntil = Date.now() + Math.min(refusedMs.most, refusedMs.first * 4 ** refusals)
    refusals++
  }

  function streamOf({ requestId, statusPath }: Ticket, signal: AbortSignal): OpenStream {
    const existing = open.get(requestId)
    if (existing?.signal === signal) return existing
    if (existing) end(requestId)
    const stop = new AbortController()
    const both = AbortSignal.any([signal, stop.signal])
    const path = `${statusPath}/stream?logs=1`
    const events = http.events({ method: 'GET', path, signal: both, timeoutMs: silenceMs })
    const stream = { events: events[Symbol.asyncIterator](), signal, stop }
    open.set(requestId, stream)
    signal.addEventListener('abort', () => open.get(requestId) === stream && end(requestId), { once: true })
    return stream
  }

  return {
    get available() {
      return Date.now() >= refusedUntil
    },
    async next(ticket, signal) {
      const { requestId } = ticket
      const isFirst = !open.has(requestId)
      if (broken.has(requestId) || (isFirst && Date.now() < refusedUntil)) return undefined
      const { events } = streamOf(ticket, signal)
      try {
        const { value, done } = await events.next()
        const status = done ? undefined : statusShape.safeParse(parseExactly(value)).data
        if (status) {
          refusals = 0
          return status
        }
      } catch (error) {
        signal.throwIfAborted()
        if (!(error instanceof AppError) && !(error instanceof SyntaxError)) throw error
      }
      if (isFirst) countRefusal()
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
