import { sql } from 'drizzle-orm'
import { PgDialect } from 'drizzle-orm/pg-core'
import { afterEach, describe, expect, it } from 'vitest'
import { AppError, asFinal, type ErrorKind } from '../../../src/core/errors.ts'
import { deleteDue } from '../../../src/core/media/deletions.ts'
import type { Model, Takes } from '../../../src/core/ports/models.ts'
import type { ImageProvider, Progress, Task } from '../../../src/core/ports/providers.ts'
import { keepLeases } from '../../../src/core/worker/leases.ts'
import { perform } from '../../../src/core/worker/perform.ts'
import { sketch } from '../../../src/models/sketch.ts'
import { quickest } from '../../helpers/backends.ts'
import {
  attachment,
  createPlain,
  openTestCore,
  pngOf,
  type TestCore,
  type TestCoreOptions,
} from '../../helpers/core.ts'
import { violations } from '../../helpers/invariants.ts'

const takes: Takes = sketch.routes[0]!.takes
const narrow: Takes = { images: { min: 0, max: 0 }, count: 1, aspects: { '1:1': [1024, 1024] }, params: {} }
const twoRoutes: Model = {
  id: 'two',
  aliases: [],
  title: 'Two',
  price: 1,
  routes: [
    { provider: 'first', endpoint: 'a', takes, input: ({ prompt }) => ({ prompt }) },
    { provider: 'second', endpoint: 'b', takes: narrow, input: ({ prompt }) => ({ prompt }) },
  ],
}
const refused = (kind: ErrorKind, neverRan: boolean, retryAfterMs?: number) =>
  new AppError(kind, { provider: 'first' }, { neverRan, retryAfterMs })

/** A provider that fails with the result of `error`, and counts its starts. */
function failing(name: string, error: () => AppError | undefined, over: Partial<ImageProvider> = {}) {
  const plain = createPlain({ name, repeatable: false })
  const provider = {
    ...plain,
    asked: 0,
    start: async (task: Task, signal: AbortSignal): Promise<Progress> => {
      provider.asked++
      const wrong = error()
      if (wrong) throw wrong
      return plain.start(task, signal)
    },
    ...over,
  }
  return provider
}

// the kind of queue makes no difference to these tests
describe.each([quickest])('a request with two routes on %s', (kind) => {
  let test: TestCore
  const open = async (options: TestCoreOptions) => {
    test = await openTestCore(kind, { models: [twoRoutes], ...options })
    await test.work()
    return test
  }
  afterEach(async () => {
    const wrong = await violations(test.core.database)
    await test.close()
    expect(wrong).toEqual([])
  })
  const caption = (call: { address: string }) => test.chat.last(call.address)?.text ?? ''

  it('moves to the next route when the first has not run it, and the caption names the provider', async () => {
    const first = failing('first', () => refused('provider_account', true))
    const second = createPlain({ name: 'second' })
    const { say, ended, core } = await open({ providers: [first, second] })
    const call = await say('a cat')
    expect(await ended(call)).toBe('delivered')
    expect(first.asked).toBe(1)
    expect(second.starts).toHaveLength(1)
    expect(caption(call)).toContain('second')
    const [row] = await core.database.rows<{ tried: unknown; provider: string; endpoint: string }>(
      sql`select tried, provider, endpoint from generations where key = ${call.key}`,
    )
    expect(row).toEqual({
      tried: [{ provider: 'first', endpoint: 'a', error: 'provider_account' }],
      provider: 'second',
      endpoint: 'b',
    })
  })

  it.each<[string, string, ErrorKind, boolean]>([
    ['may have run it', 'a cat', 'provider_failed', false],
    ['refused its content', 'a cat', 'moderated', true],
    ['got a seed that the second does not take', 'a cat --seed 7', 'provider_account', true],
    ['got a shape that the second does not have', 'a cat 16:9', 'provider_account', true],
  ])('does not move when the first provider %s', async (_why, text, error, neverRan) => {
    const first = failing('first', () => refused(error, neverRan))
    const second = createPlain({ name: 'second' })
    const { say, ended } = await open({ providers: [first, second] })
    expect(await ended(await say(text))).toBe('failed')
    expect(second.starts).toHaveLength(0)
  })

  it('does not retry or move after a final failure of the result', async () => {
    let asked = 0
    const first = failing('first', () => undefined, {
      start: async () => ({ state: 'pending', ticket: { id: 1 }, waitMs: 0 }),
      check: async () => {
        asked++
        throw asFinal(new AppError('bad_result', { provider: 'first' }))
      },
    })
    const second = createPlain({ name: 'second' })
    const { say, ended: endOf } = await open({ providers: [first, second] })
    expect(await endOf(await say('a cat'))).toBe('failed')
    expect([asked, second.starts.length]).toEqual([1, 0])
  })

  it('moves or fails when its provider is removed while it waits', async () => {
    const second = createPlain({ name: 'second' })
    test = await openTestCore(kind, { models: [twoRoutes], providers: [createPlain({ name: 'first' }), second] })
    const [moved, ended] = [await test.say('a cat'), await test.say('a cat --seed 1')]
    const { get, all } = test.core.providers
    const gone = (name: string) => (name === 'first' ? undefined : get(name))
    Object.assign(test.core.providers, {
      get: gone,
      all: () => all().filter(({ provider }) => provider.name !== 'first'),
    })
    await test.lose()
    await test.core.database.rows(sql`update generations set wake_at = now()`)
    await test.work()
    expect(await test.ended(moved)).toBe('delivered')
    expect(caption(moved)).toContain('second')
    expect(await test.ended(ended)).toBe('failed')
    expect(caption(ended)).toContain('two is not available')
  })

  it('fails with a refund when neither provider can run it', async () => {
    const providers = ['first', 'second'].map((name) => failing(name, () => refused('provider_account', true)))
    const { say, ended } = await open({ providers })
    const call = await say('a cat')
    expect(await ended(call)).toBe('failed')
    expect(caption(call)).toContain('1 credit given back')
    expect(providers.map(({ asked }) => asked)).toEqual([1, 1])
  })

  it('fails when its provider asks for a pause beyond the deadline', async () => {
    const first = failing('first', () => refused('provider_busy', true, 99_999_999_000))
    const { say, ended } = await open({ providers: [first] })
    expect(await ended(await say('a cat --seed 1'))).toBe('failed')
    expect(first.asked).toBe(1)
  })

  it('is not submitted to a provider after five failures in a row, until the breaker closes', async () => {
    let broken = true
    const first = failing('first', () => (broken ? refused('provider_failed', false) : undefined))
    const { say, ended, core } = await open({ providers: [first] })
    for (let n = 0; n < 5; n++) await ended(await say('a cat --seed 1', { who: `p${n}` }))
    expect(first.asked).toBe(5)
    expect(core.providers.get('first')?.breaker.restMs()).toBeGreaterThan(10_000)
    broken = false
    core.providers.get('first')?.breaker.succeeded()
    expect(await ended(await say('a cat --seed 1', { who: 'p9' }))).toBe('delivered')
  })

  describe('with a failure in between', () => {
    it('is started by another worker when the first stops while enhancing the prompt', async () => {
      let calls = 0
      const enhance = (_prompt: string, { signal }: { signal: AbortSignal }) =>
        new Promise<string>((resolve, reject) => {
          if (++calls > 1) return resolve('A fluffy cat.')
          signal.addEventListener('abort', () => reject(signal.reason))
        })
      const first = failing('first', () => undefined)
      const enhancer = { model: 'helper-1', enhance, close: async () => undefined }
      test = await openTestCore(kind, { models: [twoRoutes], providers: [first], enhancer })
      const call = await test.say('a cat --enhance')
      const one = await test.work()
      await expect.poll(() => calls).toBe(1)
      await one.stop(0)
      const leases = keepLeases(test.core)
      const [row] = await test.core.database.rows<{ id: string }>(sql`select id from generations`)
      await perform(test.core, leases, row!.id, AbortSignal.timeout(10_000))
      leases.stop()
      expect(await test.ended(call)).toBe('delivered')
      expect(first.asked).toBe(1)
    })

    it('saves a ticket later when the first try fails', async () => {
      const first = failing('first', () => undefined, {
        start: async () => {
          first.asked++
          return { state: 'pending', ticket: { request: 1 }, waitMs: 10 }
        },
        check: async () => ({ state: 'done', images: [await pngOf(64, 64)] }),
      })
      const { say, ended, core } = await open({ providers: [first] })
      const rows = core.database.rows
      let broken = 2
      const fragile: typeof rows = (query, on) =>
        new PgDialect().sqlToQuery(query).sql.includes('ticket = ') && broken-- > 0
          ? Promise.reject(new Error('connection lost'))
          : rows(query, on)
      Object.assign(core.database, { rows: fragile })
      expect(await ended(await say('a cat'))).toBe('delivered')
      expect(first.asked).toBe(1)
      expect(broken).toBeLessThanOrEqual(0)
    })

    it('is not submitted when it could not end before the deadline', async () => {
      const first = failing('first', () => undefined)
      const { say, ended } = await open({ providers: [first], providerMs: 4_000, limits: { deadlineMs: 4_000 } })
      const call = await say('a cat')
      expect(await ended(call)).toBe('failed')
      expect(caption(call)).toContain('took too long')
      expect(first.asked).toBe(0)
    })

    it('is refunded while the store is down, and its objects are deleted later', async () => {
      const first = failing('first', () => refused('moderated', true))
      const { say, ended, core } = await open({ providers: [first] })
      const remove = core.store.delete
      Object.assign(core.store, { delete: () => Promise.reject(new Error('away')) })
      const call = await say('a cat', { images: [attachment(await pngOf(64, 64))] })
      expect(await ended(call)).toBe('failed')
      expect(caption(call)).toContain('1 credit given back')
      Object.assign(core.store, { delete: remove })
      await deleteDue(core)
      expect(await core.database.rows(sql`select from images`)).toEqual([])
      expect(await core.database.rows(sql`select from object_deletions`)).toEqual([])
    })

    it('ends with one message when its input pictures could not be stored', async () => {
      const first = failing('first', () => undefined)
      const { say, ended, core, chat } = await open({ providers: [first] })
      Object.assign(core.store, { put: () => Promise.reject(new Error('away')) })
      const call = await say('a cat', { images: [attachment(await pngOf(64, 64))] })
      expect(await ended(call)).toBe('failed')
      expect(chat.messages.filter(({ address }) => address === call.address)).toHaveLength(1)
      expect(caption(call)).toContain('could not be stored')
      expect(first.asked).toBe(0)
    })
  })

  describe('a submission whose response was lost', () => {
    it('is found instead of repeated', async () => {
      const done = async (): Promise<Progress> => ({ state: 'done', images: [await pngOf(64, 64)] })
      const looked: string[] = []
      const first = failing('first', () => refused('provider_failed', false), {
        find: async (task) => {
          looked.push(task.id)
          return looked.length < 2 ? 'unknown' : done()
        },
      })
      const { say, ended } = await open({ providers: [first] })
      expect(await ended(await say('a cat'))).toBe('delivered')
      expect(first.asked).toBe(1)
      expect(looked).toHaveLength(2)
    })

    it('is repeated when the provider confirms that it did not arrive', async () => {
      let times = 0
      const first = failing('first', () => (++times === 1 ? refused('provider_failed', false) : undefined), {
        find: async () => 'never',
      })
      const { say, ended } = await open({ providers: [first] })
      expect(await ended(await say('a cat'))).toBe('delivered')
      expect(first.asked).toBe(2)
    })

    it('is given up with a refund when it is not found in time', async () => {
      const first = failing('first', () => refused('provider_timeout', false), { find: async () => 'unknown' })
      const { say, ended } = await open({ providers: [first], limits: { lostMs: 50 } })
      const call = await say('a cat')
      expect(await ended(call)).toBe('failed')
      expect(caption(call)).toContain('did not confirm')
      expect(first.asked).toBe(1)
    })
  })

  it.runIf(kind === 'pglite')('shows progress and previews, and leaves out invalid previews', async () => {
    const preview = await pngOf(800, 600)
    const shown = [Buffer.from('no picture'), preview]
    const drawing: ImageProvider = {
      name: 'first',
      start: async () => ({ state: 'pending', ticket: 1, waitMs: 100 }),
      check: async (ticket) =>
        shown.length > 0
          ? { state: 'pending', ticket, waitMs: 3_000, percent: 40, preview: shown.shift() }
          : { state: 'done', images: [preview] },
    }
    const { say, ended, chat } = await open({ providers: [drawing] })
    const call = await say('a cat')
    expect(await ended(call)).toBe('delivered')
    const waiting = chat.messages
      .find(({ address }) => address === call.address)!
      .history.filter(({ state }) => state === 'waiting')
    const previews = waiting.flatMap(({ pictures }) => pictures ?? [])
    expect(previews.length).toBeGreaterThan(0)
    for (const { file, key } of previews)
      expect({ key, ...file }).toMatchObject({ key: '', type: 'image/webp', width: 512 })
    expect(waiting.some(({ text }) => text.includes('40 %'))).toBe(true)
  })

  describe('a prompt', () => {
    const enhancer = (answer: () => Promise<string>) => ({
      model: 'helper-1',
      enhance: answer,
      close: async () => undefined,
    })

    it('is enhanced on request, and the caption shows both versions', async () => {
      const sent: unknown[] = []
      const first = createPlain({ name: 'first', repeatable: true })
      const start = first.start
      first.start = (task, signal) => {
        sent.push(task.input)
        return start(task, signal)
      }
      const { say, ended } = await open({ providers: [first], enhancer: enhancer(async () => 'A fluffy cat.') })
      const call = await say('une chatte --enhance')
      expect(await ended(call)).toBe('delivered')
      expect(sent).toEqual([{ prompt: 'A fluffy cat.' }])
      expect(caption(call)).toContain('une chatte\n✨ A fluffy cat. (helper-1)')
    })

    it('is used unchanged when the enhancer fails, and the caption says so', async () => {
      const failure = async () => Promise.reject(new AppError('provider_timeout'))
      const { say, ended } = await open({ providers: [createPlain({ name: 'first' })], enhancer: enhancer(failure) })
      const call = await say('a cat --enhance')
      expect(await ended(call)).toBe('delivered')
      expect(caption(call)).toContain('could not be enhanced')
    })

    it('with --enhance is refused when no enhancer is set up', async () => {
      const { say, chat } = await open({ providers: [createPlain({ name: 'first' })] })
      expect(chat.last((await say('a cat --enhance')).address)?.text).toContain('leave --enhance out')
    })
  })
})
