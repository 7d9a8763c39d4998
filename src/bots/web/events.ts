/** Server-sent events: every changed message of a visitor, as soon as it changes. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Database } from '../../db/db.ts'
import { readMessages, type WebMessage } from './messages.ts'

export interface Streams {
  /** 'full' when this visitor or the process has as many open as it may. */
  open(visitor: string, request: FastifyRequest, reply: FastifyReply, after: number): 'open' | 'full'
  changed(visitor: string): void
  close(): void
}

/** Told by notifications; asked anyway now and then, for one may be missed while a connection comes back. */
const askEveryMs = 5_000
const keepAliveMs = 15_000
const mostForVisitor = 4
const mostOpen = 500
/** Changes that commit in another order than they were stamped are found by looking back this far, in microseconds. */
const lookBack = 5_000_000

export function createStreams(database: Database, show: (message: WebMessage) => Promise<object>): Streams {
  const open = new Map<string, Set<() => void>>()
  const ends = new Set<() => void>()

  return {
    open(visitor, request, reply, after) {
      const ours = open.get(visitor) ?? new Set()
      if (ours.size >= mostForVisitor || ends.size >= mostOpen) return 'full'
      open.set(visitor, ours)
      reply.hijack()
      reply.raw.writeHead(200, {
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
        'x-content-type-options': 'nosniff',
      })
      reply.raw.write(': welcome\n\n')

      const sent = new Map<string, number>()
      let last = after
      let busy = false
      let again = false
      const look = async () => {
        again = true
        if (busy) return
        busy = true
        while (again && !reply.raw.destroyed) {
          again = false
          for (const message of await readMessages(database, visitor, Math.max(0, last - lookBack)).catch(() => [])) {
            if (message.version <= after || (sent.get(message.id) ?? 0) >= message.version) continue
            sent.set(message.id, message.version)
            last = Math.max(last, message.version)
            reply.raw.write(`id: ${message.version}\ndata: ${JSON.stringify(await show(message))}\n\n`)
          }
        }
        busy = false
      }
      const asking = setInterval(look, askEveryMs)
      const alive = setInterval(() => reply.raw.write(': still here\n\n'), keepAliveMs)
      const end = () => {
        clearInterval(asking)
        clearInterval(alive)
        ours.delete(look)
        ends.delete(end)
        if (ours.size === 0) open.delete(visitor)
        reply.raw.end()
      }
      ours.add(look)
      ends.add(end)
      request.raw.on('close', end)
      void look()
      return 'open'
    },
    changed: (visitor) => {
      for (const look of open.get(visitor) ?? []) look()
    },
    close: () => {
      for (const end of [...ends]) end()
    },
  }
}
