import { randomInt, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { asAppError } from '../../../src/core/errors.ts'
import type { ImageProvider } from '../../../src/core/ports/providers.ts'
import type { Json } from '../../../src/db/json.ts'
import { createReceiver } from '../../../src/providers/fal/webhook.ts'
import { failure, finish } from '../../contracts/provider.ts'
import type { FalOptions } from '../../emulators/fal/index.ts'
import { createFal, falFixture, falTask } from '../../helpers/providers/fal.ts'

const signal = () => AbortSignal.timeout(10_000)
const webhookUrl = (id: string) => `https://us.example/hooks/fal/${id}/token`
const results = /\/requests\/[^/]+$/

describe('a webhook call of fal', () => {
  const { open, beforeClose } = falFixture()

  /** A request that has ended, and the body of the call that fal would make for it. */
  async function openEnded(options: FalOptions = {}) {
    const opened = await open({ ...options, webhooks: false }, { webhookUrl })
    const { emulator, provider } = opened
    const task = falTask('a cute cat')
    const started = await provider.start(task, signal())
    if (started.state === 'done') throw new Error('expected a pending request')
    const { requestId } = started.ticket as { requestId: string }
    await expect.poll(() => emulator.job(requestId)?.state).toBe('COMPLETED')
    const body = Buffer.from(await emulator.hooks.bodyOf(emulator.job(requestId)!))
    return { ...opened, task, ticket: started.ticket, requestId, body }
  }

  it('ends the request without a poll when its signature is valid', async () => {
    const { emulator, provider, requestsTo, task, ticket, requestId, body } = await openEnded()
    expect(requestsTo(/^\/fal-ai\/flux-1\/dev$/)[0]?.query.get('fal_webhook')).toBe(webhookUrl(task.id))
    const webhookMessage = await provider.receive!({ headers: emulator.hooks.sign(body, { requestId }), body })
    const before = emulator.requests.length
    const done = await provider.check!(ticket, { ...task, webhookMessage }, signal())
    expect(done).toMatchObject({ state: 'done' })
    // only the picture was downloaded
    expect(emulator.requests.slice(before).map(({ path }) => path.startsWith('/files/'))).toEqual([true])
  })

  it('finds a request whose submission got no response', async () => {
    const { emulator, provider, task, requestId, body } = await openEnded()
    const webhookMessage = await provider.receive!({ headers: emulator.hooks.sign(body, { requestId }), body })
    expect(await provider.find!(task, signal())).toBe('unknown')
    expect(await provider.find!({ ...task, webhookMessage }, signal())).toMatchObject({ state: 'done' })
  })

  it('changes nothing when it is about another request', async () => {
    const { emulator, provider, requestsTo, task, ticket, requestId, body } = await openEnded()
    const other = Buffer.from(body.toString().replaceAll(requestId, randomUUID()))
    const headers = emulator.hooks.sign(other, { requestId })
    const webhookMessage = await provider.receive!({ headers, body: other })
    const before = requestsTo(/\/status$/).length
    await provider.check!(ticket, { ...task, webhookMessage }, signal())
    expect(requestsTo(/\/status$/).length).toBe(before + 1)
  })

  it('is refused with any byte changed, a header missing, or a stale timestamp', async () => {
    const { emulator, provider, requestId, body } = await openEnded()
    const headers = emulator.hooks.sign(body, { requestId })
    const receive = (changed: Record<string, string>, bytes = body) =>
      provider.receive!({ headers: changed, body: bytes })
    await expect(receive(headers)).resolves.toBeTypeOf('object')
    const now = Math.floor(Date.now() / 1000)
    const late = emulator.hooks.sign(body, { requestId, timestamp: now - 290 })
    await expect(receive(late)).resolves.toBeTypeOf('object')
    for (const timestamp of [now - 310, now + 310, 0]) {
      const stale = emulator.hooks.sign(body, { requestId, timestamp })
      await expect(receive(stale)).rejects.toMatchObject({ kind: 'forged' })
    }
    const names = Object.keys(headers).filter((name) => name.startsWith('x-fal'))
    for (const name of names) {
      const { [name]: _removed, ...rest } = headers
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
    ['requires a key', { status: 401, body: { detail: 'Unauthorized' } }],
    ['is forbidden', { status: 403, body: 'no' }],
    ['does not exist', { status: 404, body: 'no' }],
    ['is an HTML page', { status: 200, headers: { 'content-type': 'text/html' }, body: '<html></html>' }],
    ['is a long page', { status: 200, body: 'x'.repeat(100_000) }],
    ['is other JSON', { status: 200, body: { hello: 'world' } }],
  ])("is verified with fal's keys when the key set of the relay %s", async (_, relayKeys) => {
    const { emulator, requestId, body } = await openEnded({ relayKeys })
    const receiver = createReceiver(emulator.url, emulator.keysUrl)
    beforeClose(receiver.close)
    const message = await receiver.receive({ headers: emulator.hooks.sign(body, { requestId }), body })
    expect(message).toMatchObject({ request_id: requestId })
  })

  it("is not verified with fal's keys while those of the relay are unavailable", async () => {
    const { emulator, requestId, body } = await openEnded({ relayKeys: { status: 503, body: 'later' } })
    const receiver = createReceiver(emulator.url, emulator.keysUrl)
    beforeClose(receiver.close)
    const work = receiver.receive({ headers: emulator.hooks.sign(body, { requestId }), body })
    expect((await failure(work)).kind).toBe('provider_failed')
  })

  it('is accepted after a key rotation, with the keys downloaded at most once a minute', async () => {
    const { emulator, provider, requestId, body } = await openEnded()
    await provider.receive!({ headers: emulator.hooks.sign(body, { requestId }), body })
    emulator.hooks.rotate()
    const headers = emulator.hooks.sign(body, { requestId })
    // the keys are younger than a minute, so they are not downloaded again
    await expect(provider.receive!({ headers, body })).rejects.toMatchObject({ kind: 'forged' })
    const fresh = createFal(emulator.url, { key: emulator.key, webhookUrl })
    beforeClose(() => fresh.close?.())
    await expect(fresh.receive!({ headers, body })).resolves.toBeTypeOf('object')
  })
})

describe('fal with a webhook', () => {
  const { open, beforeClose } = falFixture()

  /** A webhook server like the service's: keeps verified messages and refuses the others. */
  async function openListening(options: FalOptions = {}) {
    const messages: Json[] = []
    const refusals: string[] = []
    let provider: ImageProvider | undefined
    const hook = createServer(async (req, res) => {
      const chunks: Buffer[] = []
      for await (const chunk of req) chunks.push(chunk as Buffer)
      const headers = req.headers as Record<string, string>
      await provider!.receive!({ headers, body: Buffer.concat(chunks) }).then(
        (message) => messages.push(message),
        (error: unknown) => refusals.push(asAppError(error).kind),
      )
      res.writeHead(refusals.length > 0 && messages.length === 0 ? 401 : 200).end()
    })
    await new Promise<void>((started) => hook.listen(0, '127.0.0.1', started))
    const url = `http://127.0.0.1:${(hook.address() as AddressInfo).port}`
    beforeClose(() => hook.close())
    const opened = await open(options, { webhookUrl: (id) => `${url}/hooks/fal/${id}/token` })
    provider = opened.provider
    return { ...opened, messages, refusals }
  }

  async function begin(provider: ImageProvider, task = falTask('a cute cat')) {
    const started = await provider.start(task, signal())
    if (started.state === 'done') throw new Error('expected a pending request')
    return { task, ticket: started.ticket, waitMs: started.waitMs }
  }

  it('returns the same result for repeated calls, and refuses a forged one', async () => {
    const { emulator, provider, requestsTo, messages, refusals } = await openListening({ workMs: 20 })
    Object.assign(emulator.hooks.switches, { copies: 3, forged: true })
    const { task, ticket } = await begin(provider)
    await expect.poll(() => messages.length).toBe(3)
    expect(refusals).toEqual(['forged'])
    for (const webhookMessage of messages) {
      const done = await provider.check!(ticket, { ...task, webhookMessage }, signal())
      expect(done).toMatchObject({ state: 'done' })
    }
    expect([emulator.accepted(), requestsTo(/\/status/).length, requestsTo(results).length]).toEqual([1, 0, 0])
  })

  it('takes a refusal from the call, without reading the result', async () => {
    const { provider, requestsTo, messages } = await openListening()
    const { task, ticket } = await begin(provider, falTask('nsfw'))
    await expect.poll(() => messages.length).toBe(1)
    const error = await failure(provider.check!(ticket, { ...task, webhookMessage: messages[0] }, signal()))
    expect(error.kind).toBe('moderated')
    expect(requestsTo(results)).toHaveLength(0)
  })

  it('reads the result when the call has none, also for a request whose submission got no response', async () => {
    const { emulator, provider, requestsTo, messages } = await openListening()
    emulator.hooks.switches.bare = true
    emulator.faults.add({ kind: 'dropAfter', match: { method: 'POST', path: /^\/fal-ai/ } })
    const task = falTask('a cute cat')
    await failure(provider.start(task, signal()))
    await expect.poll(() => messages.length).toBe(1)
    const found = await provider.find!({ ...task, webhookMessage: messages[0] }, signal())
    expect(found).toMatchObject({ state: 'done' })
    expect(requestsTo(results)).toHaveLength(1)
    const submissions = emulator.requests.filter(({ method }) => method === 'POST')
    expect([emulator.accepted(), submissions.length]).toEqual([1, 1])
  })

  it('drops the prompt from a call, and keeps the exact seed', async () => {
    const { provider, messages } = await openListening()
    await begin(provider, falTask('a cute cat', { request: { seed: '17454220438242315174' } }))
    await expect.poll(() => messages.length).toBe(1)
    expect(JSON.stringify(messages[0])).toContain('"seed":"17454220438242315174"')
    expect(JSON.stringify(messages[0])).not.toContain('cute')
  })

  it('polls at growing intervals while no call comes', async () => {
    const { provider, requestsTo } = await openListening({ workMs: 60_000, webhooks: false })
    const { task, ticket, waitMs } = await begin(provider)
    const waits = [waitMs]
    for (let n = 0; n < 6; n++) {
      const progress = await provider.check!(ticket, task, signal())
      waits.push(progress.state === 'pending' ? progress.waitMs : 0)
    }
    expect(waits[0]).toBe(1_000)
    expect(waits).toEqual([...waits].sort((a, b) => a - b))
    expect(waits.at(-1)).toBe(5_000)
    expect(requestsTo(/\/stream$/)).toHaveLength(0)
  })

  it('goes on polling when the call is about another request', async () => {
    const { emulator, provider, requestsTo, messages } = await openListening({ workMs: 20 })
    await begin(provider, falTask('another'))
    await expect.poll(() => messages.length).toBe(1)
    emulator.hooks.switches.on = false
    const { task, ticket } = await begin(provider)
    const done = await finish(provider, { ...task, webhookMessage: messages[0] }, ticket)
    expect(done.images).toHaveLength(1)
    expect(requestsTo(/\/status$/).length).toBeGreaterThan(0)
  })
})

/** Replaces one character. Never by the same hexadecimal digit in the other case, which would mean the same. */
function mutate(text: string): string {
  const at = randomInt(text.length)
  const [old = ''] = text[at] ?? ''
  const fresh = [...'0123456789ghijkxyz'].filter((each) => each !== old.toLowerCase())[randomInt(17)] ?? 'z'
  return text.slice(0, at) + fresh + text.slice(at + 1)
}
