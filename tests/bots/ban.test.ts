/** `/ban` and `/unban`, as an administrator writes them. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { accountOf, readAccount } from '../../src/core/accounts/accounts.ts'
import { identityHash } from '../../src/core/accounts/bans.ts'
import { openSession, readSession } from '../../src/core/accounts/sessions.ts'
import type { Call } from '../../src/core/ports/chat.ts'
import { waitForEnd } from '../../src/core/programs/wait.ts'
import { quickest } from '../helpers/backends.ts'
import { askAs, createPlain, openTestCore, type TestCore } from '../helpers/core.ts'
import { createGate } from '../helpers/gate.ts'
import { violations } from '../helpers/invariants.ts'

const bob = { id: 'test:bob', name: 'bob', handle: 'bob' }

describe('/ban', () => {
  let test: TestCore
  const cancelled: unknown[] = []
  const gate = createGate()
  beforeEach(async () => {
    cancelled.length = 0
    const provider = createPlain({
      start: async () => ({ state: 'pending', ticket: { job: 1 }, waitMs: 10 }),
      check: () => gate.pass({ state: 'pending', ticket: { job: 1 }, waitMs: 10 }),
      cancel: async (ticket) => void cancelled.push(ticket),
    })
    test = await openTestCore(quickest, { admins: ['test:root'], providers: [provider] })
  })
  afterEach(() => test.close())

  const say = async (text: string, over: Partial<Call> & { who?: string } = {}) => {
    const call = await test.say(text, over)
    return { call, reply: test.chat.last(call.address) }
  }
  const asRoot = async (text: string, over: Partial<Call> = {}) =>
    (await say(text, { who: 'root', ...over })).reply?.text
  const audit = () =>
    test.core.database.rows(sql`select actor, action, target, before, after from audit_log order by id`)

  it('cancels what the person has under way, in chats and at the provider, and gives the credits back', async () => {
    const drawn = (await say('a cat', { who: 'bob' })).call
    await test.work()
    await gate.arrived
    const waiting = (await say('a dog', { who: 'bob' })).call
    const userId = await accountOf(test.core, bob)
    const { id } = await askAs(test.core, {
      holder: { userId, keyId: null, admin: false, models: null },
      params: { prompt: 'a fox' },
      images: [],
    })
    const program = waitForEnd(test.core, userId, id, { signal: AbortSignal.timeout(60_000) })

    expect(await asRoot('/ban @bob spam in 3 groups 7')).toMatch(
      /^⛔ bob is banned until \d{4}-\d\d-\d\d \d\d:\d\d UTC: spam in 3 groups\n3 requests cancelled\.$/,
    )
    expect(await readAccount(test.core, userId)).toMatchObject({ held: 0, inFlight: 0 })
    expect((await program).error).toMatchObject({ kind: 'banned', data: { reason: 'spam in 3 groups' } })
    for (const { address } of [drawn, waiting]) {
      const shown = expect.poll(() => test.chat.last(address)?.text)
      await shown.toMatch(/You are banned until .* UTC: spam in 3 groups Nothing was charged/)
    }
    expect(cancelled).toContainEqual({ job: 1 })
    gate.open()
    await expect.poll(() => violations(test.core.database)).toEqual([])
    expect((await say('a bird', { who: 'bob' })).reply?.content).toMatchObject({ kind: 'refusal', error: 'banned' })
    expect((await say('a bird', { who: 'ann' })).reply?.content).toMatchObject({ kind: 'queued' })
  })

  it('counts at once for programs, and leaves browsers signed in, so that they show the reason', async () => {
    await say('/credits', { who: 'bob' })
    const userId = await accountOf(test.core, bob)
    const session = await openSession(test.core, 'test:bob')
    await asRoot('/ban @bob')
    const holder = { userId, keyId: null, admin: false, models: null }
    const drawing = askAs(test.core, { holder, params: { prompt: 'a cat' }, images: [] })
    await expect(drawing).rejects.toMatchObject({ kind: 'banned', data: { until: undefined } })
    expect(await readSession(test.core, { token: session })).toMatchObject({ identity: 'test:bob' })
  })

  it('is recorded once, also when its call is repeated, and ends with /unban', async () => {
    await say('/credits', { who: 'bob' })
    const target = await accountOf(test.core, bob)
    const said = { who: 'root', key: 'the same call' }
    for (let time = 0; time < 2; time++) await say('/ban @bob spam', said)
    expect(await audit()).toEqual([
      { actor: 'test:root', action: 'ban', target, before: null, after: { until: null, reason: 'spam' } },
    ])
    const again = { who: 'root', key: 'another call' }
    for (let time = 0; time < 2; time++) {
      expect((await say('/unban @bob', again)).reply?.text).toBe('✅ bob is no longer banned.')
    }
    expect(await asRoot('/unban @bob')).toBe('bob is not banned.')
    expect(await audit()).toHaveLength(2)
    expect((await audit())[1]).toEqual({
      actor: 'test:root',
      action: 'unban',
      target,
      before: { until: null, reason: 'spam' },
      after: null,
    })
    expect((await say('a cat', { who: 'bob' })).reply?.content).toMatchObject({ kind: 'queued' })
  })

  it('takes days only behind the name, so that a number can be the name', async () => {
    await test.say('/credits', { from: { id: 'test:4711', name: 'Nina' } })
    expect(await asRoot('/ban 4711')).toBe('⛔ Nina is banned for good.')
    expect(await asRoot('/ban 4711 0')).toContain('does not fit days')
    expect(await asRoot('/ban')).toContain('user needs a value')
    expect(await asRoot('/ban @stranger')).toContain('is not known here')
  })

  it('does not touch administrators, nor the accounts of the operator’s programs', async () => {
    await say('/credits', { who: 'root' })
    await accountOf(test.core, { id: 'api:operator', name: 'operator' })
    expect(await asRoot('/ban @root')).toContain('cannot be banned')
    expect(await asRoot('/ban api:operator')).toContain('cannot be banned')
    expect(await audit()).toEqual([])
  })

  it('is ended by name for a person who has deleted the account', async () => {
    const hash = identityHash(test.core, 'test:bob')
    await test.core.database.rows(sql`insert into kept_bans (identity_hash, reason) values (${hash}, 'spam')`)
    expect(await asRoot('/unban bob')).toBe('✅ bob is no longer banned.')
    expect(await audit()).toMatchObject([{ action: 'unban', before: { until: null, reason: 'spam' } }])
    expect((await say('a cat', { who: 'bob' })).reply?.content).toMatchObject({ kind: 'queued' })
    expect(await asRoot('/unban stranger')).toContain('is not known here')
  })
})
