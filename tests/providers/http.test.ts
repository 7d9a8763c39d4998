import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { createProviderHttp, type ProviderHttp } from '../../src/providers/http.ts'
import { startServer } from '../emulators/server.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** Streams say one word and stay open, unless they are refused; anything else is answered at once. */
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

describe('the connections of a provider', () => {
  it('for streams are not those that submissions need', async () => {
    const { http, streams } = await open(64)
    await listen(http, 128)
    expect(streams).toHaveLength(128)
    const answer = await http.send({ method: 'POST', path: '/submit', signal: AbortSignal.timeout(2_000) })
    expect(answer.status).toBe(200)
  })

  it('are as many as its generations at the same time need', async () => {
    const { http, streams } = await open(200)
    await listen(http, 200)
    expect(streams).toHaveLength(200)
  })
})

describe('a stream of events', () => {
  it.each([200, 201, 202])('is read with the status %i', async (status) => {
    const { http } = await open(1, status)
    expect(await listen(http, 1)).toEqual(['"hello"'])
  })

  it.each([302, 404, 500])('is none with the status %i', async (status) => {
    const { http } = await open(1, status)
    await expect(listen(http, 1)).rejects.toMatchObject({ kind: 'provider_failed' })
  })
})
