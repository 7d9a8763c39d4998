import { randomInt, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { AppError } from '../../src/core/errors.ts'
import { createReceiver } from '../../src/providers/fal/webhook.ts'
import { finish } from '../contracts/provider.ts'
import { type FalEmulator, type FalOptions, startFal } from '../emulators/fal/index.ts'
import { createFal, falTask } from '../helpers/providers/fal.ts'

const signal = () => AbortSignal.timeout(10_000)
const webhookUrl = (id: string) => `https://us.example/hooks/fal/${id}/token`

describe('fal', () => {
  let fal: FalEmulator
  const closing: (() => Promise<unknown> | undefined)[] = []
  afterEach(async () => {
    for (const close of closing.splice(0)) await close()
    await fal.stop()
  })
  const open = async (options: FalOptions = {}, settings: Parameters<typeof createFal>[1] = {}) => {
    fal = await startFal(options)
    const provider = createFal(fal.url, { key: fal.key, ...settings })
    closing.push(() => provider.close?.())
    return provider
  }
  const failure = async (work: Promise<unknown>): Promise<AppError> => {
    const error = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    if (error instanceof AppError) return error
    throw error ?? new Error('it did not fail')
  }
  const asked = (path: RegExp) => fal.requests.filter((request) => path.test(request.path))

  it('is followed by its stream, without one question', async () => {
    const provider = await open({ workMs: 400 })
    const { seed } = await finish(provider, falTask('a cute cat'))
    expect(seed).toMatch(/^\d+$/)
    expect(asked(/\/status\/stream$/)).toHaveLength(1)
    expect(asked(/\/status$/)).toHaveLength(0)
  })

  it('is asked a few times where there is no stream', async () => {
    const provider = await open({ workMs: 1_200, stream: false })
    await finish(provider, falTask('a cute cat'))
    expect(asked(/\/status$/).length).toBeLessThanOrEqual(12)
    const before = asked(/\/status$/).length
    await finish(provider, falTask('another cat'))
    // now it is known how long such pictures take
    expect(asked(/\/status$/).length - before).toBeLessThanOrEqual(6)
  })

  it('tells its place in the queue and how far it is', async () => {
    const provider = await open({ workMs: 800, concurrency: 1, stream: false })
    const [first, second] = [falTask('one'), falTask('two')]
    await provider.start(first, signal())
    const started = await provider.start(second, signal())
    if (started.state === 'done') throw new Error('too fast')
    const waiting = await provider.check!(started.ticket, second, signal())
    expect(waiting).toMatchObject({ state: 'pending', position: 1 })
  })

  it('keeps seeds beyond 2^53, asked for or found', async () => {
    const provider = await open()
    const seed = '17454220438242315174'
    const { seed: same } = await finish(provider, falTask('a cute cat', { request: { seed } }))
    expect(same).toBe(seed)
    expect(asked(/^\/fal-ai\/flux-1\/dev$/)[0]?.body.toString()).toContain(`"seed":${seed}`)
  })

  it('hands out pictures as data, too', async () => {
    const provider = await open()
    const { images } = await finish(provider, falTask('datauri'))
    expect(images[0]?.subarray(0, 2).toString('hex')).toBe('ffd8')
    expect(asked(/^\/files\//)).toHaveLength(0)
  })

  it('flags content: all of it is a refusal, some of it is said', async () => {
    const provider = await open()
    expect((await failure(finish(provider, falTask('nsfwflag')))).kind).toBe('moderated')
    const { images, notes } = await finish(provider, falTask('nsfwfirst', { count: 2 }))
    expect(images).toHaveLength(1)
    expect(notes).toMatchObject([{ kind: 'some_missing' }])
  })

  it('is asked at the relay that was configured, whatever addresses it hands out', async () => {
    const provider = await open({ relayPrefix: '/relay/fal', publicUrl: 'https://queue.fal.run' })
    expect((await finish(provider, falTask('a cute cat'))).images).toHaveLength(1)
    expect(fal.requests.every(({ path }) => path.startsWith('/relay/fal/') || path.startsWith('/files/'))).toBe(true)
  })

  it('gets the key, and nobody else does', async () => {
    const heard: string[] = []
    const stranger = createServer((req, res) => {
      heard.push(JSON.stringify(req.headers))
      res.writeHead(404).end()
    })
    await new Promise<void>((started) => stranger.listen(0, '127.0.0.1', started))
    const elsewhere = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`
    const provider = await open({ publicUrl: elsewhere })
    await finish(provider, falTask('a cute cat'))
    fal.faults.add({ kind: 'redirect', location: `${elsewhere}/stolen`, match: { path: /^\/files\// } })
    expect((await failure(finish(provider, falTask('a cute cat')))).kind).toBe('bad_result')
    expect(heard).toEqual([])
    stranger.close()
  })

  it.each(['502json', 'dropAfter', 'truncated', 'garbage', 'empty'] as const)(
    'is never asked again when the answer to a submission is %s',
    async (kind) => {
      const provider = await open()
      fal.faults.add({ kind, match: { method: 'POST' } })
      const error = await failure(provider.start(falTask('a cute cat'), signal()))
      expect(error.neverRan).toBe(false)
      expect(fal.accepted()).toBe(1)
    },
  )

  describe('that calls back', () => {
    const calling = async (options: FalOptions = {}) => {
      const provider = await open({ ...options, webhooks: false }, { webhookUrl })
      const task = falTask('a cute cat')
      const started = await provider.start(task, signal())
      if (started.state === 'done') throw new Error('too fast')
      const { requestId } = started.ticket as { requestId: string }
      await expect.poll(() => fal.job(requestId)?.state).toBe('COMPLETED')
      const body = Buffer.from(await fal.hooks.bodyOf(fal.job(requestId)!))
      return { provider, task, ticket: started.ticket, requestId, body }
    }

    it('is told where, and believed when its signature is right', async () => {
      const { provider, task, ticket, requestId, body } = await calling()
      expect(asked(/^\/fal-ai\/flux-1\/dev$/)[0]?.query.get('fal_webhook')).toBe(webhookUrl(task.id))
      const webhookMessage = await provider.receive!({ headers: fal.hooks.sign(body, { requestId }), body })
      const before = fal.requests.length
      const done = await provider.check!(ticket, { ...task, webhookMessage }, signal())
      expect(done).toMatchObject({ state: 'done' })
      // nothing but the picture was fetched for it
      expect(fal.requests.slice(before).map(({ path }) => path.startsWith('/files/'))).toEqual([true])
    })

    it('shows a request whose answer was lost', async () => {
      const { provider, task, requestId, body } = await calling()
      const webhookMessage = await provider.receive!({ headers: fal.hooks.sign(body, { requestId }), body })
      expect(await provider.find!(task, signal())).toBe('unknown')
      expect(await provider.find!({ ...task, webhookMessage }, signal())).toMatchObject({ state: 'done' })
    })

    it('about another request changes nothing', async () => {
      const { provider, task, ticket, requestId, body } = await calling()
      const other = Buffer.from(body.toString().replaceAll(requestId, randomUUID()))
      const webhookMessage = await provider.receive!({ headers: fal.hooks.sign(other, { requestId }), body: other })
      const before = asked(/\/status$/).length
      await provider.check!(ticket, { ...task, webhookMessage }, signal())
      expect(asked(/\/status$/).length).toBe(before + 1)
    })

    it('is not believed with anything changed, out of time, or by another key', { timeout: 60_000 }, async () => {
      const { provider, requestId, body } = await calling()
      const headers = fal.hooks.sign(body, { requestId })
      const receive = (changed: Record<string, string>, bytes = body) =>
        provider.receive!({ headers: changed, body: bytes })
      await expect(receive(headers)).resolves.toBeTypeOf('object')
      const now = Math.floor(Date.now() / 1000)
      await expect(receive(fal.hooks.sign(body, { requestId, timestamp: now - 290 }))).resolves.toBeTypeOf('object')
      for (const timestamp of [now - 310, now + 310, 0]) {
        await expect(receive(fal.hooks.sign(body, { requestId, timestamp }))).rejects.toMatchObject({ kind: 'forged' })
      }
      const names = Object.keys(headers).filter((name) => name.startsWith('x-fal'))
      for (const name of names) {
        const { [name]: _gone, ...rest } = headers
        await expect(receive(rest)).rejects.toMatchObject({ kind: 'forged' })
      }
      let accepted = 0
      for (let n = 0; n < 5_000; n++) {
        const name = names[n % (names.length + 1)]
        const changed = name ? { ...headers, [name]: mutate(headers[name] ?? '') } : headers
        const bytes = name ? body : Buffer.from(mutate(body.toString('latin1')), 'latin1')
        await receive(changed, bytes).then(
          () => accepted++,
          () => undefined,
        )
      }
      expect(accepted).toBe(0)
    })

    it.each([
      ['asks who we are', { status: 401, body: { detail: 'Unauthorized' } }],
      ['forbids it', { status: 403, body: 'no' }],
      ['has no such page', { status: 404, body: 'no' }],
      ['shows a page', { status: 200, headers: { 'content-type': 'text/html' }, body: '<html></html>' }],
      ['shows a long page', { status: 200, body: 'x'.repeat(100_000) }],
      ['shows other JSON', { status: 200, body: { hello: 'world' } }],
    ])('is believed through a relay that %s where its keys would be', async (_, relayKeys) => {
      const { requestId, body } = await calling({ relayKeys })
      const receiver = createReceiver(fal.url, fal.keysUrl)
      closing.push(receiver.close)
      const told = await receiver.receive({ headers: fal.hooks.sign(body, { requestId }), body })
      expect(told).toMatchObject({ request_id: requestId })
    })

    it('is not judged by other keys while those of a relay are away', async () => {
      const { requestId, body } = await calling({ relayKeys: { status: 503, body: 'later' } })
      const receiver = createReceiver(fal.url, fal.keysUrl)
      closing.push(receiver.close)
      const work = receiver.receive({ headers: fal.hooks.sign(body, { requestId }), body })
      expect((await failure(work)).kind).toBe('provider_failed')
    })

    it('is believed after it has changed its keys', async () => {
      const { provider, requestId, body } = await calling()
      await provider.receive!({ headers: fal.hooks.sign(body, { requestId }), body })
      fal.hooks.rotate()
      const headers = fal.hooks.sign(body, { requestId })
      // asked again at most once a minute: a stranger's signatures must not make us ask for ever
      await expect(provider.receive!({ headers, body })).rejects.toMatchObject({ kind: 'forged' })
      const fresh = createFal(fal.url, { key: fal.key, webhookUrl })
      closing.push(() => fresh.close?.())
      await expect(fresh.receive!({ headers, body })).resolves.toBeTypeOf('object')
    })
  })
})

/** One character becomes another. Hexadecimal digits in the other case mean the same, so they are left out. */
function mutate(text: string): string {
  const at = randomInt(text.length)
  const [old = ''] = text[at] ?? ''
  const fresh = [...'0123456789ghijkxyz'].filter((each) => each !== old.toLowerCase())[randomInt(17)] ?? 'z'
  return text.slice(0, at) + fresh + text.slice(at + 1)
}
