/**
 * Answers are in memory until their clients have taken them, and pictures are large. So this process has only so many bytes
 * on their way: when there are more, whoever takes longest makes room, and the others come in.
 */
import type { FastifyReply } from 'fastify'
import { AppError } from '../../core/errors.ts'
import { whenOver } from './over.ts'

declare module 'fastify' {
  interface FastifyInstance {
    sending: Sending
  }
}

export interface Sending {
  /** So many bytes more are on their way to a client. Throws AppError overloaded. */
  add(reply: FastifyReply, bytes: number): void
}

export interface SendingLimits {
  /** Default 256 MB. */
  bytes?: number
  /** Before that nobody has to make room. Default 5 s. */
  patienceMs?: number
}

/** Smaller answers are not counted: the system takes them at once. */
const smallest = 64 * 1024

interface Held {
  bytes: number
  since: number
  reply: FastifyReply
}

export function createSending({ bytes: most = 256 * 1024 * 1024, patienceMs = 5_000 }: SendingLimits = {}): Sending {
  // in the order of `since`
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
      if (total + bytes <= most || performance.now() - since < patienceMs) break
      remove(reply.raw)
      reply.request.raw.socket.destroy()
    }
    // one alone may be larger than all together
    return total === 0 || total + bytes <= most
  }

  return {
    add(reply, more) {
      if (more < smallest) return
      const before = remove(reply.raw)
      const room = makeRoom(before + more)
      const bytes = room ? before + more : before
      if (bytes > 0) {
        all.set(reply.raw, { bytes, since: performance.now(), reply })
        total += bytes
      }
      if (!room) throw new AppError('overloaded', {}, { retryAfterMs: 2_000 })
      if (before === 0) whenOver(reply, () => remove(reply.raw))
    },
  }
}
