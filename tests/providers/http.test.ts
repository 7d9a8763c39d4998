import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { createProviderHttp, type ProviderHttp } from '../../src/providers/http.ts'
import { startServer } from '../emulators/server.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** The server's event streams send one event and stay open, unless refused; other requests get a response at once. */
async function open(concurrency?: number, streamStatus = 200) {
  const streams: ServerResponse[] = []
  const server = await startServer({
    async handle({ path }, res) {
      if (path !== '/stream') return { status: 200, body: {} }
      res.writeHead(streamStatus, { 'content-type': 'text/event-stream' }).write('data: "hello"\n\n')
      if (streamStatus > 299) res.end()
      streams.push(res)
      return 'streamed'
    },
  })
  const http = createProviderHttp({ provider: 'any', baseUrl: server.url, concurrency })
  closing.push(http.close, server.stop)
  return { http, streams }
}

async function listen(http: ProviderHttp, count: number): Promise<unknown[]> {
  const signal = AbortSignal.timeout(10_000)
  const all = Array.from({ length: count }, () => http.events({ method: 'GET', path: '/stream', signal }))
  return Promise.all(all.map(async (events) => (await events[Symbol.asyncIterator]().next()).value))
}

describe('the connection pools of a provider', () => {
  it('leave connections for requests while many streams are open', async () => {
    const { http, streams } = await open(64)
    await listen(http, 128)
    expect(streams).toHaveLength(128)
    const response = await http.send({ method: 'POST', path: '/submit', signal: AbortSignal.timeout(2_000) })
    expect(response.status).toBe(200)
  })

  it('have a connection for each concurrent generation', async () => {
    const { http, streams } = await open(200)
    await listen(http, 200)
    expect(streams).toHaveLength(200)
  })
})

describe('an event stream', () => {
  it.each([200, 201, 202])('is read when its status is %i', async (status) => {
    const { http } = await open(1, status)
    expect(await listen(http, 1)).toEqual(['"hello"'])
  })

  it('keeps characters that arrive in two parts', async () => {
    const { http, streams } = await open(1)
    const events = http.events({ method: 'GET', path: '/stream', signal: AbortSignal.timeout(60_000) })
    const reader = events[Symbol.asyncIterator]()
    await reader.next()
    const cat = Buffer.from('data: "一只猫"\n\n')
    streams[0]?.write(cat.subarray(0, 8))
    // the server has sent the first part
    await new Promise((sent) => streams[0]?.write(Buffer.alloc(0), sent))
    const next = reader.next()
    setImmediate(() => streams[0]?.write(cat.subarray(8)))
    expect((await next).value).toBe('"一只猫"')
    await reader.return?.()
  })

  it.each([302, 404, 500])('rejects when its status is %i', async (status) => {
    const { http } = await open(1, status)
    await expect(listen(http, 1)).rejects.toMatchObject({ kind: 'provider_failed' })
  })
})
