import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { accountOf } from '../../../src/core/accounts/accounts.ts'
import {
  begin,
  finish,
  forget,
  type KeyedRequest,
  noteAnswered,
  noteUnanswered,
  unanswered,
} from '../../../src/core/programs/idempotency.ts'
import { keepLeases } from '../../../src/core/worker/leases.ts'
import { keepSweeping } from '../../../src/core/worker/sweep.ts'
import { databases } from '../../helpers/backends.ts'
import { openTestCore, type TestCore } from '../../helpers/core.ts'

describe.each(databases())('an idempotency key on %s', (kind) => {
  let test: TestCore
  let request: KeyedRequest
  const idOf = (name: string) => accountOf(test.core, { id: `test:${name}`, name })
  beforeEach(async () => {
    test = await openTestCore(kind)
    request = { userId: await idOf('ann'), key: 'order 1', bodyHash: 'abc' }
  })
  afterEach(() => test.close())
  const age = (interval: string) =>
    test.core.database.rows(sql`update api_requests set created_at = created_at - ${interval}::interval`)
  const kept = async () => (await test.core.database.rows(sql`select key from api_requests`)).length

  it('is held by one of many concurrent requests, and returns its response afterwards', async () => {
    const { core } = test
    const begun = await Promise.all(Array.from({ length: 20 }, () => begin(core, request)))
    expect(begun.filter((one) => one.state === 'fresh')).toHaveLength(1)
    expect(begun.filter((one) => one.state === 'in_flight')).toHaveLength(19)
    await finish(core, request, { id: 7, text: '猫' }, ['one'])
    expect(await begin(core, request)).toEqual({ state: 'done', response: { id: 7, text: '猫' } })
    expect(await begin(core, { ...request, bodyHash: 'other' })).toEqual({ state: 'other_body' })
    expect(await begin(core, { ...request, userId: await idOf('bob') })).toMatchObject({ state: 'fresh' })
  })

  it('can be used again after a refusal', async () => {
    const { core } = test
    await begin(core, request)
    expect(await begin(core, { ...request, bodyHash: 'other' })).toEqual({ state: 'other_body' })
    await forget(core, { ...request, bodyHash: 'other' })
    expect(await begin(core, request)).toMatchObject({ state: 'in_flight' })
    await forget(core, request)
    expect(await begin(core, { ...request, bodyHash: 'other' })).toMatchObject({ state: 'fresh' })
  })

  it('is remembered for a week', async () => {
    const { core } = test
    await begin(core, request)
    await finish(core, request, null)
    await age('6 days 23 hours')
    expect(await begin(core, request)).toEqual({ state: 'done', response: null })
    await age('2 hours')
    expect(await begin(core, { ...request, bodyHash: 'other' })).toMatchObject({ state: 'fresh' })
  })

  it('is deleted by the sweeper after that, and so are notes of unanswered requests', async () => {
    const { core } = test
    await begin(core, request)
    await noteUnanswered(core, { ...request, key: 'retry' }, 'one')
    await core.database.rows(sql`
      insert into api_requests (key, body_hash, status) select n, '', 'done' from generate_series(1, 1500) n`)
    await age('8 days')
    await begin(core, { ...request, key: 'order 2' })
    const leases = keepLeases(core)
    const sweeper = keepSweeping(core, leases)
    await expect.poll(kept, { interval: 50 }).toBe(1)
    await sweeper.stop()
    leases.stop()
  })

  it('is free for the same request when the process that held it has died', async () => {
    const { core } = test
    await begin(core, request)
    await age('50 seconds')
    const before = await begin(core, request)
    expect(before.state).toBe('in_flight')
    await age('20 seconds')
    expect(await begin(core, { ...request, bodyHash: 'other' })).toEqual({ state: 'other_body' })
    const { since } = (await begin(core, request)) as { since: string }
    // the same use of the key, so both processes make the same generation
    const [row] = await core.database.rows<{ same: boolean }>(sql`
      select created_at = to_timestamp(${since}::float8) as same from api_requests`)
    expect(row?.same).toBe(true)
  })

  it.each([
    ['accepted, then', true],
    ['refused, then', false],
  ])(
    'stays one use when two processes hold it because the first was slow: one is %s the other',
    async (_name, early) => {
      const { core } = test
      expect((await begin(core, request)).state).toBe('fresh')
      await age('2 minutes')
      const second = await begin(core, request)
      expect(second.state).toBe('fresh')
      if (early) await finish(core, request, { id: 'one' })
      await forget(core, request)
      // a third request gets the response, or joins the same use
      expect(await begin(core, request)).toEqual(early ? { state: 'done', response: { id: 'one' } } : second)
      await finish(core, request, { id: 'one' })
      expect(await begin(core, request)).toEqual({ state: 'done', response: { id: 'one' } })
    },
  )

  it('is replaced by a note for requests without a key, until they are answered in full', async () => {
    const { core } = test
    expect(await unanswered(core, request)).toBeUndefined()
    await noteUnanswered(core, request, 'one')
    await noteUnanswered(core, request, 'two')
    const found = [await unanswered(core, request), await unanswered(core, request)]
    expect(found.sort()).toEqual(['one', 'two'])
    await noteAnswered(core, request, 'one')
    expect([await unanswered(core, request), await unanswered(core, request)]).toEqual(['two', 'two'])
    await age('16 minutes')
    expect(await unanswered(core, request)).toBeUndefined()
    await noteUnanswered(core, request, 'three')
    expect(await unanswered(core, request)).toBe('three')
    await noteAnswered(core, request, 'three')
    expect(await kept()).toBe(0)
  })
})
