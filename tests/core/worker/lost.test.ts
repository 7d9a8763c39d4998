/** Submissions that were not answered, and answers that come late. */
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../src/core/errors.ts'
import { receiveWebhook, webhookToken } from '../../../src/core/generation/provider-webhook.ts'
import type { Generation } from '../../../src/core/generation/row.ts'
import type { ImageProvider, Progress } from '../../../src/core/ports/providers.ts'
import { newsLeftMs } from '../../../src/core/worker/lost.ts'
import { databases, quickest } from '../../helpers/backends.ts'
import { createPlain, openTestCore, pngOf, type TestCore, type TestCoreOptions } from '../../helpers/core.ts'
import { violations } from '../../helpers/invariants.ts'

const lost = () => new AppError('provider_failed', { provider: 'sketch' })
const done = async (): Promise<Progress> => ({ state: 'done', images: [await pngOf(64, 64)] })

/** A gate that opens once. */
function gate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, opened }
}

describe.each(databases())('a submission that was not answered, on %s', (kind) => {
  let test: TestCore
  const open = async (options: TestCoreOptions) => {
    test = await openTestCore(kind, { ...options, limits: { lostMs: 120_000, inFlight: 20, ...options.limits } })
    await test.work()
    return test
  }
  afterEach(async () => {
    const wrong = await violations(test.core.database)
    await test.close()
    expect(wrong).toEqual([])
  })
  const rowOf = async (call: { key: string }) => {
    const [row] = await test.core.database.rows<{
      id: string
      state: string
      searches: number
      held: boolean
      seed: string | null
    }>(sql`select id, state, searches, lease_until is not null as held, seed from generations where key = ${call.key}`)
    return row!
  }
  const searching = (call: { key: string }) =>
    expect.poll(() => rowOf(call)).toMatchObject({ searches: expect.toSatisfy((n: number) => n > 0), held: false })

  it('holds no place: as many of them as there are places let others through', async () => {
    const found = { now: false }
    let asked = 0
    const provider = createPlain({
      repeatable: false,
      start: async () => {
        if (++asked <= 5) throw lost()
        return done()
      },
      find: async () => (found.now ? done() : 'unknown'),
    })
    const { say, ended } = await open({ providers: [provider] })
    const waiting = []
    for (let n = 0; n < 5; n++) waiting.push(await say(`lost ${n}`))
    for (const call of waiting) await searching(call)
    expect(await ended(await say('a cat'))).toBe('delivered')
    for (const call of waiting) expect((await rowOf(call)).state).toBe('running')
    found.now = true
    for (const call of waiting) expect(await ended(call)).toBe('delivered')
    expect(asked).toBe(6)
  })

  it('is delivered once the provider calls the webhook, however late the next look is', async () => {
    const provider = createPlain({
      repeatable: false,
      start: async () => Promise.reject(lost()),
      find: async ({ webhookMessage }) => (webhookMessage ? done() : 'unknown'),
      receive: async () => ({ finished: true }),
    })
    const { core, say, ended } = await open({ providers: [provider] })
    const call = await say('a cat')
    await searching(call)
    const { id } = await rowOf(call)
    const token = webhookToken(core.secretKey, id)
    await receiveWebhook(core, { provider: 'sketch', id, token, headers: {}, body: Buffer.alloc(0) })
    expect(await ended(call)).toBe('delivered')
  })

  it('is given up with a refund after a time that fits the provider', async () => {
    const provider = createPlain({
      repeatable: false,
      start: async () => Promise.reject(lost()),
      find: async () => 'unknown',
    })
    const { core, chat, say, ended } = await open({ providers: [provider] })
    const call = await say('a cat')
    await searching(call)
    // as if a minute had passed, which is what a provider gets of which nothing is known
    await core.database.rows(sql`update generations set submit_at = submit_at - interval '1 minute'`)
    expect(await ended(call)).toBe('failed')
    expect(chat.last(call.address)?.text).toContain('did not confirm')
  })

  describe('and is answered after its worker has lost the request', () => {
    /** A provider whose first answer comes when the test opens the gate. */
    const late = (answer: () => Promise<Progress>, over: Partial<ImageProvider> = {}) => {
      const { open: answerNow, opened } = gate()
      const submitted = gate()
      let asked = 0
      const provider = createPlain({
        repeatable: false,
        start: async () => {
          asked++
          submitted.open()
          await opened
          return answer()
        },
        ...over,
      })
      return { provider, answerNow, submitted: submitted.opened, asked: () => asked }
    }
    /** What a second worker writes that takes the request and lets go of it for want of news. */
    const lose = (id: string) =>
      test.core.database.rows(sql`
        update generations set attempt = attempt + 1, searches = searches + 1, lease_until = null where id = ${id}::uuid`)

    it('keeps the reference, and goes on with it', async () => {
      const { provider, answerNow, submitted, asked } = late(
        async () => ({ state: 'pending', ticket: { job: 1 }, waitMs: 1 }),
        { check: async (ticket) => ({ ...(await done()), seed: JSON.stringify(ticket) }) as Progress },
      )
      const { say, ended } = await open({ providers: [provider] })
      const call = await say('a cat')
      await submitted
      await lose((await rowOf(call)).id)
      answerNow()
      expect(await ended(call)).toBe('delivered')
      expect((await rowOf(call)).seed).toBe('{"job":1}')
      expect(asked()).toBe(1)
    })

    it('keeps the pictures of a provider that answers with them', async () => {
      const { provider, answerNow, submitted, asked } = late(done)
      const { say, ended } = await open({ providers: [provider] })
      const call = await say('a cat')
      await submitted
      await lose((await rowOf(call)).id)
      answerNow()
      expect(await ended(call)).toBe('delivered')
      expect(asked()).toBe(1)
    })

    it('cancels the work when the request was refunded meanwhile', async () => {
      const cancelled: unknown[] = []
      const { provider, answerNow, submitted } = late(
        async () => ({ state: 'pending', ticket: { job: 1 }, waitMs: 1 }),
        { check: done, cancel: async (ticket) => void cancelled.push(ticket) },
      )
      const { core, say } = await open({ providers: [provider] })
      const call = await say('a cat')
      await submitted
      const { id } = await rowOf(call)
      await lose(id)
      await core.database.rows(sql`update generations set error = 'unresolved' where id = ${id}::uuid`)
      answerNow()
      await expect.poll(() => cancelled).toEqual([{ job: 1 }])
      expect(await test.ended(call)).toBe('failed')
    })

    it('cancels the work of an older submission, and keeps that of the newer one', async () => {
      const cancelled: unknown[] = []
      const { provider, answerNow, submitted } = late(
        async () => ({ state: 'pending', ticket: { job: 1 }, waitMs: 1 }),
        { check: done, cancel: async (ticket) => void cancelled.push(ticket) },
      )
      const { core, say, ended } = await open({ providers: [provider] })
      const call = await say('a cat')
      await submitted
      const { id } = await rowOf(call)
      await lose(id)
      await core.database.rows(sql`
        update generations set submit_at = submit_at + interval '1 second', ticket = '{"job":2}' where id = ${id}::uuid`)
      answerNow()
      await expect.poll(() => cancelled).toEqual([{ job: 1 }])
      expect(await ended(call)).toBe('delivered')
    })
  })
})

describe('the time in which news of a submission may come', () => {
  const generation = {
    provider: 'sketch',
    endpoint: 'sketch',
    ticket: null,
    submittedBefore: false,
    submittedMs: 0,
  } as unknown as Generation
  const unknown = new AppError('unresolved')
  const silent = new AppError('unresolved', {}, { final: true })
  let test: TestCore
  afterEach(() => test.close())

  /** `ms`: what the requests of this route took, from submission to picture. */
  const openWith = async (ms: readonly number[], endpoint = 'sketch') => {
    test = await openTestCore(quickest, { limits: { lostMs: 120_000, welcome: 100, inFlight: 50, perMinute: 100 } })
    for (const [n, each] of ms.entries()) {
      const call = await test.say(`picture ${n}`)
      await test.core.database.rows(sql`
        update generations set endpoint = ${endpoint}, submit_at = now(), started_at = now(),
          stored_at = now() + ${`${each} milliseconds`}::interval where key = ${call.key}`)
    }
    const takenAt = Date.now()
    /** Seconds left when the row was taken up: exactly that many, less the time that the question took. */
    return async (error: AppError, over: Partial<Generation> = {}) => {
      const leftMs = await newsLeftMs(test.core, { ...generation, takenAt, ...over }, error)
      return { atMost: (leftMs + Date.now() - takenAt) / 1000, atLeast: leftMs / 1000 }
    }
  }
  const expectSeconds = ({ atMost, atLeast }: { atMost: number; atLeast: number }, limit: number) => {
    expect(atMost).toBeGreaterThanOrEqual(limit)
    expect(atLeast).toBeLessThanOrEqual(limit)
  }
  const seconds = (n: number, count = 20) => Array.from({ length: count }, () => n * 1000)

  it.each<[string, readonly number[], number]>([
    ['a minute without earlier requests', [], 60],
    ['a minute with too few of them', seconds(2, 4), 60],
    ['no less than 20 seconds for a fast route', seconds(2), 20],
    ['three times what the slowest took', seconds(12), 36],
    ['not what a single one took', [...seconds(10, 29), 110_000], 30],
    ['at most two minutes', seconds(100), 120],
  ])('is %s', async (_what, ms, limit) => {
    const left = await openWith(ms)
    expectSeconds(await left(unknown), limit)
    expectSeconds(await left(unknown, { submittedMs: 15_000 }), limit - 15)
  })

  it('does not depend on other routes', async () => {
    const left = await openWith(seconds(100), 'another')
    expectSeconds(await left(unknown), 60)
  })

  it('is that of a late answer for a provider that cannot report, if a worker may still get one', async () => {
    const left = await openWith([])
    expectSeconds(await left(silent, { submittedBefore: true }), 20)
    expectSeconds(await left(silent), 0)
    expectSeconds(await left(unknown, { ticket: { job: 1 } }), 0)
    expectSeconds(await left(new AppError('provider_failed')), 0)
  })
})
