/** A press cancels a request in each state: its credits are back at once, or it is delivered and charged. */
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { accountOf, readAccount } from '../../../src/core/accounts/accounts.ts'
import { AppError } from '../../../src/core/errors.ts'
import { cancel } from '../../../src/core/generation/cancel.ts'
import { outcomeOf } from '../../../src/core/history/outcome.ts'
import type { Reply } from '../../../src/core/ports/chat.ts'
import type { ImageProvider } from '../../../src/core/ports/providers.ts'
import { databases } from '../../helpers/backends.ts'
import { createChat, createPlain, openTestCore, pngOf, type TestCore } from '../../helpers/core.ts'
import { createGate, type Gate } from '../../helpers/gate.ts'
import { violations } from '../../helpers/invariants.ts'

interface Case {
  state: string
  provider?(gate: Gate): Partial<ImageProvider>
  isHeld?(reply: Reply): boolean
  holdStore?: boolean
  /** No worker takes it up. */
  unattended?: boolean
  ends: 'cancelled' | 'delivered'
}

const picture = () => pngOf(64, 64)
const pending = { state: 'pending', ticket: { job: 1 }, waitMs: 10 } as const

const cases: Case[] = [
  { state: 'queued', unattended: true, ends: 'cancelled' },
  {
    state: 'submitting, with a provider that answers in the end',
    provider: (gate) => ({
      start: async () => gate.pass(pending),
      check: async () => pending,
      cancel: async () => undefined,
    }),
    ends: 'cancelled',
  },
  {
    state: 'submitting, with a provider that draws in the end',
    provider: (gate) => ({ start: async () => ({ state: 'done', images: [await gate.pass(await picture())] }) }),
    ends: 'cancelled',
  },
  {
    state: 'running',
    provider: (gate) => ({
      start: async () => pending,
      check: async () => ({ state: 'done', images: [await gate.pass(await picture())] }),
      cancel: async () => undefined,
    }),
    ends: 'cancelled',
  },
  {
    state: 'running, with a provider that does not answer the cancellation',
    provider: (gate) => ({
      start: async () => pending,
      check: async () => ({ state: 'done', images: [await gate.pass(await picture())] }),
      cancel: () => gate.pass(undefined),
    }),
    ends: 'cancelled',
  },
  { state: 'storing', holdStore: true, ends: 'cancelled' },
  { state: 'delivering', isHeld: ({ state }) => state === 'done', ends: 'delivered' },
]

describe.each(databases())('a request on %s that is cancelled', (kind) => {
  let test: TestCore
  afterEach(async () => {
    const wrong = await violations(test.core.database)
    await test.close()
    expect(wrong).toEqual([])
  })
  /** How long it takes, by the clock of the database. */
  async function databaseMs(work: () => Promise<unknown>): Promise<number> {
    const now = async () =>
      (
        await test.core.database.rows<{ ms: number }>(
          sql`select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`,
        )
      )[0]?.ms ?? 0
    const start = await now()
    await work()
    return (await now()) - start
  }
  const account = async () => readAccount(test.core, await accountOf(test.core, { id: 'test:ann', name: 'ann' }))

  it.each(cases)('while it is $state ends as $ends', async ({ provider, isHeld, holdStore, unattended, ends }) => {
    const gate = createGate()
    const chat = createChat()
    const { edit } = chat
    chat.edit = async (posted, reply) => edit(posted, isHeld?.(reply) ? await gate.pass(reply) : reply)
    test = await openTestCore(kind, { chat, providers: [createPlain(provider?.(gate))] })
    const { core } = test
    if (holdStore) {
      const { put } = core.store
      Object.assign(core, {
        store: { ...core.store, put: async (...args: Parameters<typeof put>) => put(...(await gate.pass(args))) },
      })
    }
    const call = await test.say('a cat')
    const [{ id } = { id: '' }] = await core.database.rows<{ id: string }>(sql`select id from generations`)
    if (!unattended) {
      await test.work()
      await gate.arrived
    }
    expect(await account()).toMatchObject({ balance: 19, held: 1 })

    const press = (ref: string) =>
      test.say('', { act: { kind: 'press', button: `1:cancel:${ref}` }, address: 'test:press' })
    const usualMs = await databaseMs(() => press('01980000-0000-7000-8000-000000000000'))
    const [pressed] = await core.database.rows<{ at: string }>(sql`select clock_timestamp()::text as at`)
    const pressing = press(id)
    if (ends === 'cancelled') {
      // the work under way has not continued, so the press did not wait for it
      await expect.poll(account).toMatchObject({ balance: 20, held: 0, inFlight: 0 })
      const [released] = await core.database.rows<{ ms: number }>(sql`
        select (extract(epoch from created_at - ${pressed?.at}::timestamptz) * 1000)::float8 as ms
        from ledger where generation_id = ${id}::uuid and kind = 'release'`)
      // nor for a timer; a busy machine is slow to handle any press
      expect(released?.ms).toBeLessThan(1_000 + 10 * usualMs)
    } else {
      await pressing
      expect(chat.last('test:press')?.content).toMatchObject({ error: 'already_ended' })
      expect(await account()).toMatchObject({ balance: 19, held: 1 })
    }
    gate.open()
    await pressing
    if (unattended) await test.work()
    expect(await test.ended(call)).toBe(ends)
    await expect.poll(() => chat.last(call.address)?.state).toBe(ends === 'delivered' ? 'done' : 'failed')
    expect(await cancel(core, null, id)).toMatchObject({ state: ends, credits: ends === 'delivered' ? 1 : 0 })
    expect(await account()).toMatchObject({ balance: ends === 'delivered' ? 19 : 20, held: 0, inFlight: 0 })
    expect((await outcomeOf(core, null, id))?.pictures).toHaveLength(ends === 'delivered' ? 1 : 0)
    expect(chat.messages.flatMap(({ history }) => history).filter(({ state }) => state === 'done')).toHaveLength(
      ends === 'delivered' ? 1 : 0,
    )
  })

  it.each(['delivered', 'failed', 'cancelled'] as const)(
    'is no longer waited for by a message whose process died before it recorded it: %s',
    async (ends) => {
      const chat = createChat({ postsAnew: true })
      const fails = { start: async () => Promise.reject(new AppError('moderated')) }
      test = await openTestCore(kind, { chat, providers: [createPlain(ends === 'failed' ? fails : {})] })
      const call = await test.say('a cat')
      const [{ id } = { id: '' }] = await test.core.database.rows<{ id: string }>(sql`
        update generations set posted = null returning id`)
      const [leftover] = chat.messages
      if (ends !== 'cancelled') {
        await test.work()
        expect(await test.ended(call)).toBe(ends)
        expect(chat.messages.map(({ history }) => history.at(-1)?.state)).toEqual([
          'waiting',
          ends === 'failed' ? 'failed' : 'done',
        ])
      }
      const on = { posted: leftover!.id, name: leftover!.id }
      const act = { kind: 'press', button: `1:cancel:${id}`, on } as const
      await test.say('', { act, address: 'test:press' })
      if (ends === 'delivered') expect(chat.messages).not.toContain(leftover)
      else expect([leftover?.history.at(-1)?.state, leftover?.history.at(-1)?.buttons]).toEqual(['failed', undefined])
      const shown = chat.messages.find(({ history }) => history.at(-1)?.state === 'done')
      // the message with the result stays, also after a press that came late
      if (shown) {
        await test.say('', { act: { ...act, on: { posted: shown.id, name: shown.id } }, address: 'test:press' })
        expect(chat.messages).toContain(shown)
      }
    },
  )
})
