import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { refundRequest } from '../../../src/core/billing/adjust.ts'
import { grant } from '../../../src/core/billing/ledger.ts'
import { openOrder, payOrder, refundPayment } from '../../../src/core/billing/orders.ts'
import { rewardReferrals } from '../../../src/core/billing/referrals.ts'
import { databases } from '../../helpers/backends.ts'
import { createChat, openTestCore, type TestCore, type TestCoreOptions } from '../../helpers/core.ts'
import { violations } from '../../helpers/invariants.ts'

describe.each(databases())('credits on %s', (kind) => {
  let test: TestCore
  const open = async (options: TestCoreOptions = {}) => {
    test = await openTestCore(kind, { admins: ['test:root'], ...options })
    return test
  }
  afterEach(async () => {
    const wrong = await violations(test.core.database)
    await test.close()
    expect(wrong).toEqual([])
  })

  const answer = async (who: string, text: string, over = {}) => {
    const call = await test.say(text, { who, ...over })
    return test.chat.last(call.address)?.text ?? ''
  }
  const idOf = async (who: string) => {
    const [row] = await test.core.database.rows<{ id: string }>(
      sql`select user_id as id from identities where id = ${`test:${who}`}`,
    )
    return row?.id ?? ''
  }
  const account = async (who: string) => {
    const [row] = await test.core.database.rows<{ balance: number; debt: number }>(
      sql`select balance, debt from users where id = ${await idOf(who)}`,
    )
    return row
  }
  const balance = async (who: string) => (await account(who))?.balance
  /** As if the person had taken the daily credits so many days ago. */
  const claimed = async (who: string, days: number, streak: number) => {
    await answer(who, '/credits')
    await test.core.database.rows(sql`
      insert into daily_claims (user_id, day, streak, credits)
      values (${await idOf(who)}, (now() at time zone 'UTC')::date - ${days}::int, ${streak}, 5)`)
  }
  const audit = async () =>
    test.core.database.rows<{ action: string; actor: string; target: string; before: unknown; after: unknown }>(
      sql`select action, actor, target, before, after from audit_log order by id`,
    )

  describe('/daily', () => {
    it('gives credits once a day, and more for days in a row', async () => {
      await open()
      expect(await answer('ann', '/daily')).toMatch(
        /^🎁 \+5 credits\. The balance is 25 credits\. You can get the next 6 from .* 00:00 UTC/,
      )
      expect(await answer('ann', '/daily')).toContain('You have today’s 5 credits already')
      expect(await balance('ann')).toBe(25)
      const streaks = [
        { who: 'bob', before: 1, credits: 6 },
        { who: 'cat', before: 5, credits: 10 },
        { who: 'dan', before: 40, credits: 10 },
      ]
      for (const { who, before, credits } of streaks) {
        await claimed(who, 1, before)
        expect(await answer(who, '/daily')).toContain(`+${credits} credits, day ${before + 1} in a row`)
        expect(await balance(who)).toBe(20 + credits)
      }
      await claimed('eve', 2, 7)
      expect(await answer('eve', '/daily')).toContain('+5 credits. The')
    })

    it('says so when there are none', async () => {
      await open({ limits: { daily: 0 } })
      expect(await answer('ann', '/daily')).toContain('no daily credits')
      expect(await balance('ann')).toBe(20)
    })

    it('counts for all accounts of a person, and pays off debt first', async () => {
      await open()
      await answer('ann', '/daily')
      await answer('bob', '/credits')
      await join('ann', 'bob')
      expect(await answer('bob', '/daily')).toContain('already')
      const bob = await idOf('bob')
      await owe(bob, 8)
      await test.core.database.rows(sql`update daily_claims set day = day - 1`)
      expect(await answer('bob', '/daily')).toContain('+6 credits, day 2 in a row')
      expect(await account('bob')).toEqual({ balance: 0, debt: 2 })
      expect(await answer('bob', '/credits')).toContain('You owe 2 credits')
    })
  })

  /** As joining does: the credits move by entries, and the account refers to the other one. */
  async function join(from: string, into: string): Promise<void> {
    const [a, b] = [await idOf(from), await idOf(into)]
    const amount = (await balance(from)) ?? 0
    await grant(test.core, { userId: a, amount: -amount, source: 'link', key: `link:${a}:out` })
    await grant(test.core, { userId: b, amount, source: 'link', key: `link:${a}:in` })
    await test.core.database.rows(sql`update users set joined_into = ${b} where id = ${a}`)
  }

  /** Leaves the account with a balance of 0 and this debt. */
  async function owe(userId: string, debt: number): Promise<void> {
    const { core } = test
    const orderId = await openOrder(core, {
      userId,
      platform: 'test',
      item: 'pack',
      credits: debt,
      amount: 1,
      currency: 'XTR',
    })
    const { balance: all } = await payOrder(core, { charge: `test:${orderId}`, orderId })
    await grant(core, { userId, amount: -all, source: 'admin', key: `spend:${orderId}` })
    await refundPayment(core, { charge: `test:${orderId}` })
  }

  describe('invitations', () => {
    const codeOf = async (who: string) => /ref_\w+/.exec(await answer(who, '/credits'))?.[0] ?? ''

    it('pay both people once, after the first picture of the invited one', async () => {
      const { work, ended, say, core } = await open()
      await work()
      const code = await codeOf('ann')
      expect(await codeOf('ann')).toBe(code)
      expect(await answer('bob', `/redeem ${code}`)).toContain('you and the person who invited you get 10 credits each')
      await rewardReferrals(core)
      expect([await balance('ann'), await balance('bob')]).toEqual([20, 20])
      expect(await ended(await say('a cat', { who: 'bob' }))).toBe('delivered')
      await Promise.all([rewardReferrals(core), rewardReferrals(core)])
      expect(await ended(await say('a cat', { who: 'bob' }))).toBe('delivered')
      await rewardReferrals(core)
      expect([await balance('ann'), await balance('bob')]).toEqual([30, 28])
    })

    it('begin with a link where the platform has such links', async () => {
      const chat = { ...createChat(), deepLink: (payload: string) => `https://t.me/fluxbot?start=${payload}` }
      await open({ chat })
      const [link, code] = /https:\/\/t\.me\/fluxbot\?start=(ref_\w+)/.exec(await answer('ann', '/credits')) ?? []
      expect(link).toBeDefined()
      const start = await answer('bob', `/start ${code}`)
      expect(start).toContain('You were invited')
      expect(start).toContain('/help shows what else I can do')
      // a second delivery, and a second visit
      expect(await answer('bob', `/start ${code}`)).toContain('You were invited')
      expect(await answer('ann', `/start ${code}`)).toContain('You cannot invite yourself')
      expect(await answer('ann', '/start ref_nonsense')).toContain('no such code')
    })

    it('are for new people, who have one inviter', async () => {
      const { work, ended, say } = await open()
      await work()
      const [ann, bob] = [await codeOf('ann'), await codeOf('bob')]
      expect(await answer('ann', `/redeem ${ann}`)).toContain('You cannot invite yourself')
      await answer('cat', `/redeem ${ann}`)
      expect(await answer('cat', `/redeem ${bob}`)).toContain('Another person has invited you')
      expect(await answer('ann', `/redeem ${await codeOf('cat')}`)).toContain('You have invited this person yourself')
      await ended(await say('a cat', { who: 'dan' }))
      expect(await answer('dan', `/redeem ${ann}`)).toContain('you have drawn pictures here before')
    })

    it('pay an inviter 20 times a month at most, and not for accounts of their own', async () => {
      const { core } = await open()
      const code = await codeOf('ann')
      const people = Array.from({ length: 22 }, (_, n) => `guest${n}`)
      for (const who of people) await answer(who, `/redeem ${code}`)
      await join('guest0', 'ann')
      await core.database.rows(sql`update referrals set picture_at = now()`)
      await rewardReferrals(core)
      expect(await balance('ann')).toBe(20 + 20 + 20 * 10)
      expect(await balance('guest21')).toBe(30)
    })

    it('do not exist when their credits are 0', async () => {
      const { core } = await open({ limits: { referral: 0 } })
      expect(await answer('ann', '/credits')).not.toContain('Invite')
      await core.database.rows(sql`insert into referral_codes (code, user_id) values ('abc', ${await idOf('ann')})`)
      expect(await answer('bob', '/redeem ref_abc')).toContain('no credits for invitations')
    })
  })

  describe('codes', () => {
    const make = async (text: string, over = {}) => {
      const shown = await answer('root', `/credits code ${text}`, { isPrivate: true, ...over })
      return { shown, code: /🎟 (\S+)/.exec(shown)?.[1] ?? '' }
    }

    it('are shown once, stored as a hash, and give credits once to each person', async () => {
      const { core } = await open()
      const { shown, code } = await make('50 2 30', { key: 'test:code' })
      expect(shown).toContain('gives 50 credits, to 2 people, once each, within 30 days')
      expect((await make('50 2 30', { key: 'test:code' })).code).toBe(code)
      const rows = await core.database.rows(sql`select * from credit_codes`)
      expect(rows).toHaveLength(1)
      expect(JSON.stringify(rows)).not.toContain(code.replaceAll('-', ''))
      expect(await answer('ann', `/redeem ${code.toLowerCase().replaceAll('-', ' ')}`)).toContain(
        '+50 credits. The balance is 70',
      )
      expect(await answer('ann', `/redeem ${code}`)).toContain('redeemed this code already: it gave you 50 credits')
      expect(await answer('bob', `/redeem ${code}`)).toContain('+50')
      expect(await answer('cat', `/redeem ${code}`)).toContain('used up')
      expect([await balance('ann'), await balance('bob'), await balance('cat')]).toEqual([70, 70, 20])
      expect(await audit()).toMatchObject([
        { action: 'code', actor: 'test:root', after: { credits: 50, uses: 2, days: 30 } },
      ])
    })

    it('expire, and are one for a person with several accounts', async () => {
      const { core } = await open()
      const { code } = await make('5 10')
      await answer('ann', `/redeem ${code}`)
      await answer('bob', '/credits')
      await join('ann', 'bob')
      expect(await answer('bob', `/redeem ${code}`)).toContain('already')
      await core.database.rows(sql`update credit_codes set expires_at = now()`)
      expect(await answer('cat', `/redeem ${code}`)).toContain('has expired')
    })

    it('are refused where others would read them, and with numbers that make no sense', async () => {
      await open()
      expect((await make('50', { isPrivate: false })).shown).toContain('private chats only')
      expect((await make('many')).shown).toContain('whole number of credits')
      expect((await make('5 1 soon')).shown).toContain('days')
      expect(await answer('ann', '/credits code 5', { isPrivate: true })).toContain('Only administrators')
    })

    it('are refused after ten wrong tries within an hour', async () => {
      const { core } = await open()
      const { code } = await make('50')
      const tries = Array.from({ length: 14 }, (_, n) => answer('ann', `/redeem WRONG-${n}`))
      const answers = await Promise.all(tries)
      expect(answers.filter((text) => text.includes('no such code'))).toHaveLength(10)
      expect(answers.filter((text) => text.includes('10 wrong codes within an hour'))).toHaveLength(4)
      expect(await answer('ann', `/redeem ${code}`)).toMatch(/Try again in [56] minutes/)
      expect(await answer('bob', `/redeem ${code}`)).toContain('+50')
      await core.database.rows(sql`update users set code_pace_at = code_pace_at - interval '6 minutes'`)
      expect(await answer('ann', `/redeem ${code}`)).toContain('used up')
    })
  })

  describe('/gift', () => {
    it('moves bought credits, once for each call', async () => {
      await open()
      await answer('bob', '/credits')
      await answer('ann', '/credits')
      await answer('root', '/credits give @ann 40')
      expect(await answer('ann', '/gift @bob 30', { key: 'test:gift' })).toBe('🎁 ann gave 30 credits to bob.')
      expect(await answer('ann', '/gift @bob 30', { key: 'test:gift' })).toBe('🎁 ann gave 30 credits to bob.')
      expect([await balance('ann'), await balance('bob')]).toEqual([30, 50])
      expect(await answer('ann', '/gift @me 5')).toContain('to yourself')
      expect(await answer('ann', '/gift @stranger 5')).toContain('stranger is not known here')
      expect(await answer('ann', '/gift @bob 0')).toContain('1–100')
    })

    it('leaves welcome, daily and invitation credits where they are, and requests use those first', async () => {
      const { work, ended, say } = await open()
      await work()
      await answer('bob', '/credits')
      await answer('cat', '/credits')
      await answer('ann', '/daily')
      expect(await answer('ann', '/gift @bob 1')).toContain('You can give away 0 credits of your 25')
      await answer('root', '/credits give @ann 10')
      expect(await answer('ann', '/gift @bob 11')).toContain('You can give away 10 credits of your 35')
      await ended(await say('a cat', { who: 'ann' }))
      expect(await answer('ann', '/gift @bob 11')).toContain('You can give away 10 credits of your 34')
      const [drawn] = await test.core.database.rows<{ id: string }>(sql`select id from generations`)
      await refundRequest(test.core, { id: drawn?.id ?? '', actor: 'test:root', key: 'refund' })
      expect(await answer('ann', '/gift @bob 11')).toContain('You can give away 10 credits of your 35')
      // what was given can be given on, and what a person owes cannot
      expect(await answer('ann', '/gift @bob 10')).toContain('gave 10')
      expect(await answer('bob', '/gift @ann 11')).toContain('You can give away 10 credits of your 30')
      await join('ann', 'bob')
      expect(await answer('bob', '/gift @cat 11')).toContain('You can give away 10 credits of your 55')
    })

    it('has a limit for each day', async () => {
      await open()
      await answer('bob', '/credits')
      await answer('ann', '/credits')
      await answer('root', '/credits give @ann 500')
      const answers = await Promise.all(Array.from({ length: 5 }, () => answer('ann', '/gift @bob 30')))
      expect(answers.filter((text) => text.includes('gave 30'))).toHaveLength(3)
      expect(answers.find((text) => text.includes('At most 100 credits'))).toContain('you can give 10 more')
      expect(await balance('bob')).toBe(110)
    })
  })

  it('are refused to a banned person, with the reason', async () => {
    await open()
    await answer('bob', '/credits')
    await answer('ann', '/credits')
    await answer('root', '/credits give @ann 50')
    expect(await answer('root', '/ban @ann spam')).toContain('ann')
    for (const command of ['/daily', '/redeem ABCD', '/gift @bob 5']) {
      expect(await answer('ann', command)).toContain('spam')
    }
    expect([await balance('ann'), await balance('bob')]).toEqual([70, 20])
  })

  describe('an administrator', () => {
    it('sets and shows a balance, and each change is in the audit log once', async () => {
      await open()
      await answer('ann', '/credits')
      expect(await answer('root', '/credits set @ann 7 a mistake', { key: 'test:set' })).toContain('now 7 credits')
      await answer('root', '/credits set @ann 7 a mistake', { key: 'test:set' })
      await owe(await idOf('ann'), 30)
      expect(await answer('root', '/credits show @ann')).toContain('ann: 0 credits, 0 on hold, 30 of debt')
      expect(await answer('root', '/credits give @ann 10')).toContain('Debt: 20 credits.')
      expect(await answer('root', '/credits set @ann 12')).toContain('now 12 credits')
      expect(await account('ann')).toEqual({ balance: 12, debt: 0 })
      await answer('root', '/credits set @ann 0')
      expect(await answer('root', '/credits show @ann')).toMatch(
        /ann: 0 credits[\s\S]*-12 {2}taken back[\s\S]*-13 {2}a mistake/,
      )
      const target = await idOf('ann')
      expect(await audit()).toEqual([
        {
          action: 'credits set',
          actor: 'test:root',
          target,
          before: { balance: 20, debt: 0 },
          after: { balance: 7, debt: 0, reason: 'a mistake' },
        },
        expect.objectContaining({ action: 'credits give', after: { balance: 0, debt: 20, reason: null } }),
        expect.objectContaining({ action: 'credits set', after: { balance: 12, debt: 0, reason: null } }),
        expect.objectContaining({ action: 'credits set', after: { balance: 0, debt: 0, reason: null } }),
      ])
      expect(await answer('ann', '/credits show @bob')).toContain('Only administrators')
    })

    it('refunds a delivered request once', async () => {
      const { work, ended, say } = await open()
      await work()
      const call = await say('a cat --n 2', { who: 'ann' })
      await ended(call)
      const [row] = await test.core.database.rows<{ id: string }>(sql`select id from generations`)
      const id = row?.id ?? ''
      expect(await balance('ann')).toBe(19)
      expect(await answer('ann', `/refund ${id}`)).toContain('Only administrators')
      expect(await answer('root', `/refund #${id.slice(-8)}`)).toBe(
        `✅ #${id.slice(-8)}, 1 credit given back. The balance of the payer is 20 credits.`,
      )
      expect(await answer('root', `/refund ${id}`)).toContain('Refunded before')
      expect(await balance('ann')).toBe(20)
      expect(await answer('root', '/refund 12345678')).toContain('no such request')
      expect(await audit()).toMatchObject([
        { action: 'refund', target: id, before: { balance: 19 }, after: { balance: 20 } },
      ])
    })

    it('takes back the credits of a payment, also those that are spent', async () => {
      const { core } = await open()
      await answer('ann', '/credits')
      const order = {
        userId: await idOf('ann'),
        platform: 'test',
        item: 'pack',
        credits: 100,
        amount: 5,
        currency: 'XTR',
      }
      const orderId = await openOrder(core, order)
      await payOrder(core, { charge: 'test:1', orderId })
      expect(await payOrder(core, { charge: 'test:1', orderId })).toMatchObject({ fresh: false, balance: 120 })
      await answer('root', '/credits take @ann 90')
      expect(await answer('root', '/refund test:1')).toContain(
        'The balance of the buyer is 0 credits, the debt 70 credits.',
      )
      expect(await answer('root', '/refund test:1')).toContain('Refunded before')
      expect(await answer('root', '/refund test:2')).toContain('no payment test:2')
      expect(await account('ann')).toEqual({ balance: 0, debt: 70 })
      expect((await audit()).at(-1)).toMatchObject({
        action: 'refund',
        target: 'test:1',
        after: { balance: 0, debt: 70 },
      })
    })
  })

  describe('a payment', () => {
    const ordered = async () => {
      await answer('ann', '/credits')
      const order = {
        userId: await idOf('ann'),
        platform: 'test',
        item: 'pack',
        credits: 100,
        amount: 5,
        currency: 'XTR',
      }
      return openOrder(test.core, order)
    }

    it('that is the second one for an order gives the same again', async () => {
      const { core } = await open()
      const orderId = await ordered()
      await payOrder(core, { charge: 'test:1', orderId })
      await payOrder(core, { charge: 'test:2', orderId })
      expect(await payOrder(core, { charge: 'test:2', orderId })).toMatchObject({ fresh: false, balance: 220 })
      await refundPayment(core, { charge: 'test:2' })
      expect(await balance('ann')).toBe(120)
      const states = await core.database.rows(sql`select state from orders order by id`)
      expect(states).toEqual([{ state: 'paid' }, { state: 'refunded' }])
    })

    it('of an account that was joined since goes to the other account, and comes back from there', async () => {
      const { core } = await open()
      const orderId = await ordered()
      await answer('bob', '/credits')
      await join('ann', 'bob')
      await payOrder(core, { charge: 'test:1', orderId })
      expect(await account('bob')).toEqual({ balance: 140, debt: 0 })
      await refundPayment(core, { charge: 'test:1' })
      expect(await account('bob')).toEqual({ balance: 40, debt: 0 })
    })

    it('for an order that does not exist is refused', async () => {
      const { core } = await open()
      const orderId = '018f0000-0000-7000-8000-000000000000'
      await expect(payOrder(core, { charge: 'test:1', orderId })).rejects.toMatchObject({ kind: 'unknown_order' })
      await expect(payOrder(core, { charge: 'test:1', orderId: 'x' })).rejects.toMatchObject({ kind: 'unknown_order' })
    })
  })
})
