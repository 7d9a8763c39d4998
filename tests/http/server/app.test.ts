import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { request } from 'undici'
import { describe, expect, it } from 'vitest'
import { AppError } from '../../../src/core/errors.ts'
import { type StatusOptions, status } from '../../../src/http/operations/status.ts'
import { type AppOptions, createApp } from '../../../src/http/server/app.ts'
import { keepLog } from '../../helpers/log.ts'

const secret = 'a-secret-signature'

function open(over: Partial<AppOptions & StatusOptions> = {}) {
  const log = keepLog()
  const { plugins = [], ready = async () => ({}), ...options } = over
  return { log, app: createApp({ log, plugins: [...plugins, status({ ready })], ...options }) }
}

describe('every response', () => {
  it('has a unique id and forbids content sniffing', async () => {
    const { app } = open()
    const [one, two] = [await app.inject('/healthz'), await app.inject('/nothing')]
    expect(one.json()).toEqual({ status: 'ok' })
    expect(one.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
    expect(two.headers['x-request-id']).not.toBe(one.headers['x-request-id'])
    expect(two.headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' })
    expect(two.statusCode).toBe(404)
    expect(two.json()).toEqual({ error: { kind: 'not_found', message: 'There is nothing here.' } })
  })

  it('is logged without the query', async () => {
    const { app, log } = open()
    await app.inject(`/healthz?signature=${secret}`)
    expect(log.lines).toHaveLength(1)
    expect(log.lines[0]).toContain('"path":"/healthz"')
    expect(log.lines[0]).toContain('"status":200')
    expect(log.lines[0]).not.toContain(secret)
  })
})

describe('readiness', () => {
  it('names the parts that are not ready, without the reasons', async () => {
    const parts: Record<string, string | undefined> = { database: undefined, discord: 'is not connected' }
    const { app } = open({ ready: async () => parts })
    const missing = await app.inject('/readyz')
    expect(missing.statusCode).toBe(503)
    expect(missing.json()).toEqual({
      status: 'not ready',
      parts: { database: 'ready', discord: 'not ready' },
    })
    parts.discord = undefined
    const ready = await app.inject('/readyz')
    expect(ready.statusCode).toBe(200)
    expect(ready.json()).toEqual({ status: 'ready', parts: { database: 'ready', discord: 'ready' } })
  })
})

describe('errors', () => {
  const failing = (error: unknown) =>
    open({
      plugins: [
        async (app) => {
          app.get('/fails', async () => {
            throw error
          })
          app.post('/takes', async () => 'taken')
        },
      ],
    })

  it('of a known kind say what to do, in the language of the client', async () => {
    const { app } = failing(new AppError('too_fast', { limit: 20, seconds: 3 }))
    const english = await app.inject('/fails')
    expect(english.statusCode).toBe(429)
    expect(english.json().error).toEqual({
      kind: 'too_fast',
      message: 'At most 20 requests a minute. Try again in 3 s.',
    })
    const chinese = await app.inject({ url: '/fails', headers: { 'accept-language': 'zh-CN,zh;q=0.9' } })
    expect(chinese.json().error.message).toMatch(/[一-龥]/)
  })

  it.each([
    ['an unknown error', new Error(`connect postgres://root:${secret}@db`)],
    ['an internal AppError', new AppError('internal', {}, { cause: new Error(secret) })],
    ['an error with status 200', Object.assign(new Error(secret), { statusCode: 200 })],
  ])('%s hides its details from clients and is logged with the request id', async (_name, error) => {
    const { app, log } = failing(error)
    const answer = await app.inject('/fails')
    expect(answer.statusCode).toBe(500)
    expect(answer.json().error.kind).toBe('internal')
    expect(answer.body).not.toContain(secret)
    const logged = log.lines.find((line) => line.startsWith('error'))
    expect(logged).toContain(answer.headers['x-request-id'])
  })

  it('report broken and oversized bodies as JSON', async () => {
    const { app } = failing(undefined)
    const headers = { 'content-type': 'application/json' }
    const broken = await app.inject({ method: 'POST', url: '/takes', headers, payload: '{"a":' })
    expect(broken.statusCode).toBe(400)
    expect(broken.json().error.kind).toBe('bad_request')
    const enormous = await app.inject({ method: 'POST', url: '/takes', headers, payload: `"${'x'.repeat(2 ** 20)}"` })
    expect(enormous.statusCode).toBe(413)
  })
})

describe('a malformed request', () => {
  /** Resolves to everything that was received until the connection ended. */
  const send = (url: string, text: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(text))
      let answered = ''
      socket.setEncoding('utf8').on('data', (part) => {
        answered += part
      })
      socket.on('end', () => resolve(answered)).on('error', reject)
    })

  it.each([
    ['without a request line', 'hello?\r\n\r\n', '400 Bad Request'],
    [
      'with headers that are too long',
      `GET / HTTP/1.1\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`,
      '431 Request Header Fields',
    ],
    ['with an invalid content length', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: y\r\n\r\n', '400 Bad Request'],
  ])('%s gets a JSON error, and the connection is closed', async (_name, text, status) => {
    const { app, log } = open()
    const answered = await send(await app.listen({ port: 0, host: '127.0.0.1' }), text)
    const [head = '', body = ''] = answered.split('\r\n\r\n')
    expect(head).toContain(`HTTP/1.1 ${status}`)
    expect(head).toContain('connection: close')
    const id = /x-request-id: ([0-9a-f-]{36})/.exec(head)?.[1]
    expect(log.lines.some((line) => id !== undefined && line.includes(id))).toBe(true)
    expect(JSON.parse(body)).toEqual({ error: { kind: 'bad_request', message: expect.stringMatching(/\w/) } })
    await app.close()
  })

  it('gets no error in the middle of a response', async () => {
    const { app } = open({
      plugins: [
        async (each) => {
          each.get('/streams', (_request, reply) => {
            reply.hijack()
            reply.raw.write('begun')
          })
        },
      ],
    })
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = new URL(url)
    const answered = await new Promise<string>((resolve) => {
      let text = ''
      const socket = connect(Number(port), '127.0.0.1', () => {
        socket.write('GET /streams HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n')
      })
      socket.setEncoding('utf8').on('data', (part) => {
        text += part
        socket.write('no chunk\r\n')
      })
      socket.on('error', () => undefined).on('close', () => resolve(text))
    })
    expect(answered).toContain('begun')
    expect(answered).not.toContain('bad_request')
    await app.close()
  })
})

describe('closing', () => {
  it('lets a request under way finish', async () => {
    let started = () => {}
    let finish = () => {}
    const underWay = new Promise<void>((resolve) => {
      started = resolve
    })
    const { app } = open({
      plugins: [
        async (each) => {
          each.get('/slow', async () => {
            started()
            await new Promise<void>((resolve) => {
              finish = resolve
            })
            return { slow: true }
          })
        },
      ],
    })
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    const pending = request(`${url}/slow`)
    await underWay
    const closed = app.close()
    finish()
    expect(await (await pending).body.json()).toEqual({ slow: true })
    await closed
  })

  it('does not wait for a request that never ends', async () => {
    let started = () => {}
    const underWay = new Promise<void>((resolve) => {
      started = resolve
    })
    const { app } = open({
      closeMs: 50,
      plugins: [
        async (each) => {
          each.get('/stuck', () => {
            started()
            return new Promise(() => {})
          })
        },
      ],
    })
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    const pending = request(`${url}/stuck`).catch((error: Error) => error)
    await underWay
    const outcome = await Promise.race([app.close().then(() => 'closed'), pause(5_000, 'still open')])
    expect(outcome).toBe('closed')
    expect(await pending).toBeInstanceOf(Error)
  })
})
