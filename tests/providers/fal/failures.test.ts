import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { ImageProvider, Task } from '../../../src/core/ports/providers.ts'
import type { Json } from '../../../src/db/json.ts'
import { failure, finish } from '../../contracts/provider.ts'
import { createFal, falFixture, falTask } from '../../helpers/providers/fal.ts'

const signal = () => AbortSignal.timeout(10_000)
const results = { method: 'GET', path: /\/requests\/[^/]+$/ }
const statuses = { method: 'GET', path: /\/status$/ }

type Ticket = { requestId: string } & Record<string, Json>

const { open, beforeClose } = falFixture()

async function begin(provider: ImageProvider, task: Task, until: AbortSignal = signal()): Promise<Ticket> {
  const started = await provider.start(task, until)
  if (started.state === 'done') throw new Error('expected a pending request')
  return started.ticket as Ticket
}

describe('an event stream of fal', () => {
  it('is requested once, not for each picture, at a relay that refuses it', async () => {
    const { emulator, provider, requestsTo } = await open({ workMs: 50, stream: false })
    await finish(provider, falTask('one'))
    await finish(provider, falTask('two'))
    expect(requestsTo(/\/stream$/)).toHaveLength(1)
    expect(emulator.accepted()).toBe(2)
  })

  it.each(['truncated', 'garbage', 'wrongType', 'cutOff', 'empty', 'dropBefore'] as const)(
    'is replaced by polling when it fails with %s',
    async (kind) => {
      const { emulator, provider, requestsTo } = await open({ workMs: 50 })
      emulator.faults.add({ kind, match: { path: /\/stream$/ } })
      expect((await finish(provider, falTask('a cute cat'))).images).toHaveLength(1)
      expect(requestsTo(/\/stream$/)).toHaveLength(1)
      expect(requestsTo(/\/status$/).length).toBeGreaterThan(0)
    },
  )

  it('is closed when the signal aborts', async () => {
    const { emulator, provider } = await open({ workMs: 60_000 })
    const task = falTask('a cute cat')
    const controller = new AbortController()
    const ticket = await begin(provider, task, controller.signal)
    const check = () => provider.check!(ticket, task, controller.signal)
    await check()
    const watchers = () => emulator.job(ticket.requestId)?.watchers.size
    expect(watchers()).toBe(1)
    const waiting = check().then(check)
    controller.abort(new Error('aborted'))
    await expect(waiting).rejects.toThrow('aborted')
    await expect.poll(watchers).toBe(0)
  })
})

describe('a result of fal', () => {
  it('is read again when it is missing for a moment', async () => {
    const { emulator, provider, requestsTo } = await open()
    emulator.faults.add({ kind: 'gone', match: results, times: 2 })
    expect((await finish(provider, falTask('a cute cat'))).images).toHaveLength(1)
    expect(requestsTo(results.path)).toHaveLength(3)
    expect(requestsTo(/^\/fal-ai\/flux-1\/dev$/)).toHaveLength(1)
  })

  it('can still be read with the ticket after it was missing for long', async () => {
    const { emulator, provider, requestsTo } = await open()
    const task = falTask('a cute cat')
    const ticket = await begin(provider, task)
    emulator.faults.add({ kind: 'gone', match: results })
    const error = await failure(finish(provider, task, ticket))
    expect(error).toMatchObject({ kind: 'provider_failed', retry: true, neverRan: false })
    emulator.faults.clear()
    expect((await finish(provider, task, ticket)).images).toHaveLength(1)
    expect(requestsTo(/^\/fal-ai\/flux-1\/dev$/)).toHaveLength(1)
  })

  it('is waited for when a completed request is reported as still in progress', async () => {
    const { emulator, provider, requestsTo } = await open({ workMs: 400, stream: false })
    const early = Buffer.from(JSON.stringify({ status: 'COMPLETED', request_id: 'any' }))
    emulator.faults.add({ kind: 'replace', body: early, type: 'application/json', match: statuses, times: 1 })
    const task = falTask('a cute cat')
    const ticket = await begin(provider, task)
    const waiting = await provider.check!(ticket, task, signal())
    expect(waiting).toMatchObject({ state: 'pending', ticket })
    expect(requestsTo(results.path).map(({ status }) => status)).toEqual([400])
    expect((await finish(provider, task, ticket)).images).toHaveLength(1)
  })

  it.each([
    ['runner_server_error', 'provider_failed'],
    ['runner_disconnected', 'provider_busy'],
    ['request_timeout', 'provider_timeout'],
    ['bad_request', 'provider_refused'],
  ])('with the error %s fails as %s and is read once', async (prompt, kind) => {
    const { provider, requestsTo } = await open()
    expect(await failure(finish(provider, falTask(prompt)))).toMatchObject({ kind })
    expect(requestsTo(results.path)).toHaveLength(1)
  })

  it('without pictures is final and read once', async () => {
    const { provider, requestsTo } = await open()
    const error = await failure(finish(provider, falTask('nothing')))
    expect(error).toMatchObject({ kind: 'bad_result', final: true, neverRan: false })
    expect(requestsTo(results.path)).toHaveLength(1)
  })

  it.each([
    ['the account is locked', true, 'key-id:key-secret'],
    ['the key is refused', false, 'other-id:other-secret'],
  ])('is not given up when %s', async (_, isLocked, key) => {
    const { emulator, provider, requestsTo } = await open()
    const task = falTask('a cute cat')
    const ticket = await begin(provider, task)
    await expect.poll(() => emulator.job(ticket.requestId)?.state).toBe('COMPLETED')
    if (isLocked) emulator.lock(true, ['result'])
    const other = createFal(emulator.url, { key })
    beforeClose(() => other.close?.())
    const error = await failure(finish(other, task, ticket))
    expect(error).toMatchObject({ kind: 'provider_account', neverRan: false, final: false })
    emulator.lock(false)
    expect((await finish(provider, task, ticket)).images).toHaveLength(1)
    expect(requestsTo(/^\/fal-ai\/flux-1\/dev$/)).toHaveLength(1)
  })

  it('that refuses the input names the field', async () => {
    const { provider } = await open()
    const error = await failure(finish(provider, falTask('', { input: { prompt: 'a cat', bogus: 1 } })))
    expect(error).toMatchObject({ kind: 'provider_refused', neverRan: true })
    expect(error.data.reason).toContain('bogus')
  })
})

describe('cancelling a request of fal', () => {
  it.each([
    ['is running', {}],
    ['is queued', { concurrency: 0 }],
  ])('stops it while it %s', async (_, options) => {
    const { emulator, provider } = await open({ workMs: 60_000, ...options })
    const task = falTask('a cute cat')
    const ticket = await begin(provider, task)
    await provider.cancel!(ticket)
    expect(emulator.job(ticket.requestId)?.state).toBe('COMPLETED')
    expect((await failure(finish(provider, task, ticket))).kind).toBe('cancelled')
  })

  it('succeeds when the request has ended or is unknown', async () => {
    const { provider, requestsTo } = await open()
    const task = falTask('a cute cat')
    const ticket = await begin(provider, task)
    await finish(provider, task, ticket)
    await provider.cancel!(ticket)
    await provider.cancel!({ ...ticket, cancelPath: '/fal-ai/flux-1/requests/none/cancel' })
    expect(requestsTo(/\/cancel$/).map(({ status }) => status)).toEqual([400, 404])
  })
})

describe('a submission to fal', () => {
  it('is refused while the balance is exhausted; earlier requests can still be read', async () => {
    const { emulator, provider } = await open({ workMs: 100 })
    const task = falTask('a cute cat')
    const ticket = await begin(provider, task)
    emulator.lock(true)
    const error = await failure(provider.start(falTask('another'), signal()))
    expect(error).toMatchObject({ kind: 'provider_account', neverRan: true })
    expect(error.data.reason).toContain('Exhausted balance')
    expect((await finish(provider, task, ticket)).images).toHaveLength(1)
  })

  it('cannot be found again without a webhook when its response is lost', async () => {
    const { emulator, provider, requestsTo } = await open()
    emulator.faults.add({ kind: 'dropAfter', match: { method: 'POST' } })
    const task = falTask('a cute cat')
    expect((await failure(provider.start(task, signal()))).neverRan).toBe(false)
    expect((await failure(provider.find!(task, signal()))).kind).toBe('unresolved')
    expect([emulator.accepted(), requestsTo(/^\/fal-ai\/flux-1\/dev$/).length]).toEqual([1, 1])
  })
})

describe('the test of address and key', () => {
  it('fails at a server that is not fal', async () => {
    const other = createServer((_req, res) => res.writeHead(404, { 'content-type': 'text/html' }).end('<html>'))
    await new Promise<void>((started) => other.listen(0, '127.0.0.1', started))
    const provider = createFal(`http://127.0.0.1:${(other.address() as AddressInfo).port}`)
    beforeClose(() => other.close())
    beforeClose(() => provider.close?.())
    expect((await failure(provider.test!(signal()))).kind).toBe('bad_result')
  })
})
