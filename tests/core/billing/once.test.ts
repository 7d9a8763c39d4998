/** Each grant from 50 connections at once, as several processes would make it. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { accountOf } from '../../../src/core/accounts/accounts.ts'
import { adjust, refundRequest } from '../../../src/core/billing/adjust.ts'
import { createCode, redeemCode } from '../../../src/core/billing/codes.ts'
import { claimDaily } from '../../../src/core/billing/daily.ts'
import { give } from '../../../src/core/billing/gifts.ts'
import { openOrder, payOrder, refundPayment } from '../../../src/core/billing/orders.ts'
import { acceptInvitation, referralCodeOf, rewardReferrals } from '../../../src/core/billing/referrals.ts'
import type { Core } from '../../../src/core/core.ts'
import { openDatabase } from '../../../src/db/open.ts'
import { quickest } from '../../helpers/backends.ts'
import { openTestCore, type TestCore } from '../../helpers/core.ts'
import { violations } from '../../helpers/invariants.ts'

const connections = 50
const perProcess = 10

let test: TestCore
/** One for each process. */
let cores: Core[]

beforeEach(async () => {
  test = await openTestCore(quickest)
  const { core, databaseUrl: url } = test
  cores = [core]
  for (let more = connections / perProcess - 1; more > 0 && url !== undefined; more--) {
    cores.push({ ...core, database: await openDatabase({ url, dataDir: '' }) })
  }
})

afterEach(async () => {
  const wrong = await violations(test.core.database)
  for (const { database } of cores.slice(1)) await database.close()
  await test.close()
  expect(wrong).toEqual([])
})

/** Fails when one of them is rejected. */
const all = <T>(act: (core: Core, number: number) => Promise<T>): Promise<T[]> =>
  Promise.all(
    Array.from({ length: connections }, (_, number) => act(cores[number % cores.length] ?? test.core, number)),
  )

const person = (who: string) => accountOf(test.core, { id: `test:${who}`, name: who })
const balanceOf = async (userId: string) => {
  const [row] = await test.core.database.rows<{ balance: number; debt: number }>(
    sql`select balance, debt from users where id = ${userId}`,
  )
  return row
}
const fresh = (results: readonly { fresh: boolean }[]) => results.filter((each) => each.fresh).length
const bySource = (source: string) => test.core.database.rows(sql`select id from ledger where source = ${source}`)

it('gives daily credits once', async () => {
  const ann = await person('ann')
  const claims = await all((core) => claimDaily(core, ann))
  expect(fresh(claims)).toBe(1)
  expect(new Set(claims.map(({ balance }) => balance))).toEqual(new Set([25]))
})

it('redeems a code once for each person, and as often as it may be used', async () => {
  const [ann, { core }] = [await person('ann'), test]
  const made = { credits: 50, actor: 'test:root' }
  const code = await createCode(core, { ...made, uses: 9, key: 'a' })
  expect(fresh(await all((each) => redeemCode(each, ann, code)))).toBe(1)
  expect(await balanceOf(ann)).toMatchObject({ balance: 70 })
  const people = await all((_, number) => person(`guest${number}`))
  const other = await createCode(core, { ...made, uses: 20, key: 'b' })
  const answers = await all((each, number) =>
    redeemCode(each, people[number] ?? '', other).then(
      () => 'redeemed',
      (error: { kind: string }) => error.kind,
    ),
  )
  expect(answers.filter((answer) => answer === 'redeemed')).toHaveLength(20)
  expect(answers.filter((answer) => answer === 'code_used_up')).toHaveLength(30)
  expect(await core.database.rows(sql`select used from credit_codes order by used`)).toEqual([
    { used: 1 },
    { used: 20 },
  ])
})

it('makes a code once, and shows the same one again', async () => {
  const codes = await all((core) => createCode(core, { credits: 5, uses: 1, actor: 'test:root', key: 'a' }))
  expect(new Set(codes).size).toBe(1)
  expect(await test.core.database.rows(sql`select hash from credit_codes`)).toHaveLength(1)
})

it('gives a gift once, and gifts in both directions do not wait for each other', async () => {
  const [ann, bob] = [await person('ann'), await person('bob')]
  const root = { how: 'give', amount: 1_000, reason: '', actor: 'test:root' } as const
  for (const userId of [ann, bob]) await adjust(test.core, { ...root, userId, key: userId })
  const same = await all((core) => give(core, { from: ann, to: bob, amount: 40, key: 'same' }))
  expect(fresh(same)).toBe(1)
  expect([await balanceOf(ann), await balanceOf(bob)]).toMatchObject([{ balance: 980 }, { balance: 1060 }])
  await all((core, number) => {
    const [from, to] = number % 2 === 0 ? [ann, bob] : [bob, ann]
    return give(core, { from, to, amount: 2, key: `gift ${number}` })
  })
  expect([await balanceOf(ann), await balanceOf(bob)]).toMatchObject([{ balance: 980 }, { balance: 1060 }])
  const limited = await all((core, number) =>
    give(core, { from: ann, to: bob, amount: 2, key: `more ${number}` }).catch(() => undefined),
  )
  expect(limited.filter((each) => each !== undefined)).toHaveLength((100 - 40 - 50) / 2)
})

it('pays an invitation once', async () => {
  const [ann, bob, { core }] = [await person('ann'), await person('bob'), test]
  const codes = await all((each) => referralCodeOf(each, ann))
  expect(new Set(codes).size).toBe(1)
  await all((each) => acceptInvitation(each, bob, codes[0] ?? ''))
  await core.database.rows(sql`update referrals set picture_at = now()`)
  await all((each) => rewardReferrals(each))
  expect([await balanceOf(ann), await balanceOf(bob)]).toMatchObject([{ balance: 30 }, { balance: 30 }])
})

it('refunds a request once', async () => {
  const { work, say, ended, core } = test
  await work()
  await ended(await say('a cat --n 3'))
  const [row] = await core.database.rows<{ id: string }>(sql`select id from generations`)
  const refunds = await all((each, number) =>
    refundRequest(each, { id: row?.id ?? '', actor: 'test:root', key: `call ${number}` }),
  )
  expect(fresh(refunds)).toBe(1)
  expect(await bySource('refund')).toHaveLength(1)
  expect(await core.database.rows(sql`select id from audit_log`)).toHaveLength(1)
})

it('grants a payment once, and takes it back once', async () => {
  const [ann, { core }] = [await person('ann'), test]
  const order = { userId: ann, platform: 'test', item: 'pack', credits: 100, amount: 5, currency: 'XTR' }
  const orderId = await openOrder(core, order)
  expect(fresh(await all((each) => payOrder(each, { charge: 'test:1', orderId })))).toBe(1)
  expect(await balanceOf(ann)).toEqual({ balance: 120, debt: 0 })
  await adjust(core, { userId: ann, how: 'take', amount: 90, reason: '', actor: 'test:root', key: 'take' })
  // late deliveries of the payment come between those of the refund, and between those of another payment for the same order
  const mixed = await all(async (each, number) => {
    if (number % 3 === 0) return payOrder(each, { charge: 'test:1', orderId })
    return number % 3 === 1 ? refundPayment(each, { charge: 'test:1' }) : payOrder(each, { charge: 'test:2', orderId })
  })
  expect(fresh(mixed)).toBe(2)
  const account = await balanceOf(ann)
  expect((account?.balance ?? 0) - (account?.debt ?? 0)).toBe(120 - 90 - 100 + 100)
  expect(await bySource('order')).toHaveLength(3)
})
