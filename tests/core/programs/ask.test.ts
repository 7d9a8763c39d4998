import { sql } from 'drizzle-orm'
import { PgDialect } from 'drizzle-orm/pg-core'
import { afterEach, describe, expect, it } from 'vitest'
import { accountOf, readAccount } from '../../../src/core/accounts/accounts.ts'
import { findKeyHolder, type KeyHolder } from '../../../src/core/accounts/api-keys.ts'
import type { Core } from '../../../src/core/core.ts'
import { AppError } from '../../../src/core/errors.ts'
import { cancel } from '../../../src/core/generation/cancel.ts'
import { outcomeOf } from '../../../src/core/history/outcome.ts'
import type { ImageProvider, Progress } from '../../../src/core/ports/providers.ts'
import { waitForEnd } from '../../../src/core/programs/wait.ts'
import type { Json } from '../../../src/db/json.ts'
import { openDatabase } from '../../../src/db/open.ts'
import { databases } from '../../helpers/backends.ts'
import {
  askAs,
  attachment,
  createChat,
  createPlain,
  openTestCore,
  pngOf,
  type TestCore,
  type TestCoreOptions,
} from '../../helpers/core.ts'
import { violations } from '../../helpers/invariants.ts'

// the third back end combines the database of the first with the queue of the second

describe.each(databases())('a request of a program on %s', (kind) => {
  let test: TestCore
  let stops: (() => Promise<unknown>)[] = []
  const open = async (options?: TestCoreOptions) => {
    test = await openTestCore(kind, options)
    return test
  }
  afterEach(async () => {
    const wrong = await violations(test.core.database)
    const left = await test.core.database.rows(sql`select * from api_progress`)
    for (const stop of stops) await stop()
    stops = []
    await test.close()
    expect(wrong).toEqual([])
    expect(left).toEqual([])
  })

  const holder = async (over: Partial<KeyHolder> = {}): Promise<KeyHolder> => {
    const userId = await accountOf(test.core, { id: 'test:ann', name: 'ann' })
    return { userId, keyId: crypto.randomUUID(), admin: false, models: null, ...over }
  }
  let asked = 0
  /** Submits a request with a new API key, which has no monthly cap. */
  const order = async (over: { key?: string; as?: Partial<KeyHolder>; count?: number; model?: string } = {}) => {
    const { key = String(++asked), as, ...params } = over
    const who = await holder(as)
    const images = [attachment(await pngOf(16, 16))]
    await test.core.database.rows(sql`
      insert into api_keys (id, user_id, name, hash, tail) values (${who.keyId}, ${who.userId}, 'a', ${who.keyId}, 'a')`)
    return askAs(test.core, { holder: who, key, params: { prompt: 'a cat', ...params }, images })
  }
  const soon = () => AbortSignal.timeout(20_000)
  const balance = async () => (await readAccount(test.core, (await holder()).userId)).balance
  /** The service in another process, on back ends that support several. */
  const elsewhere = async (): Promise<Core> => {
    if (kind === 'pglite') return test.core
    const url = new URL(process.env.TEST_DATABASE_URL as string)
    const [row] = await test.core.database.rows<{ name: string }>(sql`select current_database() as name`)
    url.pathname = `/${row?.name}`
    const database = await openDatabase({ url: url.href, dataDir: '' })
    stops.push(() => database.close())
    return { ...test.core, database }
  }
  /** A provider that is under way until `finish` is called. */
  const slow = (over: Partial<ImageProvider> = {}) => {
    const cancelled: Json[] = []
    let finished = false
    const provider: ImageProvider = {
      ...createPlain({ repeatable: false }),
      start: async () => ({ state: 'pending', ticket: { job: 1 }, waitMs: 10 }),
      check: async (ticket): Promise<Progress> =>
        finished
          ? { state: 'done', images: [await pngOf(64, 64)] }
          : { state: 'pending', ticket, waitMs: 10, percent: 40, preview: await pngOf(8, 8) },
      cancel: async (ticket) => void cancelled.push(ticket),
      ...over,
    }
    return {
      provider,
      cancelled,
      finish: () => {
        finished = true
      },
    }
  }
  const running = (id: string) =>
    expect
      .poll(async () => {
        const [row] = await test.core.database.rows<{ ticket: Json }>(
          sql`select ticket from generations where id = ${id}`,
        )
        return row?.ticket
      })
      .toEqual({ job: 1 })

  it('is generated like a request of a chat, and any process can wait for it', async () => {
    const { core, work } = await open()
    const { id, fresh } = await order({ count: 2 })
    expect(fresh).toBe(true)
    const { userId } = await holder()
    expect(await outcomeOf(core, userId, id)).toMatchObject({ state: 'queued', position: 1, credits: 0, pictures: [] })
    const others = await elsewhere()
    const waiting = [core, others].map((each) => waitForEnd(each, userId, id, { signal: soon() }))
    await work()
    const outcomes = await Promise.all(waiting)
    // one was handed over by the worker in this process, the other was read
    expect(outcomes[0]).toEqual(outcomes[1])
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ id, state: 'delivered', model: 'sketch', prompt: 'a cat', seed: '7', credits: 1 })
      expect(outcome).toMatchObject({ position: null, percent: null, error: undefined, enhanced: null, notes: [] })
      expect(outcome.pictures).toEqual([
        { key: expect.stringContaining(id), type: 'image/png', width: 64, height: 64, bytes: expect.any(Number) },
      ])
      expect(outcome.endedAt?.getTime()).toBeGreaterThan(outcome.createdAt.getTime())
    }
    expect(await balance()).toBe(19)
  })

  it('makes one generation for one key, however often it is submitted', async () => {
    const { core, work } = await open()
    const all = await Promise.all([1, 2, 3].map(() => order({ key: 'same' })))
    expect(all.filter(({ fresh }) => fresh)).toHaveLength(1)
    expect(new Set(all.map(({ id }) => id)).size).toBe(1)
    await work()
    await waitForEnd(core, null, all[0]?.id ?? '', { signal: soon() })
    expect(await order({ key: 'same' })).toEqual({ id: all[0]?.id, fresh: false })
    expect(await balance()).toBe(19)
  })

  it('shows no pictures before they are paid for, and none of a failed request', async () => {
    const chat = createChat()
    const { core, say, work } = await open({ chat })
    const call = await say('a cat')
    const [row] = await core.database.rows<{ id: string }>(sql`select id from generations where key = ${call.key}`)
    const seen: (readonly [string | undefined, number | undefined])[] = []
    chat.edit = async () => {
      const outcome = await outcomeOf(core, null, row?.id ?? '')
      seen.push([outcome?.state, outcome?.pictures.length])
      throw new AppError('chat_refused')
    }
    await work()
    expect(await test.ended(call)).toBe('failed')
    expect(seen).toContainEqual(['stored', 0])
    expect(await outcomeOf(core, null, row?.id ?? '')).toMatchObject({ state: 'failed', credits: 0, pictures: [] })
  })

  it('waits for its input pictures when it is repeated while they are being stored', async () => {
    const { core, work } = await open()
    const { put } = core.store
    const stored: (() => void)[] = []
    core.store.put = async (key, ...rest) => {
      if (key.startsWith('input/') && stored.length === 0) await new Promise<void>((resolve) => stored.push(resolve))
      return put(key, ...rest)
    }
    await work()
    const first = order({ key: 'same' })
    await expect.poll(() => stored).toHaveLength(1)
    const again = await order({ key: 'same' })
    expect(again.fresh).toBe(false)
    // a worker that got the request now would miss its picture
    const watching = core.events.follow(again.id, ['ended', 'progress'])
    await watching.wait(300, soon())
    watching.stop()
    stored[0]?.()
    expect((await first).id).toBe(again.id)
    expect(await waitForEnd(core, null, again.id, { signal: soon() })).toMatchObject({ state: 'delivered' })
  })

  it('is accepted when the limit that blocked it clears before the reason is read', async () => {
    const { core } = await open({ limits: { inFlight: 1 } })
    const { userId } = await holder()
    const { rows } = core.database
    const others = (count: number) => rows(sql`update users set in_flight = ${count}::int where id = ${userId}`)
    let refused = 0
    const answers: TestCore['core']['database']['rows'] = async (query, on) => {
      const accepting = new PgDialect().sqlToQuery(query).sql.includes('admitted as')
      if (accepting && refused === 0) await others(1)
      const found = await rows(query, on)
      if (accepting && refused === 0) {
        refused = found.length === 0 ? 1 : 0
        await others(0)
      }
      return found as never
    }
    Object.assign(core, { database: { ...core.database, rows: answers } })
    const { id, fresh } = await order()
    expect([fresh, refused]).toEqual([true, 1])
    await cancel(core, userId, id)
  })

  it.each(['did not arrive', 'was not answered'])('is charged once when the statement that ends it %s', async (how) => {
    const { core, work } = await open()
    const { rows } = core.database
    let failures = 0
    const answers: TestCore['core']['database']['rows'] = async (query, on) => {
      const ending = new PgDialect().sqlToQuery(query).sql.includes(`state = 'delivered', stored_at`)
      if (!ending || failures++ > 0) return rows(query, on)
      if (how === 'was not answered') await rows(query, on)
      throw new Error('the connection is lost')
    }
    Object.assign(core, { database: { ...core.database, rows: answers } })
    const { id } = await order()
    await work()
    const outcome = await waitForEnd(core, null, id, { signal: soon() })
    expect(outcome).toMatchObject({ state: 'delivered', attempt: 1, credits: 1, pictures: [{ type: 'image/png' }] })
    expect([failures, await balance()]).toEqual([1, 19])
  })

  it('is unknown to other accounts, and so is an invalid id', async () => {
    const { core } = await open()
    const { id } = await order()
    const stranger = await accountOf(core, { id: 'test:bob', name: 'bob' })
    expect(await outcomeOf(core, stranger, id)).toBeUndefined()
    expect(await cancel(core, stranger, id)).toBeUndefined()
    expect(await outcomeOf(core, null, 'nonsense')).toBeUndefined()
    expect(await cancel(core, null, "' or 1=1")).toBeUndefined()
    const waiting = waitForEnd(core, stranger, id, { signal: soon() })
    await expect(waiting).rejects.toMatchObject({ kind: 'unknown_request' })
    expect((await outcomeOf(core, null, id))?.state).toBe('queued')
    expect((await cancel(core, null, id))?.state).toBe('cancelled')
  })

  it('respects the models of its key and the limits of its account', async () => {
    const { core } = await open()
    await expect(order({ as: { models: ['other'] }, model: 'sketch' })).rejects.toMatchObject({
      kind: 'model_not_allowed',
      data: { model: 'sketch', available: ['other'] },
    })
    await expect(order({ model: 'nix' })).rejects.toMatchObject({ kind: 'unknown_model' })
    const accepted = [await order(), await order({ as: { models: ['sketch'] } }), await order()]
    await expect(order()).rejects.toMatchObject({ kind: 'too_many_in_flight', data: { limit: 3 } })
    for (const { id } of accepted) await cancel(core, null, id)
  })

  it('of the operator has limits of its own, and its account is topped up', async () => {
    const { core } = await open()
    const operator = (await findKeyHolder(core, 'secret', 'secret')) as KeyHolder
    const asks = Array.from({ length: 30 }, (_, at) =>
      askAs(core, { holder: operator, key: String(at), params: { prompt: 'a cat' }, images: [] }),
    )
    const accepted = await Promise.all(asks)
    expect(accepted).toHaveLength(30)
    expect(await core.database.rows(sql`select from ledger where reason = 'operator'`)).toHaveLength(1)
    for (const { id } of accepted) await cancel(core, operator.userId, id)
    expect((await readAccount(core, operator.userId)).balance).toBe(10_020)
  })

  it('reports its progress to callers that wait in another process', async () => {
    const { provider, finish } = slow()
    const { work } = await open({ providers: [provider] })
    const { id } = await order()
    const others = await elsewhere()
    const seen: { percent?: number; preview?: Buffer }[] = []
    const waiting = waitForEnd(others, null, id, { signal: soon(), onProgress: (progress) => seen.push(progress) })
    await work()
    await expect.poll(() => seen.some(({ preview }) => preview !== undefined)).toBe(true)
    expect(await outcomeOf(others, null, id)).toMatchObject({ state: 'running', percent: 40 })
    finish()
    expect(await waiting).toMatchObject({ state: 'delivered', percent: null })
    expect(seen.filter(({ percent }) => percent !== undefined)).toMatchObject([{ percent: 40 }])
    const previews = seen.flatMap(({ preview }) => (preview ? [preview.toString('base64')] : []))
    // a WebP, and each preview is reported once
    expect(Buffer.from(previews[0] ?? '', 'base64').toString('latin1', 8, 12)).toBe('WEBP')
    expect(new Set(previews).size).toBe(previews.length)
  })

  it('continues when its caller stops waiting', async () => {
    const { provider, finish } = slow()
    const { core, work } = await open({ providers: [provider] })
    const { id } = await order()
    await work()
    await running(id)
    const gone = new AbortController()
    const waiting = waitForEnd(core, null, id, { signal: gone.signal })
    gone.abort(new Error('the client has gone'))
    await expect(waiting).rejects.toThrow('the client has gone')
    finish()
    expect(await waitForEnd(core, null, id, { signal: soon() })).toMatchObject({ state: 'delivered' })
  })

  it('wakes callers in every process at once when it ends', async () => {
    const { core } = await open()
    const { id } = await order()
    // longer than the test may take, so that only the notification can wake them
    const watches = [core, await elsewhere()].map(({ events }) => events.follow(id, ['ended']))
    const woken = watches.map((each) => each.wait(60_000, soon()))
    await cancel(core, null, id)
    await Promise.all(woken)
    for (const each of watches) each.stop()
  })

  it('reports why it failed, and costs nothing', async () => {
    const provider = createPlain({ start: async () => Promise.reject(new AppError('moderated')) })
    const { core, work } = await open({ providers: [provider] })
    const { id } = await order()
    await work()
    const outcome = await waitForEnd(core, null, id, { signal: soon() })
    expect(outcome).toMatchObject({ state: 'failed', credits: 0, pictures: [], error: { kind: 'moderated' } })
    expect(await balance()).toBe(20)
  })

  it('ends at once when it is cancelled in the queue, and a second cancellation changes nothing', async () => {
    const { core, work } = await open()
    const { id } = await order()
    expect(await balance()).toBe(19)
    const cancels = await Promise.all([1, 2, 3].map(() => cancel(core, null, id)))
    for (const outcome of cancels) expect(outcome).toMatchObject({ state: 'cancelled', error: { kind: 'cancelled' } })
    expect(await balance()).toBe(20)
    await work()
    expect(await test.ended(await test.say('a cat'))).toBe('delivered')
    expect(await outcomeOf(core, null, id)).toMatchObject({ state: 'cancelled', credits: 0, pictures: [] })
    expect(await core.database.rows(sql`select from images where generation_id = ${id}`)).toEqual([])
  })

  it('is cancelled at the provider while it is under way, from any process', async () => {
    const checks: AbortSignal[] = []
    const { provider, cancelled } = slow({
      check: (_ticket, _task, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
          checks.push(signal)
        }),
    })
    const { work } = await open({ providers: [provider] })
    const { id } = await order()
    await work()
    await expect.poll(() => checks).toHaveLength(1)
    expect(await cancel(await elsewhere(), null, id)).toMatchObject({ state: 'cancelled', credits: 0 })
    expect(cancelled).toContainEqual({ job: 1 })
    expect(await balance()).toBe(20)
    await expect.poll(() => checks[0]?.aborted).toBe(true)
  })

  it('is cancelled at the provider once the response to the submission arrives', async () => {
    const answers: (() => void)[] = []
    const { provider, cancelled } = slow({
      // like a submission over HTTP: aborting it loses the response
      start: (_task, signal) =>
        new Promise((resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
          answers.push(() => resolve({ state: 'pending', ticket: { job: 1 }, waitMs: 10 }))
        }),
    })
    const { core, work } = await open({ providers: [provider] })
    const { id } = await order()
    await work()
    await expect.poll(() => answers).toHaveLength(1)
    await cancel(core, null, id)
    answers[0]?.()
    await expect.poll(() => cancelled).toEqual([{ job: 1 }])
  })

  it('aborts the submission at once when the provider cannot cancel', async () => {
    const starts: AbortSignal[] = []
    const { cancel: _none, ...provider } = slow({
      start: (_task, signal) =>
        new Promise((_, reject) => {
          starts.push(signal)
          signal.addEventListener('abort', () => reject(signal.reason))
        }),
    }).provider
    const { core, work } = await open({ providers: [provider] })
    const { id } = await order()
    await work()
    await expect.poll(() => starts).toHaveLength(1)
    await cancel(core, null, id)
    await expect.poll(() => starts[0]?.aborted).toBe(true)
  })

  it('is either delivered and charged, or cancelled and free', async () => {
    const { core, work } = await open({ limits: { welcome: 100, inFlight: 100, perMinute: 6_000 } })
    const asks = await Promise.all(Array.from({ length: 40 }, () => order()))
    await work()
    const others = await elsewhere()
    const ends = await Promise.all(
      asks.map(async ({ id }, at) => {
        // each a little later than the one before, the last ones when their pictures are stored
        const watching = core.events.follow(id, ['ended', 'progress'])
        if (at >= 10 && at < 30) await watching.wait(at * 5, soon())
        watching.stop()
        const state = async () => (await outcomeOf(core, null, id))?.state ?? ''
        if (at >= 30) await expect.poll(state).toMatch(/stored|delivered/)
        await cancel(at % 2 ? core : others, null, id)
        return waitForEnd(core, null, id, { signal: soon() })
      }),
    )
    for (const { state, credits, pictures } of ends) {
      expect(['delivered', 'cancelled']).toContain(state)
      expect({ credits, pictures: pictures.length }).toEqual(
        state === 'delivered' ? { credits: 1, pictures: 1 } : { credits: 0, pictures: 0 },
      )
    }
    expect(ends.some(({ state }) => state === 'cancelled')).toBe(true)
    expect(ends.slice(30).map(({ state }) => state)).toEqual(Array(10).fill('delivered'))
    expect(await balance()).toBe(100 - ends.filter(({ state }) => state === 'delivered').length)
  })

  it('of a chat can be cancelled too, and the chat shows it', async () => {
    const { core, say, chat } = await open()
    const call = await say('a cat')
    const [row] = await core.database.rows<{ id: string }>(sql`select id from generations where key = ${call.key}`)
    await cancel(core, null, row?.id ?? '')
    expect(chat.last(call.address)).toMatchObject({ state: 'failed' })
    expect(chat.last(call.address)?.text).toContain('Cancelled. Nothing was charged: 1 credit given back.')
  })
})
