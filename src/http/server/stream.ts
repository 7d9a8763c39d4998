/** Server-sent events, kept alive by comments while nothing happens. */
import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { toJson } from './json.ts'

export interface EventStream {
  /** `name`: name of the event. Absent: an event without a name. Throws AppError overloaded. */
  send(data: object | '[DONE]', name?: string): void
  end(): void
  /** Bytes that the client has not read yet. */
  waiting(): number
}

/** Proxies and clients disconnect after 15 s of silence or more. */
const pingEveryMs = 10_000

/** Replies with the stream. Events that are sent after its end, or after the client has disconnected, are dropped. */
export function openStream(reply: FastifyReply): EventStream {
  const stream = new Readable({ read: () => undefined })
  let ended = false
  const write = (text: string | Buffer) => {
    if (!ended && !stream.destroyed) stream.push(text)
  }
  const timer = setInterval(() => write(': ping\n\n'), pingEveryMs)
  timer.unref()
  stream.once('close', () => clearInterval(timer))
  // a client that disconnects is not an error of ours
  stream.on('error', () => undefined)
  reply.headers({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  })
  // the headers are sent with the first bytes
  write(': ping\n\n')
  void reply.send(stream)
  return {
    send: (data, name) => {
      const start = `${name === undefined ? '' : `event: ${name}\n`}data: `
      const json = typeof data === 'string' ? data : toJson(data)
      reply.server.sending.add(reply, json.length)
      if (typeof json === 'string') write(`${start}${json}\n\n`)
      else for (const piece of [start, json, '\n\n']) write(piece)
    },
    end: () => {
      clearInterval(timer)
      ended = true
      if (!stream.destroyed) stream.push(null)
    },
    waiting: () => stream.readableLength,
  }
}
