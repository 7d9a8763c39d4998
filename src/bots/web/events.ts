/** Server-sent events: every changed message of a visitor, as soon as it changes. */
import type { FastifyReply } from 'fastify'
import type { Database } from '../../db/database.ts'
import { pageSize, readChanges, readLatest, type WebMessage } from './messages.ts'

export interface Streams {
  /** 'full' when this visitor or the process has as many open as it may. */
  open(visitor: string, reply: FastifyReply, from: From): 'open' | 'full'
  changed(visitor: string): void
  /** Ends all. */
  close(): void
}

export interface From {
  /** Version of a message; 0 is from the start. */
  after: number
  /** Whether the page's session is still valid; checked regularly, so that the stream ends with it. */
  allowed(): Promise<boolean>
}

export interface StreamsOptions {
  database: Database
  show(message: WebMessage): Promise<object>
  log: { error(data: object, message: string): void }
  mostForVisitor?: number
  mostOpen?: number
  /** Milliseconds between two looks at the conversation and the session. */
  askEveryMs?: number
}

/**
 * Notifications report changes. The table is also read at this interval, because a notification can be lost while a connection is
 * restored.
 */
const usualAskMs = 10_000
const keepAliveMs = 15_000
const reconnectMs = 2_000
/** Changes that commit in another order than they were stamped are found by looking back this far, in microseconds. */
const lookBack = 5_000_000
/** A reader this far behind is cut off; it comes back and goes on where it was. */
const mostUnreadBytes = 4 * 1024 * 1024
const mostRemembered = 1_000

export function createStreams(options: StreamsOptions): Streams {
  const { database, show, log, mostForVisitor = 4, mostOpen = 500, askEveryMs = usualAskMs } = options
  const lookers = new Map<string, Set<() => void>>()
  const ends = new Set<() => void>()

  return {
    open(visitor, reply, { after, allowed }) {
      const ours = lookers.get(visitor) ?? new Set()
      if (ours.size >= mostForVisitor || ends.size >= mostOpen) return 'full'
      lookers.set(visitor, ours)
      const out = begin(reply)
      const read = createReader(database, visitor, after)
      let state: 'idle' | 'busy' | 'again' = 'idle'

      const look = async () => {
        if (state !== 'idle') {
          state = 'again'
          return
        }
        try {
          do {
            state = 'busy'
            for (const message of await read()) {
              if (out.writable) out.write(`id: ${message.version}\ndata: ${JSON.stringify(await show(message))}\n\n`)
            }
          } while (againAsked() && out.writable)
        } catch (error) {
          log.error({ err: error }, 'could not send a change to an open page')
        }
        state = 'idle'
        if (out.writableLength > mostUnreadBytes) out.destroy()
      }
      // `look` runs again while it awaits: the compiler cannot see that `state` changes
      const againAsked = () => (state as string) === 'again'
      const asking = setInterval(async () => {
        if (await allowed().catch(() => true)) await look()
        else end()
      }, askEveryMs)
      const alive = setInterval(() => out.writable && out.write(': still here\n\n'), keepAliveMs)
      const end = () => {
        clearInterval(asking)
        clearInterval(alive)
        ours.delete(look)
        ends.delete(end)
        if (ours.size === 0 && lookers.get(visitor) === ours) lookers.delete(visitor)
        out.end()
      }
      ours.add(look)
      ends.add(end)
      out.on('close', end)
      void look()
      return 'open'
    },
    changed: (visitor) => {
      for (const look of lookers.get(visitor) ?? []) look()
    },
    close: () => {
      for (const end of [...ends]) end()
    },
  }
}

function begin(reply: FastifyReply) {
  reply.hijack()
  for (const [name, value] of Object.entries(reply.getHeaders()))
    if (value !== undefined) reply.raw.setHeader(name, value)
  reply.raw.writeHead(200, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
  reply.raw.write(`retry: ${reconnectMs}\n\n`)
  return reply.raw
}

/**
 * Reads what was not read before. It starts a little before `after`, because a lower version may have been committed
 * after the page saw a higher one; the page drops what it knows.
 */
function createReader(database: Database, visitor: string, after: number): () => Promise<WebMessage[]> {
  const sent = new Map<string, number>()
  let last = after

  return async () => {
    const found = last === 0 ? await readLatest(database, visitor) : await changesSince(last - lookBack)
    const fresh = found.filter(({ id, version }) => (sent.get(id) ?? 0) < version)
    for (const { id, version } of fresh) {
      sent.set(id, version)
      last = Math.max(last, version)
    }
    if (sent.size > mostRemembered) forget()
    return fresh
  }

  async function changesSince(version: number): Promise<WebMessage[]> {
    const all: WebMessage[] = []
    for (let place = { version, id: '' }; ; ) {
      const found = await readChanges(database, visitor, place)
      all.push(...found)
      const end = found.at(-1)
      if (!end || found.length < pageSize || all.length >= mostRemembered) return all
      place = end
    }
  }

  function forget(): void {
    for (const [id, version] of sent) if (version < last - lookBack) sent.delete(id)
  }
}
