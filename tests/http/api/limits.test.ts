import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { accountOf } from '../../../src/core/accounts/accounts.ts'
import { createApiKey } from '../../../src/core/accounts/api-keys.ts'
import { createApp } from '../../../src/http/server/app.ts'
import { createBodies } from '../../../src/http/server/bodies.ts'
import { closeService, openService, type Service } from './openai/service.ts'

let service: Service
beforeAll(async () => {
  service = await openService({ limits: { welcome: 0 } })
})
afterAll(async () => {
  expect(await closeService(service)).toEqual([])
})

const head = (line: string, ...headers: string[]) =>
  [`${line} HTTP/1.1`, 'host: localhost', `authorization: Bearer ${service.key}`, ...headers, '', ''].join('\r\n')

/** Sends text, and closes the connection once there is a response. */
function send(text: string): Promise<{ status: number; body: string }> {
  const { port } = new URL(service.url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(text))
    socket.on('error', reject)
    socket.once('data', (data) => {
      socket.destroy()
      const [start = '', body = ''] = String(data).split('\r\n\r\n')
      resolve({ status: Number(start.split(' ')[1]), body })
    })
  })
}

const json = 'content-type: application/json'
const generations = 'POST /v1/images/generations'

describe('large bodies', () => {
  it.each([
    ['too large', generations, 413, [json, 'content-length: 2000000']],
    ['of another type', 'POST /v1/chat/completions', 415, ['content-type: application/xml', 'content-length: 2000000']],
    ['that are not read', 'GET /v1/models', 200, ['transfer-encoding: chunked']],
  ])('%s do not block other requests while they never arrive', async (_name, line, status, headers) => {
    for (let at = 0; at < 20; at++) expect((await send(head(line, ...headers))).status).toBe(status)
    const body = JSON.stringify({ prompt: 'a cat' })
    const chunk = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
    expect((await send(head(generations, json, 'transfer-encoding: chunked') + chunk)).body).toContain(
      'insufficient_quota',
    )
  })

  it.each(['/images/generations', '/chat/completions', '/images/edits', '/responses'])(
    'nested more than 100 deep are refused by %s, in any field',
    async (path) => {
      const deep = '['.repeat(200_000) + ']'.repeat(200_000)
      const payload = `{"prompt":"a cat","messages":[{"role":"user","content":"a cat"}],"unheard_of":${deep}}`
      const headers = { authorization: `Bearer ${service.key}`, 'content-type': 'application/json' }
      const answer = await service.app.inject({ method: 'POST', url: `/v1${path}`, headers, payload })
      expect(answer.statusCode).toBe(400)
      expect(answer.json().error).toMatchObject({ param: 'unheard_of', message: expect.stringContaining('100 deep') })
    },
  )
})

it('refuses a body with more than 250,000 parts before parsing it', async () => {
  const headers = { authorization: `Bearer ${service.key}`, 'content-type': 'application/json' }
  for (const part of ['[],', '{"a":[],"b":{}},', '0,']) {
    const payload = `{"messages":[${part.repeat(4_000_000 / part.length)}0]}`
    const before = process.memoryUsage().heapUsed
    const answer = await service.app.inject({ method: 'POST', url: '/v1/chat/completions', headers, payload })
    expect(answer.statusCode).toBe(400)
    expect(answer.json().error.message).toContain('250000 parts')
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(40_000_000)
  }
})

describe('paths', () => {
  it.each(['%', '%zz', '%ff%fe', '%c0%ae', 'x'.repeat(101), 'x'.repeat(8_000), '%41'.repeat(200)])(
    'with invalid or long names are answered as unknown: %s',
    async (name) => {
      for (const path of [`/v1/models/${name}`, `/v1/images/jobs/${name}`, `/v1/${name}`]) {
        const { status, body } = await send(head(`GET ${path}?a=%zz`))
        expect([status, JSON.parse(body).error.type], path).toEqual([404, 'invalid_request_error'])
      }
    },
  )
})

it('frees the slot of a large body that waits behind another response when the connection breaks', async () => {
  const bodies = createBodies()
  const entered: boolean[] = []
  const app = createApp({
    log: service.log,
    closeMs: 50,
    plugins: [
      async (each) => {
        each.get('/waits', () => new Promise(() => undefined))
        each.post('/large', async (_request, reply) => {
          const ann = { userId: 'ann', keyId: 'one', admin: false, models: null }
          entered.push(bodies.enter(ann, reply))
          return {}
        })
      },
    ],
  })
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  const openConnections = () =>
    new Promise<number>((resolve) => app.server.getConnections((_error, open) => resolve(open)))
  const both = 'GET /waits HTTP/1.1\r\nhost: localhost\r\n\r\nPOST /large HTTP/1.1\r\nhost: localhost\r\n'
  for (let at = 1; at <= 4; at++) {
    const socket = connect(Number(port), '127.0.0.1')
    socket.write(`${both}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`)
    await expect.poll(() => entered.length).toBe(at)
    socket.destroy()
    await expect.poll(openConnections).toBe(0)
  }
  expect(entered).toEqual([true, true, true, true])
  await app.close()
})

it('gives one account three slots for large bodies, and other accounts the rest', async () => {
  const { port } = new URL(service.url)
  const answers: string[] = []
  const stalled = Array.from({ length: 5 }, () => {
    const socket = connect(Number(port), '127.0.0.1')
    socket.once('data', (data) => answers.push(String(data)))
    socket.write(`${head(generations.replace('generations', 'edits'), json, 'content-length: 2000000')}{`)
    return socket
  })
  // the order of arrival decides which two are refused
  await vi.waitFor(() => expect(answers).toHaveLength(2), 60_000)
  for (const answer of answers) expect(answer).toMatch(/^HTTP\/1\.1 503/)
  const bob = await accountOf(service.test.core, { id: 'test:bob', name: 'bob' })
  const { key } = await createApiKey(service.test.core, { userId: bob, name: 'his' })
  const text = JSON.stringify({ prompt: 'night', image: `data:image/png;base64,${'A'.repeat(1_500_000)}` })
  const answer = await fetch(`${service.url}/v1/images/edits`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: text,
  })
  expect(answer.status).not.toBe(503)
  expect(answers).toHaveLength(2)
  for (const socket of stalled) socket.destroy()
})
