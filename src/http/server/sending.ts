/**
 * Limits the bytes of responses that clients have not read yet, which are in memory. When there are too many, the responses
 * that have taken longest are disconnected to make room for new ones.
 */
import type { FastifyReply } from 'fastify'
import { AppError } from '../../core/errors.ts'
import { whenClosed } from './reply-closed.ts'

declare module 'fastify' {
  interface FastifyInstance {
    sending: Sending
  }
}

export interface Sending {
  /** Counts bytes that are about to be sent. Throws AppError overloaded. */
  add(reply: FastifyReply, bytes: number): void
}

export interface SendingLimits {
  /** Default 256 MB. */
  bytes?: number
  /** Milliseconds that each response has before it may be disconnected to make room. Default 5,000. */
  patienceMs?: number
}

/** Smaller responses are not counted: the operating system buffers them at once. */
const minBytes = 64 * 1024

interface Held {
  bytes: number
  since: number
  reply: FastifyReply
}

export function createSending({ bytes: max = 256 * 1024 * 1024, patienceMs = 5_000 }: SendingLimits = {}): Sending {
  /** Ordered by `since`. */
  const all = new Map<FastifyReply['raw'], Held>()
  let total = 0

  function remove(raw: FastifyReply['raw']): number {
    const bytes = all.get(raw)?.bytes ?? 0
    all.delete(raw)
    total -= bytes
    return bytes
  }

  function makeRoom(bytes: number): boolean {
    for (const { since, reply } of all.values()) {
      if (total + bytes <= max || performance.now() - since < patienceMs) break
      remove(reply.raw)
      reply.request.raw.socket.destroy()
    }
    // a single response may be larger than the limit
    return total === 0 || total + bytes <= max
  }

  return {
    add(reply, more) {
      if (more < minBytes) return
      const before = remove(reply.raw)
      const room = makeRoom(before + more)
      const bytes = room ? before + more : before
      if (bytes > 0) {
        all.set(reply.raw, { bytes, since: performance.now(), reply })
        total += bytes
      }
      if (!room) throw new AppError('overloaded', {}, { retryAfterMs: 2_000 })
      if (before === 0) whenClosed(reply, () => remove(reply.raw))
    },
  }
}
