import { once } from 'node:events'
import { createServer as createTlsServer } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NetError } from '../../src/net/errors.ts'
import type { Lookup } from '../../src/net/guard.ts'
import { createPoster, type Poster, type PostOptions } from '../../src/net/post.ts'
import { type Receiver, startReceiver } from '../http/api/receiver.ts'
import { type Canaries, startCanaries } from './canaries.ts'

const toLoopback: Lookup = async () => [{ address: '127.0.0.1', family: 4 }]

let receiver: Receiver
let canaries: Canaries
let poster: Poster
beforeAll(async () => {
  ;[receiver, canaries] = await Promise.all([startReceiver(), startCanaries()])
  poster = createPoster({ trusted: [receiver.origin], lookup: toLoopback })
})
afterAll(async () => {
  expect(canaries.hits()).toBe(0)
  await poster.close()
  await Promise.all([receiver.stop(), canaries.stop()])
})

const post = (address: string, options: Partial<PostOptions> = {}) =>
  poster.post(address, { headers: { 'x-of': 'ours' }, body: '{"a":"ä"}', ...options })

async function errorOf(promise: Promise<unknown>): Promise<NetError> {
  const error = await promise.then(
    () => expect.fail('it should have failed'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof NetError)) throw error
  return error
}

describe('a post', () => {
  it('sends only what it is given, and returns status and Retry-After', async () => {
    receiver.answers.set('/a', (response) => response.writeHead(503, { 'retry-after': '7' }).end('busy'))
    expect(await post(`${receiver.origin}/a?b=c`)).toEqual({ status: 503, retryAfter: '7' })
    expect(receiver.receivedAt('/a?b=c')).toEqual([
      {
        path: '/a?b=c',
        method: 'POST',
        headers: {
          host: new URL(receiver.origin).host,
          connection: 'close',
          'user-agent': 'fluxbot',
          'x-of': 'ours',
          'content-length': '10',
        },
        body: '{"a":"ä"}',
      },
    ])
  })

  it.each([301, 302, 303, 307, 308])('follows no redirect by %i', async (status) => {
    const location = `http://127.0.0.1:${canaries.port}/`
    receiver.answers.set('/away', (response) => response.writeHead(status, { location }).end())
    expect(await post(`${receiver.origin}/away`)).toEqual({ status, retryAfter: undefined })
  })

  it('rejects at its timeout or when the caller aborts, with an error that names only the origin', async () => {
    receiver.answers.set('/mute', () => undefined)
    const error = await errorOf(post(`${receiver.origin}/mute?token=hush`, { timeoutMs: 50 }))
    expect(error).toMatchObject({ kind: 'timeout', message: `timeout ${receiver.origin}` })
    const caller = new AbortController()
    const reason = new Error('enough')
    const posting = post(`${receiver.origin}/mute`, { signal: caller.signal })
    caller.abort(reason)
    await expect(posting).rejects.toBe(reason)
    await expect(post(`${receiver.origin}/mute`, { signal: caller.signal })).rejects.toBe(reason)
  })

  it('resolves with the status even if the response breaks off or never ends', async () => {
    receiver.answers.set('/on', (response) => response.writeHead(200).write('and so on'))
    expect(await post(`${receiver.origin}/on`, { timeoutMs: 200 })).toMatchObject({ status: 200 })
    receiver.answers.set('/cut', (response) =>
      response.writeHead(200, { 'content-length': 10 }).write('cut', () => response.destroy()),
    )
    expect(await post(`${receiver.origin}/cut`)).toMatchObject({ status: 200 })
    receiver.answers.set('/long', (response) => response.writeHead(200, { 'content-length': 2 ** 40 }).write('x'))
    expect(await post(`${receiver.origin}/long`)).toMatchObject({ status: 200 })
  })

  it('refuses private addresses in any spelling', async () => {
    const { port } = canaries
    const places = [
      ...[`http://127.0.0.1:${port}/`, `https://127.0.0.1:${port}/`, `http://[::1]:${port}/`, 'https://127.0.0.1/'],
      ...[`http://localhost:${port}/`, 'https://localhost/', 'https://2130706433/', 'https://[::ffff:7f00:1]/'],
      ...['https://inside.example/', `http://inside.example:${port}/`, 'https://redis/', 'https://169.254.169.254/'],
      ...[receiver.origin.replace('//', '//ann:hush@'), receiver.origin.replace('http:', 'https:')],
      ...['file:///etc/passwd', `ftp://127.0.0.1:${port}/`, 'data:text/plain;base64,aGk=', '/a', ''],
    ]
    const before = receiver.received.length
    for (const place of places) {
      expect(await errorOf(post(place)), place).toMatchObject({ kind: 'forbidden', neverSent: true })
    }
    expect(receiver.received.length).toBe(before)
  })

  it('sends nothing to a server without a valid certificate', async () => {
    const hits: string[] = []
    const tls = createTlsServer((socket) => hits.push(socket.on('error', () => undefined).remoteAddress ?? ''))
    tls.on('tlsClientError', () => undefined).listen(0, '127.0.0.1')
    await once(tls, 'listening')
    const origin = `https://files.example:${(tls.address() as { port: number }).port}`
    const other = createPoster({ trusted: [origin], lookup: toLoopback })
    const error = await errorOf(other.post(origin, { headers: {}, body: '' }))
    expect(error).toMatchObject({ kind: 'unreachable', neverSent: true })
    expect(hits).toEqual([])
    await other.close()
    await new Promise((done) => tls.close(done))
  })
})
