import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { afterEach, expect, it } from 'vitest'
import type { Core } from '../../../src/core/core.ts'
import { status } from '../../../src/http/operations/status.ts'
import { createStoredPictures } from '../../../src/http/pictures/stored.ts'
import { type AppOptions, createApp } from '../../../src/http/server/app.ts'
import { openStream } from '../../../src/http/server/stream.ts'
import { keepLog } from '../../helpers/log.ts'

/** More than the operating system buffers for a client that reads nothing. */
const large = 24 * 1024 * 1024
const megabyte = 1024 * 1024

const sockets: Socket[] = []
let app: FastifyInstance
let open = () => {}
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await app.close()
})

async function listen(over: Partial<AppOptions>): Promise<void> {
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  app = createApp({
    log: keepLog(),
    closeMs: 50,
    plugins: [
      async (each) => {
        each.get('/large', async () => Buffer.alloc(large))
        each.get('/waits', async () => {
          await gate
          return { waited: true }
        })
        each.get('/stream', (_request, reply) => {
          const stream = openStream(reply)
          for (let at = 0; at < 24; at++) stream.send({ text: 'x'.repeat(megabyte) })
          stream.end()
        })
        each.get('/late', (_request, reply) => {
          const stream = openStream(reply)
          stream.send({ first: true })
          stream.end()
          stream.send({ late: true })
        })
      },
      status({ ready: async () => ({}) }),
    ],
    ...over,
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
}

/** Sends requests one after the other on one connection, and reads nothing. */
async function ask(...paths: string[]): Promise<Socket> {
  const { port } = app.server.address() as { port: number }
  const socket = connect(port, '127.0.0.1').pause()
  sockets.push(socket)
  await once(socket, 'connect')
  socket.on('error', () => undefined)
  socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`).join(''))
  return socket
}

const connections = () => new Promise<number>((resolve) => app.server.getConnections((_error, count) => resolve(count)))
const bytesOf = async (path: string) => {
  const { port } = app.server.address() as { port: number }
  const answer = await fetch(`http://127.0.0.1:${port}${path}`)
  return { status: answer.status, headers: answer.headers, bytes: (await answer.arrayBuffer()).byteLength }
}

it.each(['/large', '/stream'])(
  'disconnects a client that does not read its response, but not one that waits for it: %s',
  async (path) => {
    await listen({ unreadMs: 50 })
    const waiting = await ask('/waits')
    // one after the other, so that the waiting client has outlasted both
    for (let at = 0; at < 2; at++) {
      await ask(path)
      await expect.poll(connections).toBe(1)
    }
    open()
    const [data] = await once(waiting.resume(), 'data')
    expect(String(data)).toContain('{"waited":true}')
  },
)

it('sends the whole response to a client that reads slowly', async () => {
  await listen({ unreadMs: 1_500 })
  const socket = await ask('/large')
  let bytes = 0
  for (const until = Date.now() + 30_000; bytes < large && Date.now() < until; ) {
    // at most 64 kB at a time; the operating system reports progress to the sender in steps of about a megabyte
    bytes += socket.read()?.length ?? 0
    await pause(10)
  }
  expect(bytes).toBeGreaterThan(large)
})

it('disconnects the slowest clients when too many bytes are being sent', async () => {
  await listen({ sending: { bytes: 2.5 * large, patienceMs: 0 } })
  for (let at = 0; at < 3; at++) {
    const { length } = sockets
    await ask('/large')
    await expect.poll(connections).toBe(Math.min(length + 1, 2))
  }
  expect((await bytesOf('/large')).bytes).toBe(large)
})

it('refuses a response with retry-after while no client has exceeded its time', async () => {
  await listen({ sending: { bytes: 1.5 * large } })
  const first = await ask('/large')
  await once(first, 'readable')
  const refused = await bytesOf('/large')
  expect(refused.status).toBe(503)
  expect(refused.headers.get('retry-after')).toBe('2')
  // small responses are not counted
  expect((await bytesOf('/healthz')).status).toBe(200)
  first.destroy()
  await expect.poll(async () => (await bytesOf('/large')).status).toBe(200)
})

it('forgets a response behind another one when their connection breaks', async () => {
  await listen({ sending: { bytes: 1.5 * large } })
  const both = await ask('/waits', '/large')
  await expect.poll(async () => (await bytesOf('/large')).status).toBe(503)
  both.destroy()
  await expect.poll(async () => (await bytesOf('/large')).status).toBe(200)
})

it('sends a single response that is larger than the limit', async () => {
  await listen({ sending: { bytes: megabyte } })
  expect((await bytesOf('/large')).bytes).toBe(large)
})

it('loads eight pictures at a time', async () => {
  await listen({})
  let loading = 0
  let most = 0
  const store = {
    get: async () => {
      most = Math.max(most, ++loading)
      await pause(1)
      loading--
      return undefined
    },
  }
  const { load } = createStoredPictures({ store } as unknown as Core)
  await Promise.all(Array.from({ length: 50 }, (_, at) => load(`image/${at}`)))
  expect(most).toBe(8)
})

it('drops an event that is sent after the end of its stream', async () => {
  await listen({})
  const { port } = app.server.address() as { port: number }
  const answer = await fetch(`http://127.0.0.1:${port}/late`)
  expect(await answer.text()).toBe(': ping\n\ndata: {"first":true}\n\n')
})
