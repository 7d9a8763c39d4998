import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { AppError, asAppError } from '../../src/core/errors.ts'
import type { ImageProvider, Task } from '../../src/core/ports/providers.ts'
import type { Json } from '../../src/db/json.ts'
import { finish } from '../contracts/provider.ts'
import { type FalEmulator, type FalOptions, startFal } from '../emulators/fal/index.ts'
import { createFal, falTask } from '../helpers/providers/fal.ts'

interface Started {
  ticket: { requestId: string } & Record<string, Json>
  waitMs: number
}

const signal = () => AbortSignal.timeout(10_000)
const results = { method: 'GET', path: /\/requests\/[^/]+$/ }
const statuses = { method: 'GET', path: /\/status$/ }

describe('fal in trouble', () => {
  let fal: FalEmulator
  const closing: (() => unknown)[] = []
  afterEach(async () => {
    for (const close of closing.splice(0)) await close()
    await fal.stop()
  })

  async function open(options: FalOptions = {}, settings: Parameters<typeof createFal>[1] = {}) {
    fal = await startFal(options)
    const provider = createFal(fal.url, { key: fal.key, ...settings })
    closing.push(() => provider.close?.())
    return provider
  }
  async function begin(provider: ImageProvider, task: Task, until: AbortSignal = signal()): Promise<Started> {
    const started = await provider.start(task, until)
    if (started.state === 'done') throw new Error('too fast')
    return { ticket: started.ticket as Started['ticket'], waitMs: started.waitMs }
  }
  async function failure(work: Promise<unknown>): Promise<AppError> {
    const error = await work.then(
      () => new Error('it did not fail'),
      (thrown: unknown) => thrown,
    )
    if (error instanceof AppError) return error
    throw error
  }
  const asked = (path: RegExp) => fal.requests.filter((request) => path.test(request.path))
  const submissions = () => fal.requests.filter(({ method }) => method === 'POST').length

  describe('with its stream', () => {
    it('that a relay refuses is asked for once, not with each picture', async () => {
      const provider = await open({ workMs: 50, stream: false })
      await finish(provider, falTask('one'))
      await finish(provider, falTask('two'))
      expect(asked(/\/stream$/)).toHaveLength(1)
      expect(fal.accepted()).toBe(2)
    })

    it.each(['truncated', 'garbage', 'wrongType', 'cutOff', 'empty', 'dropBefore'] as const)(
      'that is %s is replaced by questions',
      async (kind) => {
        const provider = await open({ workMs: 50 })
        fal.faults.add({ kind, match: { path: /\/stream$/ } })
        expect((await finish(provider, falTask('a cute cat'))).images).toHaveLength(1)
        expect(asked(/\/stream$/)).toHaveLength(1)
        expect(asked(/\/status$/).length).toBeGreaterThan(0)
      },
    )

    it('that is no longer wanted is closed', async () => {
      const provider = await open({ workMs: 60_000 })
      const task = falTask('a cute cat')
      const over = new AbortController()
      const { ticket } = await begin(provider, task, over.signal)
      await provider.check!(ticket, task, over.signal)
      const watchers = () => fal.job(ticket.requestId)?.watchers.size
      expect(watchers()).toBe(1)
      const waiting = provider.check!(ticket, task, over.signal).then(() => provider.check!(ticket, task, over.signal))
      over.abort(new Error('let go'))
      await expect(waiting).rejects.toThrow('let go')
      await expect.poll(watchers).toBe(0)
    })
  })

  describe('with its result', () => {
    it('completed and not there for a moment is asked for again', async () => {
      const provider = await open()
      fal.faults.add({ kind: 'gone', match: results, times: 2 })
      expect((await finish(provider, falTask('a cute cat'))).images).toHaveLength(1)
      expect(asked(results.path)).toHaveLength(3)
      expect(submissions()).toBe(1)
    })

    it('completed and gone for long leaves the ticket good', async () => {
      const provider = await open()
      const task = falTask('a cute cat')
      const { ticket } = await begin(provider, task)
      fal.faults.add({ kind: 'gone', match: results })
      const error = await failure(finish(provider, task, ticket))
      expect(error).toMatchObject({ kind: 'provider_failed', retry: true, neverRan: false })
      fal.faults.clear()
      expect((await finish(provider, task, ticket)).images).toHaveLength(1)
      expect(submissions()).toBe(1)
    })

    it('completed, and then "still in progress", is waited for', async () => {
      const provider = await open({ workMs: 400, stream: false })
      const early = Buffer.from(JSON.stringify({ status: 'COMPLETED', request_id: 'any' }))
      fal.faults.add({ kind: 'replace', body: early, type: 'application/json', match: statuses, times: 1 })
      const task = falTask('a cute cat')
      const { ticket } = await begin(provider, task)
      const waiting = await provider.check!(ticket, task, signal())
      expect(waiting).toMatchObject({ state: 'pending', ticket })
      expect(asked(results.path).map(({ status }) => status)).toEqual([400])
      expect((await finish(provider, task, ticket)).images).toHaveLength(1)
    })

    it.each([
      ['runner_server_error', 'provider_failed'],
      ['runner_disconnected', 'provider_busy'],
      ['request_timeout', 'provider_timeout'],
      ['bad_request', 'provider_refused'],
    ])('%s is what became of it, and is not asked for twice', async (words, kind) => {
      const provider = await open()
      expect(await failure(finish(provider, falTask(words)))).toMatchObject({ kind })
      expect(asked(results.path)).toHaveLength(1)
    })

    it('that has no pictures is over, and is not asked for again', async () => {
      const provider = await open()
      const error = await failure(finish(provider, falTask('nothing')))
      expect(error).toMatchObject({ kind: 'bad_result', over: true, neverRan: false })
      expect(asked(results.path)).toHaveLength(1)
    })

    it.each([
      ['a locked account', () => fal.lock(true, ['result']), 'key-id:key-secret'],
      ['a key that is refused', () => undefined, 'other-id:other-secret'],
    ])('kept back by %s does not say that nothing was drawn', async (_, close, key) => {
      const provider = await open()
      const task = falTask('a cute cat')
      const { ticket } = await begin(provider, task)
      await expect.poll(() => fal.job(ticket.requestId)?.state).toBe('COMPLETED')
      close()
      const asking = createFal(fal.url, { key })
      closing.push(() => asking.close?.())
      const error = await failure(finish(asking, task, ticket))
      expect(error).toMatchObject({ kind: 'provider_account', neverRan: false, over: false })
      fal.lock(false)
      expect((await finish(provider, task, ticket)).images).toHaveLength(1)
      expect(submissions()).toBe(1)
    })

    it('that refuses the input says what it did not like', async () => {
      const provider = await open()
      const error = await failure(finish(provider, falTask('', { input: { prompt: 'a cat', bogus: 1 } })))
      expect(error).toMatchObject({ kind: 'provider_refused', neverRan: true })
      expect(error.data.reason).toContain('bogus')
    })
  })

  describe('when it is cancelled', () => {
    it.each([
      ['under way', {}],
      ['in the queue', { concurrency: 0 }],
    ])('%s stops it', async (_, options) => {
      const provider = await open({ workMs: 60_000, ...options })
      const task = falTask('a cute cat')
      const { ticket } = await begin(provider, task)
      await provider.cancel!(ticket)
      expect(fal.job(ticket.requestId)?.state).toBe('COMPLETED')
      expect((await failure(finish(provider, task, ticket))).kind).toBe('cancelled')
    })

    it('too late, or without its being known, does no harm', async () => {
      const provider = await open()
      const task = falTask('a cute cat')
      const { ticket } = await begin(provider, task)
      await finish(provider, task, ticket)
      await provider.cancel!(ticket)
      await provider.cancel!({ ...ticket, cancelPath: '/fal-ai/flux-1/requests/none/cancel' })
      expect(asked(/\/cancel$/).map(({ status }) => status)).toEqual([400, 404])
    })
  })

  describe('at its door', () => {
    it('without money takes nothing, but shows what it has', async () => {
      const provider = await open({ workMs: 100 })
      const task = falTask('a cute cat')
      const { ticket } = await begin(provider, task)
      fal.lock(true)
      const error = await failure(provider.start(falTask('another'), signal()))
      expect(error).toMatchObject({ kind: 'provider_account', neverRan: true })
      expect(error.data.reason).toContain('Exhausted balance')
      expect((await finish(provider, task, ticket)).images).toHaveLength(1)
    })

    it('is not taken for any server that knows no such page', async () => {
      await open()
      const other = createServer((_req, res) => res.writeHead(404, { 'content-type': 'text/html' }).end('<html>'))
      const url = await listen(other)
      const provider = createFal(url)
      closing.push(
        () => provider.close?.(),
        () => other.close(),
      )
      expect((await failure(provider.test!(signal()))).kind).toBe('bad_result')
    })

    it('loses an answer, and without a webhook nobody will ever find it', async () => {
      const provider = await open()
      fal.faults.add({ kind: 'dropAfter', match: { method: 'POST' } })
      const task = falTask('a cute cat')
      expect((await failure(provider.start(task, signal()))).neverRan).toBe(false)
      expect((await failure(provider.find!(task, signal()))).kind).toBe('unresolved')
      expect([fal.accepted(), submissions()]).toEqual([1, 1])
    })
  })

  describe('when it calls back', () => {
    /** A webhook as the service has it: keeps what was believed, refuses the rest. */
    async function listening(options: FalOptions = {}) {
      const told: Json[] = []
      const refused: string[] = []
      let provider: ImageProvider | undefined
      const hook = createServer(async (req, res) => {
        const chunks: Buffer[] = []
        for await (const chunk of req) chunks.push(chunk as Buffer)
        const headers = req.headers as Record<string, string>
        await provider!.receive!({ headers, body: Buffer.concat(chunks) }).then(
          (message) => told.push(message),
          (error: unknown) => refused.push(asAppError(error).kind),
        )
        res.writeHead(refused.length > 0 && told.length === 0 ? 401 : 200).end()
      })
      const url = await listen(hook)
      closing.push(() => hook.close())
      provider = await open(options, { webhookUrl: (id) => `${url}/hooks/fal/${id}/token` })
      return { provider, told, refused }
    }

    it('twice, three times, and once by a forger, one picture is the result', async () => {
      const { provider, told, refused } = await listening({ workMs: 20 })
      Object.assign(fal.hooks.switches, { copies: 3, forged: true })
      const task = falTask('a cute cat')
      const { ticket } = await begin(provider, task)
      await expect.poll(() => told.length).toBe(3)
      expect(refused).toEqual(['forged'])
      for (const webhookMessage of told) {
        const done = await provider.check!(ticket, { ...task, webhookMessage }, signal())
        expect(done).toMatchObject({ state: 'done' })
      }
      expect([fal.accepted(), asked(/\/status/).length, asked(results.path).length]).toEqual([1, 0, 0])
    })

    it('to say that it refused, nothing more is asked', async () => {
      const { provider, told } = await listening()
      const task = falTask('nsfw')
      const { ticket } = await begin(provider, task)
      await expect.poll(() => told.length).toBe(1)
      const error = await failure(provider.check!(ticket, { ...task, webhookMessage: told[0] }, signal()))
      expect(error.kind).toBe('moderated')
      expect(asked(results.path)).toHaveLength(0)
    })

    it('without what was drawn, the result is fetched, for a lost request as well', async () => {
      const { provider, told } = await listening()
      fal.hooks.switches.bare = true
      fal.faults.add({ kind: 'dropAfter', match: { method: 'POST', path: /^\/fal-ai/ } })
      const task = falTask('a cute cat')
      await failure(provider.start(task, signal()))
      await expect.poll(() => told.length).toBe(1)
      const found = await provider.find!({ ...task, webhookMessage: told[0] }, signal())
      expect(found).toMatchObject({ state: 'done' })
      expect(asked(results.path)).toHaveLength(1)
      expect([fal.accepted(), submissions()]).toEqual([1, 1])
    })

    it('keeps nothing of the prompt, and the seed to its last digit', async () => {
      const { provider, told } = await listening()
      await begin(provider, falTask('a cute cat', { request: { seed: '17454220438242315174' } }))
      await expect.poll(() => told.length).toBe(1)
      expect(JSON.stringify(told[0])).toContain('"seed":"17454220438242315174"')
      expect(JSON.stringify(told[0])).not.toContain('cute')
    })

    it('late or never, it is asked after, more and more rarely', async () => {
      const { provider } = await listening({ workMs: 60_000, webhooks: false })
      const task = falTask('a cute cat')
      const { ticket, waitMs } = await begin(provider, task)
      const waits = [waitMs]
      for (let n = 0; n < 6; n++) {
        const progress = await provider.check!(ticket, task, signal())
        waits.push(progress.state === 'pending' ? progress.waitMs : 0)
      }
      expect(waits[0]).toBe(1_000)
      expect(waits).toEqual([...waits].sort((a, b) => a - b))
      expect(waits.at(-1)).toBe(5_000)
      expect(asked(/\/stream$/)).toHaveLength(0)
    })

    it('about somebody else, the one who waits goes on waiting', async () => {
      const { provider, told } = await listening({ workMs: 20 })
      const other = falTask('another')
      await begin(provider, other)
      await expect.poll(() => told.length).toBe(1)
      fal.hooks.switches.on = false
      const task = falTask('a cute cat')
      const { ticket } = await begin(provider, task)
      const done = await finish(provider, { ...task, webhookMessage: told[0] }, ticket)
      expect(done.images).toHaveLength(1)
      expect(asked(/\/status$/).length).toBeGreaterThan(0)
    })
  })
})

async function listen(server: Server): Promise<string> {
  await new Promise<void>((started) => server.listen(0, '127.0.0.1', started))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
