/** Accounts are joined while other processes accept requests, draw them, and wait for them. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { accountOf, readAccount, rememberedAccountOf } from '../../../src/core/accounts/accounts.ts'
import { createApiKey, findKeyHolder, type KeyHolder } from '../../../src/core/accounts/api-keys.ts'
import { askToJoin, createLinkCode, joinAgreed } from '../../../src/core/accounts/link-codes.ts'
import { unlink } from '../../../src/core/accounts/unlink.ts'
import { grant } from '../../../src/core/billing/ledger.ts'
import type { Core } from '../../../src/core/core.ts'
import type { Submission } from '../../../src/core/generation/accept.ts'
import { submit, wake } from '../../../src/core/generation/submit.ts'
import { askedBefore } from '../../../src/core/programs/ask.ts'
import { begin, finish } from '../../../src/core/programs/idempotency.ts'
import { waitForEnd } from '../../../src/core/programs/wait.ts'
import { chooseModel } from '../../../src/core/request/choose-model.ts'
import { databases, quickest } from '../../helpers/backends.ts'
import { askAs, openTestCore, type TestCore } from '../../helpers/core.ts'
import { violations } from '../../helpers/invariants.ts'

let test: TestCore
let calls = 0
const person = (name: string) => ({ id: `test:${name}`, name })
const idOf = (name: string) => accountOf(test.core, person(name))
const balanceOf = async (name: string) => (await readAccount(test.core, await idOf(name))).balance
const asking = (name: string) => ({ from: person(name), key: `call ${++calls}` })
const join = async (first: string, second: string) => {
  await idOf(first)
  const { ref } = await askToJoin(test.core, asking(second), await createLinkCode(test.core, asking(first)))
  return joinAgreed(test.core, asking(second), ref)
}
/** Again while one of the accounts is joined with a third one between the question and the press. */
const joinAtLast = (first: string, second: string): Promise<unknown> =>
  join(first, second).catch((error: { kind?: string }) => {
    if (error.kind === 'not_yours') return joinAtLast(first, second)
    throw error
  })
/** The same database, seen by a process that remembers accounts of its own. */
const otherProcess = (): Core => ({ ...test.core, accountIds: new Map() })

function draw(core: Core, name: string, over: Partial<Submission> = {}) {
  const key = `call ${++calls}`
  const chosen = chooseModel(core, { name: undefined, allowed: null, images: 0, words: true })
  return submit(core, {
    key,
    surface: 'test',
    address: `test:${key}`,
    locale: 'en',
    chosen,
    params: { prompt: 'a cat' },
    images: [],
    from: person(name),
    ...over,
  })
}

const rowOf = async (id: string) => {
  const [row] = await test.core.database.rows<{ person: string; payer: string }>(
    sql`select user_id as person, payer_id as payer from generations where id = ${id}::uuid`,
  )
  return row
}

afterEach(async () => {
  await expect.poll(() => test.core.database.rows(sql`select id from generations where ended_at is null`)).toEqual([])
  const wrong = await violations(test.core.database)
  await test.close()
  expect(wrong).toEqual([])
})

describe.each(databases())('another process on %s', (kind) => {
  beforeEach(async () => {
    test = await openTestCore(kind, { limits: { welcome: 20, inFlight: 10 } })
    await test.work()
  })

  it('accepts a request for the account that an identity has now', async () => {
    const other = otherProcess()
    await idOf('ann')
    const before = await rememberedAccountOf(other, person('bob'))
    await join('ann', 'bob')
    const joined = await draw(other, 'bob')
    await wake(other, joined.job)
    expect(await rowOf(joined.id)).toEqual({ person: await idOf('ann'), payer: await idOf('ann') })
    expect(await rememberedAccountOf(other, person('bob'))).not.toBe(before)

    await unlink(test.core, asking('bob'))
    await expect(draw(other, 'bob')).rejects.toMatchObject({ kind: 'no_credits' })
    expect(await balanceOf('ann')).toBe(19)
  })

  it('continues the requests of a program that it recognised before', async () => {
    await idOf('ann')
    const { key } = await createApiKey(test.core, { userId: await idOf('bob'), name: 'program' })
    const before = (await findKeyHolder(test.core, key, undefined)) as KeyHolder
    const first = await askAs(test.core, { holder: before, key: 'order 1', params: { prompt: 'a cat' }, images: [] })
    const keyed = { userId: before.userId, key: 'client 1', bodyHash: 'abc' }
    await begin(test.core, keyed)
    const waiting = waitForEnd(test.core, before.userId, first.id, { signal: AbortSignal.timeout(60_000) })
    await join('ann', 'bob')
    const now = (await findKeyHolder(test.core, key, undefined)) as KeyHolder
    expect(now.userId).toBe(await idOf('ann'))

    expect((await waiting).state).toBe('delivered')
    expect((await waitForEnd(test.core, before.userId, first.id, { signal: AbortSignal.timeout(9_000) })).id).toBe(
      first.id,
    )
    expect(await askedBefore(test.core, now, 'order 1')).toBe(first.id)
    await finish(test.core, keyed, { id: first.id })
    expect(await begin(test.core, { ...keyed, userId: now.userId })).toEqual({
      state: 'done',
      response: { id: first.id },
    })

    const late = await askAs(test.core, { holder: before, key: 'order 2', params: { prompt: 'a dog' }, images: [] })
    expect(await rowOf(late.id)).toEqual({ person: now.userId, payer: now.userId })
    const again = await askAs(test.core, { holder: now, key: 'order 2', params: { prompt: 'a dog' }, images: [] })
    expect(again).toEqual({ id: late.id, fresh: false })
  })

  it('takes the price from the account that pays, and counts the request for the person', async () => {
    const payer = await idOf('guild')
    const before = await balanceOf('bob')
    const paid = await draw(test.core, 'bob', { payer })
    expect(await rowOf(paid.id)).toEqual({ person: await idOf('bob'), payer })
    expect(await readAccount(test.core, payer)).toMatchObject({ balance: 19, held: 1, inFlight: 0 })
    expect(await readAccount(test.core, await idOf('bob'))).toMatchObject({ balance: before, held: 0, inFlight: 1 })
    await wake(test.core, paid.job)
    await expect.poll(async () => (await readAccount(test.core, payer)).held).toBe(0)
    const banUntil = (time: string) =>
      test.core.database.rows(
        sql`update users set banned = true, banned_until = now() + ${time}::interval where id = ${payer}`,
      )
    await banUntil('1 hour')
    await expect(draw(test.core, 'bob', { payer })).rejects.toBeDefined()
    // a ban that is over
    await banUntil('-1 second')
    await wake(test.core, (await draw(test.core, 'bob', { payer })).job)
    await expect.poll(async () => (await readAccount(test.core, payer)).held).toBe(0)

    await grant(test.core, { userId: payer, amount: -18, source: 'admin', actor: 'test', key: 'take' })
    await expect(draw(test.core, 'bob', { payer })).rejects.toMatchObject({ kind: 'no_credits', data: { balance: 0 } })
    await idOf('heir')
    await test.core.database.rows(sql`
      update users set created_at = '2020-01-01' where id = ${await idOf('heir')}::uuid`)
    await join('heir', 'guild')
    const later = await draw(test.core, 'bob', { payer })
    expect(await rowOf(later.id)).toMatchObject({ payer: await idOf('heir') })
    await wake(test.core, later.job)
  })
})

it.skipIf(quickest === 'pglite')('joins accounts in both directions while their requests begin and end', async () => {
  test = await openTestCore(quickest, { limits: { welcome: 200, inFlight: 100, perMinute: 6_000 } })
  await Promise.all([test.work(), test.work()])
  const cores = [test.core, otherProcess(), otherProcess()]
  const names = Array.from({ length: 8 }, (_, index) => `p${index}`)
  await Promise.all(names.map(idOf))
  const drawing = names.flatMap((name, index) =>
    Array.from({ length: 6 }, async (_, n) => {
      const core = cores[(index + n) % cores.length] as Core
      const { job } = await draw(core, name)
      await wake(core, job)
    }),
  )
  // each pair in both directions at once: one joins, the other code is then of the same account
  const joining = names.flatMap((name, index) => {
    const other = names[index % 2 === 0 ? index + 1 : (index + 1) % names.length] as string
    return [joinAtLast(name, other), joinAtLast(other, name)].map((joined) =>
      joined.catch((error: { kind?: string }) => expect(error.kind).toBe('link_own_code')),
    )
  })
  await Promise.all([...drawing, ...joining])
  expect(new Set(await Promise.all(names.map(idOf))).size).toBe(1)
  await expect
    .poll(() => test.core.database.rows(sql`select id from generations where ended_at is null`), { timeout: 30_000 })
    .toEqual([])
  const [sums] = await test.core.database.rows<{ requests: number; people: number; owed: number }>(sql`
    select count(*)::int as requests, count(distinct user_id)::int as people, (select sum(debt)::int from users) as owed
    from generations`)
  expect(sums).toEqual({ requests: 48, people: 1, owed: 0 })
})
