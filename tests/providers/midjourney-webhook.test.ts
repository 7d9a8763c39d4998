import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { receiveWebhook } from '../../src/core/generation/provider-webhook.ts'
import { hooks } from '../../src/http/operations/provider-webhooks.ts'
import { createApp } from '../../src/http/server/app.ts'
import { midjourney as model } from '../../src/models/midjourney.ts'
import { midjourney } from '../../src/providers/midjourney/midjourney.ts'
import { type MidjourneyOptions, startMidjourney } from '../emulators/midjourney/index.ts'
import { quickest } from '../helpers/backends.ts'
import { openTestCore, pngOf } from '../helpers/core.ts'
import { violations } from '../helpers/invariants.ts'
import { freePort } from '../helpers/ports.ts'

const kinds = ['plain', 'full'] as const
/** The provider polls every 4 s until the proxy calls. */
const pollMs = 4_000
const fetches = /\/fetch$/

describe.each(kinds)("the hook of a %s proxy of Midjourney's", (kind) => {
  const closing: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })

  /** The service with the provider's usual pace, and the proxy on the same machine. */
  async function open(options: MidjourneyOptions = {}, limits: { lostMs?: number } = {}) {
    const emulator = await startMidjourney({ kind, workMs: 600, ...options })
    closing.push(emulator.stop)
    const port = await freePort()
    const publicUrl = `http://127.0.0.1:${port}`
    const test = await openTestCore(quickest, {
      providers: [midjourney],
      models: [model],
      providerSettings: { baseUrl: emulator.baseUrl, key: emulator.key },
      providerMs: 30_000,
      publicUrl,
      limits: { welcome: 100, perMinute: 100, ...limits },
    })
    closing.push(async () => {
      const wrong = await violations(test.core.database)
      await test.close()
      expect(wrong).toEqual([])
    })
    /** Starts to listen, as a process with the role `http` does. Returns what stops it. */
    const listen = async () => {
      const app = createApp({ log: test.core.log, plugins: [hooks((call) => receiveWebhook(test.core, call))] })
      await app.listen({ port, host: '127.0.0.1' })
      const close = async () => void (await app.close())
      closing.push(close)
      return close
    }
    const idOf = async ({ key }: { key: string }) => {
      const [row] = await test.core.database.rows<{ id: string }>(sql`select id from generations where key = ${key}`)
      return row?.id ?? ''
    }
    const statuses = () => emulator.hooks.deliveries.map(({ status }) => status)
    const looks = () => emulator.requests.filter(({ path }) => fetches.test(path))
    /** Milliseconds from the submission to the last look at the task. */
    const lookedAfterMs = () => (looks().at(-1)?.at ?? 0) - (emulator.tasks[0]?.at ?? 0)
    /** Ends with one task at the proxy, one message with its pictures, and one charge. */
    const expectOnce = async (call: { key: string; address: string }, pictures = 4) => {
      expect(await test.ended(call as never)).toBe('delivered')
      expect(emulator.accepted()).toBe(1)
      const shown = test.chat.messages.filter(({ address }) => address === call.address)
      expect(shown.map(({ history }) => history.at(-1)?.pictures?.length)).toEqual([pictures])
      const charges = sql`select amount from ledger where generation_id = ${await idOf(call)} and amount <> 0`
      expect(await test.core.database.rows(charges)).toEqual([{ amount: -3 * pictures }])
    }
    return { emulator, test, publicUrl, listen, idOf, statuses, looks, lookedAfterMs, expectOnce }
  }

  it('ends the wait for the pictures, and is signed', async () => {
    const { emulator, test, publicUrl, listen, idOf, statuses, lookedAfterMs, expectOnce } = await open()
    await listen()
    await test.work()
    const call = await test.say('a cat')
    await expectOnce(call)
    expect(lookedAfterMs()).toBeLessThan(pollMs)
    await expect.poll(() => new Set(statuses())).toEqual(new Set([200]))
    const address = new RegExp(`^${publicUrl}/hooks/midjourney/${await idOf(call)}/[\\w-]{32}$`)
    for (const { url } of emulator.hooks.deliveries) expect(url).toMatch(address)
  })

  it.each(['nsfwout', 'badflag', 'late'])('ends the wait for a task that fails with %s', async (words) => {
    const { test, listen, lookedAfterMs } = await open()
    await listen()
    await test.work()
    expect(await test.ended(await test.say(words))).toBe('failed')
    expect(lookedAfterMs()).toBeLessThan(pollMs)
  })

  it('is not missed when it is lost, because the task is polled', async () => {
    const { emulator, test, listen, looks, lookedAfterMs, expectOnce } = await open()
    await listen()
    emulator.hooks.switches.on = false
    await test.work()
    await expectOnce(await test.say('a cat'))
    expect(looks()).toHaveLength(1)
    expect(lookedAfterMs()).toBeGreaterThanOrEqual(pollMs - 100)
  })

  it('changes nothing more when it comes twice', async () => {
    const { emulator, test, listen, statuses, expectOnce } = await open()
    await listen()
    emulator.hooks.switches.copies = 2
    await test.work()
    await expectOnce(await test.say('a cat'))
    await expect.poll(() => new Set(statuses())).toEqual(new Set([200]))
    const bodies = emulator.hooks.deliveries.map(({ body }) => JSON.stringify(body))
    expect(bodies).toHaveLength(2 * new Set(bodies).size)
  })

  it('may come before the response to the submission', async () => {
    const { emulator, test, listen, statuses, lookedAfterMs, expectOnce } = await open({ workMs: 0 })
    await listen()
    emulator.hooks.switches.early = true
    await test.work()
    await expectOnce(await test.say('a cat'))
    expect(lookedAfterMs()).toBeLessThan(pollMs)
    expect(statuses()).toEqual([200])
  })

  it('is not believed', async () => {
    const { emulator, test, listen, statuses, expectOnce } = await open()
    await listen()
    const visited: string[] = []
    const canary = createServer((req, res) => {
      visited.push(req.url ?? '')
      res.end()
    })
    await new Promise<void>((started) => canary.listen(0, '127.0.0.1', started))
    closing.push(async () => canary.close())
    const imageUrl = `http://127.0.0.1:${(canary.address() as AddressInfo).port}/picture.png`
    const lies = [
      (task: object) => ({ ...task, status: 'FAILURE', failReason: 'Banned prompt', progress: '100%' }),
      (task: object) => ({ ...task, status: 'SUCCESS', imageUrl, imageUrls: [{ url: imageUrl }], buttons: [] }),
      (task: object) => ({ ...task, id: '../../queue', status: 'SUCCESS' }),
    ]
    emulator.hooks.switches.forge = (task) => lies.map((lie) => lie(task))
    await test.work()
    await expectOnce(await test.say('a cat'))
    expect(visited).toEqual([])
    expect(statuses().slice(0, 3)).toEqual([200, 200, 401])
    expect(emulator.requests.every(({ path }) => !path.includes('queue'))).toBe(true)
  })

  it('is refused without the right token or a task in it', async () => {
    const { emulator, test, listen } = await open({ workMs: 60_000 })
    await listen()
    await test.work()
    const call = await test.say('a cat')
    await expect.poll(() => emulator.hooks.deliveries[0]?.status).toBe(200)
    const { url = '', body } = emulator.hooks.deliveries[0] ?? {}
    const post = async (address: string, text: string) =>
      (await fetch(address, { method: 'POST', headers: { 'content-type': 'application/json' }, body: text })).status
    expect(await post(url, JSON.stringify(body))).toBe(200)
    expect(await post(`${url.slice(0, -1)}${url.endsWith('A') ? 'B' : 'A'}`, JSON.stringify(body))).toBe(401)
    for (const text of ['', 'null', '[]', '{"status":"SUCCESS"}', '{"id":"a/b","status":"SUCCESS"}', '<html></html>']) {
      expect(await post(url, text), text).toBe(401)
    }
    emulator.tasks[0]!.cancelled = true
    expect(await test.ended(call)).toBe('failed')
  })

  it('may meet a process that restarts', async () => {
    const { emulator, test, listen, statuses, expectOnce } = await open({ workMs: 1_000 })
    const close = await listen()
    const worker = await test.work()
    const call = await test.say('a cat')
    await expect.poll(statuses).toContain(200)
    await Promise.all([worker.stop(0), close()])
    // the last call meets no process
    await expect.poll(() => emulator.hooks.deliveries.at(-1)).toMatchObject({ status: 0, body: { status: 'SUCCESS' } })
    await listen()
    await test.work()
    await expectOnce(call)
  })

  it('is kept for the next worker when the last one has stopped', async () => {
    const { emulator, test, listen, looks, expectOnce } = await open({ workMs: 1_000 })
    await listen()
    const worker = await test.work()
    const call = await test.say('a cat')
    await expect.poll(emulator.accepted).toBe(1)
    await worker.stop(0)
    await expect
      .poll(() => emulator.hooks.deliveries.at(-1))
      .toMatchObject({ status: 200, body: { status: 'SUCCESS' } })
    const before = looks().length
    await test.work()
    await expectOnce(call)
    // one look at once, and none by time
    expect(looks().length - before).toBe(1)
  })

  it('names the task of a submission that was not answered', async () => {
    const { emulator, test, listen, expectOnce } = await open({}, { lostMs: 60_000 })
    await listen()
    emulator.faults.add({ kind: 'dropAfter', match: { method: 'POST', path: /\/submit\// }, times: 1 })
    await test.work()
    await expectOnce(await test.say('a cat'))
  })

  it('cannot name the task of another request', async () => {
    const { emulator, test, listen } = await open({ workMs: 0 }, { lostMs: 2_500 })
    await listen()
    await test.work()
    expect(await test.ended(await test.say('a dog'))).toBe('delivered')
    const [other] = emulator.tasks
    emulator.faults.add({ kind: 'dropAfter', match: { method: 'POST', path: /\/submit\// } })
    // the proxy loses the new task, and only a forged call comes
    const forge = (task: object) => {
      emulator.tasks.splice(1)
      return [{ ...task, id: other?.id }]
    }
    Object.assign(emulator.hooks.switches, { forge, copies: 0, early: true })
    const call = await test.say('a cat')
    expect(await test.ended(call)).toBe('failed')
    const [row] = await test.core.database.rows(sql`select error from generations where key = ${call.key}`)
    expect(row).toEqual({ error: 'unresolved' })
    expect(emulator.hooks.deliveries.at(-1)).toMatchObject({ status: 200, body: { id: other?.id } })
    expect(emulator.requests.some(({ path }) => path.endsWith(`/task/${other?.id}/fetch`))).toBe(true)
  })

  it('ends the wait for a description', async () => {
    const { emulator, test, listen, statuses, lookedAfterMs } = await open()
    await listen()
    const describer = test.core.providers.get('midjourney')?.provider.describe
    const words = await describer?.({ data: await pngOf(64, 64), type: 'image/png' }, AbortSignal.timeout(20_000))
    expect(words).toBe('a blue square on a white wall, minimalism')
    expect(lookedAfterMs()).toBeLessThan(pollMs)
    expect(emulator.accepted()).toBe(1)
    await expect.poll(() => new Set(statuses())).toEqual(new Set([200]))
  })
})
