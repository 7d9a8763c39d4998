/** Two accounts become one: what moves, what does not, and who may join what. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { accountOf, readAccount } from '../../../src/core/accounts/accounts.ts'
import { createApiKey, findKeyHolder } from '../../../src/core/accounts/api-keys.ts'
import { openSession } from '../../../src/core/accounts/sessions.ts'
import { readSettings, saveSettings } from '../../../src/core/accounts/settings.ts'
import { grant } from '../../../src/core/billing/ledger.ts'
import { cancel } from '../../../src/core/generation/cancel.ts'
import { outcomes } from '../../../src/core/history/outcome.ts'
import type { Call } from '../../../src/core/ports/chat.ts'
import { isFavourite, toggleFavourite } from '../../../src/core/results/reactions.ts'
import { databases } from '../../helpers/backends.ts'
import { openTestCore, type TestCore } from '../../helpers/core.ts'
import { violations } from '../../helpers/invariants.ts'

describe.each(databases())('joining accounts on %s', (kind) => {
  let test: TestCore
  beforeEach(async () => {
    test = await openTestCore(kind, { limits: { welcome: 20 }, admins: ['test:root'] })
  })
  afterEach(async () => {
    const wrong = (await violations(test.core.database)).filter(
      (line) => !line.startsWith('I2') && !line.startsWith('I8'),
    )
    await test.close()
    expect(wrong).toEqual([])
  })

  const textOf = ({ address }: Call) => test.chat.last(address)?.text ?? ''
  const say = async (who: string, text: string, over: Partial<Call> = {}) =>
    textOf(await test.say(text, { who, ...over }))
  const idOf = (who: string) => accountOf(test.core, { id: `test:${who}`, name: who, handle: who })
  const balanceOf = async (who: string) => (await readAccount(test.core, await idOf(who))).balance
  const codeFor = async (who: string) => /\/link (\w{4}-\w{4})/.exec(await say(who, '/link'))?.[1] ?? ''
  /** Enters the code, and agrees where the answer asks. */
  const enter = async (who: string, code: string, key?: string) => {
    const call = await test.say(`/link ${code}`, { who })
    const [asked] = test.chat.last(call.address)?.buttons?.flat() ?? []
    return asked ? press(who, asked.id, key) : textOf(call)
  }
  const press = (who: string, button: string, key?: string) =>
    say(who, '', { act: { kind: 'press', button }, ...(key !== undefined && { key }) })
  const joinBoth = async (first: string, second: string) => enter(second, await codeFor(first))
  const requestsOf = async (who: string) =>
    (await outcomes(test.core, { userId: await idOf(who), page: 1, limit: 20 })).items
  let grants = 0
  const give = async (who: string, amount: number) =>
    grant(test.core, { userId: await idOf(who), amount, source: 'admin', actor: 'test', key: `give ${++grants}` })

  it('makes one balance, history, set of favourites and settings of two, and keeps one welcome grant', async () => {
    await give('ann', 5)
    await give('bob', 7)
    const [mine, theirs] = [await test.say('a cat', { who: 'ann' }), await test.say('a dog', { who: 'bob' })]
    await test.work()
    expect([await test.ended(mine), await test.ended(theirs)]).toEqual(['delivered', 'delivered'])
    const [dog] = await requestsOf('bob')
    const [annId, bobId] = [await idOf('ann'), await idOf('bob')]
    await toggleFavourite(test.core, { userId: bobId, generationId: dog?.id ?? '', key: 'press' })
    await saveSettings(test.core, { userId: annId }, { aspect: '1:1' })
    await saveSettings(test.core, { userId: bobId }, { aspect: '16:9', language: 'zh' })
    const { key } = await createApiKey(test.core, { userId: bobId, name: 'program' })

    const text = await joinBoth('ann', 'bob')
    // in the language that one of them has set
    expect(text).toContain('ann（test）、bob（test）')
    expect(text).toContain('31 积分')
    expect(text).toContain('19 积分已收回')

    expect(await idOf('bob')).toBe(annId)
    expect(await balanceOf('bob')).toBe(24 + 7)
    expect(await requestsOf('ann')).toHaveLength(2)
    expect(await isFavourite(test.core, { userId: annId, generationId: dog?.id ?? '' })).toBe(true)
    const { chosen } = await readSettings(test.core, theirs)
    expect(chosen).toEqual({ aspect: '1:1', language: 'zh' })
    expect((await findKeyHolder(test.core, key, undefined))?.userId).toBe(annId)
    expect(await say('bob', '/credits')).toContain('31')
    expect(await say('bob', '/history')).toContain('a cat')
  })

  it('moves no entry, and every credit by an entry', async () => {
    await balanceOf('ann')
    await give('bob', 7)
    const before = await test.core.database.rows(sql`select * from ledger order by id`)
    await joinBoth('ann', 'bob')
    const after = await test.core.database.rows<{ source: string; amount: number }>(
      sql`select * from ledger order by id`,
    )
    expect(after.slice(0, before.length)).toEqual(before)
    expect(after.slice(before.length).map(({ source, amount }) => [source, amount])).toEqual([
      ['welcome', -20],
      ['link', -7],
      ['link', 7],
    ])
  })

  it('answers the same call again with the same words, and joins once', async () => {
    const call = await test.say(`/link ${await codeFor('ann')}`, { who: 'bob' })
    const button = test.chat.last(call.address)?.buttons?.flat()[0]?.id ?? ''
    const first = await press('bob', button, 'the same press')
    expect(first).toContain('Joined')
    expect(await press('bob', button, 'the same press')).toBe(first)
    expect(await balanceOf('ann')).toBe(20)
  })

  it('says whose account is joined, and joins it at the press of the person who entered the code', async () => {
    const code = await codeFor('ann')
    const call = await test.say(`/link ${code}`, { who: 'bob' })
    expect(textOf(call)).toContain('ann (test)')
    expect(await idOf('bob')).not.toBe(await idOf('ann'))
    const button = test.chat.last(call.address)?.buttons?.flat()[0]?.id ?? ''
    expect(await press('eve', button)).toContain('Only the person who')
    expect(await press('bob', `${button.slice(0, -4)}AAAA`)).toContain('Only the person who')
    const [bob, eve] = [await idOf('bob'), await idOf('eve')]
    expect(new Set([bob, eve, await idOf('ann')]).size).toBe(3)
    // the code now belongs to another account than the one that bob was shown
    await joinBoth('zoe', 'ann')
    await test.core.database.rows(sql`update link_codes set user_id = ${eve}::uuid where used_at is null`)
    expect(await press('bob', button)).toContain('Only the person who')
    expect(await idOf('bob')).toBe(bob)
  })

  it('joins no account by a button whose code has expired', async () => {
    const call = await test.say(`/link ${await codeFor('ann')}`, { who: 'bob' })
    const button = test.chat.last(call.address)?.buttons?.flat()[0]?.id ?? ''
    await test.core.database.rows(sql`update link_codes set expires_at = now()`)
    expect(await press('bob', button)).toContain('has expired')
    expect(await idOf('bob')).not.toBe(await idOf('ann'))
  })

  it('refuses codes by name: unknown, used, expired, own', async () => {
    expect(await say('bob', '/link AAAA-AAAA')).toContain('no such code')
    const own = await codeFor('bob')
    expect(await say('bob', `/link ${own}`)).toContain('from this account')
    const code = await codeFor('ann')
    await enter('bob', code.toLowerCase().replace('-', ' '))
    expect(await say('eve', `/link ${code}`)).toContain('used already')
    const late = await codeFor('eve')
    await test.core.database.rows(sql`update link_codes set expires_at = now() where used_at is null`)
    expect(await say('bob', `/link ${late}`)).toContain('has expired')
    expect(await balanceOf('eve')).toBe(20)
  })

  it('stores no code', async () => {
    const code = await codeFor('ann')
    const [row] = await test.core.database.rows(sql`select * from link_codes`)
    expect(JSON.stringify(row)).not.toContain(code)
    expect(JSON.stringify(row)).not.toContain(code.replace('-', ''))
  })

  it('takes ten wrong codes an hour, also at the same time, and then refuses the right one', async () => {
    const texts = await Promise.all(Array.from({ length: 15 }, (_, at) => say('bob', `/link AAAA-AA${10 + at}`)))
    expect(texts.filter((text) => text.includes('no such code'))).toHaveLength(10)
    expect(texts.filter((text) => text.includes('10 wrong codes'))).toHaveLength(5)
    const code = await codeFor('ann')
    expect(await say('bob', `/link ${code}`)).toContain('10 wrong codes')
    await test.core.database.rows(sql`update link_tries set created_at = now() - interval '61 minutes'`)
    expect(await enter('bob', code)).toContain('Joined')
  })

  it('joins no banned account, and lets no identity leave one', async () => {
    await joinBoth('ann', 'bob')
    const code = await codeFor('ann')
    await test.core.database.rows(sql`update users set banned = true where id = ${await idOf('ann')}::uuid`)
    expect(await say('eve', `/link ${code}`)).toContain('You are banned')
    expect(await say('ann', `/link ${await codeFor('eve')}`)).toContain('You are banned')
    expect(await say('bob', '/unlink')).toContain('You are banned')
    expect(await idOf('bob')).toBe(await idOf('ann'))
    expect(await idOf('eve')).not.toBe(await idOf('ann'))
  })

  it('gives no administrator’s rights to the account that showed a code', async () => {
    expect(await say('root', `/link ${await codeFor('eve')}`)).toContain('administrator')
    const { key } = await createApiKey(test.core, { userId: await idOf('eve'), name: 'program' })
    const { key: own } = await createApiKey(test.core, { userId: await idOf('root'), name: 'program' })
    await openSession(test.core, 'test:eve')
    const code = await codeFor('root')
    expect(await enter('eve', code)).toContain('API keys of the other one no longer work')
    expect(await findKeyHolder(test.core, key, undefined)).toBeUndefined()
    expect(await findKeyHolder(test.core, own, undefined)).toMatchObject({ admin: true })
    expect(await test.core.database.rows(sql`select from web_sessions`)).toEqual([])
  })

  it('joins no account of a browser that acts as the administrator', async () => {
    const from = { id: `web:${'0'.repeat(18)}-operator`, name: 'operator' }
    expect(await say('root', '/link', { from })).toContain('cannot be joined')
    expect(await say('root', `/link ${await codeFor('ann')}`, { from })).toContain('cannot be joined')
  })

  it('takes an identity out without credits, and gives nothing for joining it again', async () => {
    expect(await say('ann', '/unlink')).toContain('not joined with another one')
    await joinBoth('ann', 'bob')
    await test.core.database.rows(sql`
      insert into daily_claims (user_id, day, streak, credits) values (${await idOf('ann')}::uuid, current_date, 3, 5)`)
    for (const round of [1, 2]) {
      const call = { key: `leaving ${round}` }
      expect(await say('bob', '/unlink', call)).toContain('account of your own')
      expect(await say('bob', '/unlink', call)).toContain('account of your own')
      expect([await balanceOf('ann'), await balanceOf('bob')]).toEqual([20, 0])
      const [claim] = await test.core.database.rows(sql`
        select streak, credits from daily_claims where user_id = ${await idOf('bob')}::uuid`)
      expect(claim).toEqual({ streak: 3, credits: 0 })
      await joinBoth('ann', 'bob')
      expect(await balanceOf('ann')).toBe(20)
    }
  })

  it('pools no welcome grants of throw-away identities, also not with requests under way', async () => {
    await balanceOf('ann')
    for (const who of ['t1', 't2', 't3']) {
      const calls = [await test.say('a cat', { who }), await test.say('a dog', { who })]
      await joinBoth('ann', who)
      const waiting = (await requestsOf('ann')).filter(({ state }) => state === 'queued')
      expect(waiting).toHaveLength(calls.length)
      for (const { id } of waiting) await cancel(test.core, await idOf('ann'), id)
      expect(await balanceOf('ann')).toBe(20)
    }
    const rest = await test.core.database.rows(sql`select id from users where debt <> 0 or held <> 0 or in_flight <> 0`)
    expect(rest).toEqual([])
  })

  it('pools no daily and referral credits of an account that leaves and joins again', async () => {
    await joinBoth('ann', 'bob')
    for (const source of ['daily', 'referral'] as const) {
      await say('bob', '/unlink')
      await grant(test.core, { userId: await idOf('bob'), amount: 5, source, key: source })
      await give('bob', 2)
      expect(await joinBoth('ann', 'bob')).toContain('5 credits of the second one')
    }
    expect(await balanceOf('ann')).toBe(20 + 2 + 2)
  })

  it('gives back what requests under way had of other credits', async () => {
    await balanceOf('ann')
    await give('bob', 7)
    await test.core.database.rows(sql`
      insert into ledger (user_id, kind, amount, source) values (${await idOf('bob')}::uuid, 'take', -20, 'gift')`)
    const calls = await Promise.all([1, 2, 3].map(() => test.say('a cat', { who: 'bob' })))
    // of the 20 + 7 credits 20 are gone, 3 are held, and 4 are what is left of the welcome grant
    expect(await joinBoth('ann', 'bob')).toContain('4 credits of the second one')
    await test.work()
    for (const call of calls) expect(await test.ended(call)).toBe('delivered')
    expect(await balanceOf('ann')).toBe(20)
    expect(await test.core.database.rows(sql`select id from users where debt <> 0 or held <> 0`)).toEqual([])
  })

  it('lets the debt of one be paid by the credits of the other', async () => {
    await balanceOf('ann')
    const debtor = await idOf('bob')
    await test.core.database.rows(sql`
      insert into ledger (user_id, kind, amount, debt, source) values (${debtor}::uuid, 'take', -20, 8, 'order')`)
    await joinBoth('ann', 'bob')
    expect(await balanceOf('ann')).toBe(12)
    expect(await test.core.database.rows(sql`select id from users where debt <> 0`)).toEqual([])
  })

  it('leaves a debt that the credits of both do not cover', async () => {
    await balanceOf('ann')
    await test.core.database.rows(sql`
      insert into ledger (user_id, kind, amount, debt, source)
      values (${await idOf('bob')}::uuid, 'take', -20, 25, 'order')`)
    await joinBoth('ann', 'bob')
    expect(await balanceOf('ann')).toBe(0)
    expect(await say('bob', '/unlink')).toContain('owes 5 credits')
    await give('bob', 7)
    expect(await balanceOf('bob')).toBe(2)
    expect(await say('bob', '/unlink')).toContain('account of your own')
  })

  it('joins three accounts in any order into the oldest', async () => {
    const oldest = await idOf('ann')
    await joinBoth('bob', 'eve')
    await joinBoth('eve', 'ann')
    expect([await idOf('bob'), await idOf('eve')]).toEqual([oldest, oldest])
    const joined = await test.core.database.rows<{ into: string }>(sql`
      select distinct joined_into as into from users where joined_into is not null`)
    expect(joined).toEqual([{ into: oldest }])
    expect(await balanceOf('eve')).toBe(20)
  })

  it('gives to the heir what an account gets after it was joined, also a ban', async () => {
    await idOf('ann')
    const old = await idOf('bob')
    await joinBoth('ann', 'bob')
    await grant(test.core, { userId: old, amount: 9, source: 'admin', actor: 'test', key: 'late' })
    await saveSettings(test.core, { userId: old }, { language: 'zh' })
    expect(await balanceOf('ann')).toBe(29)
    const [row] = await test.core.database.rows<{ user: string }>(sql`select user_id as user from user_settings`)
    expect(row?.user).toBe(await idOf('ann'))
    await test.core.database.rows(sql`update users set banned = true where id = ${old}::uuid`)
    expect(await test.core.database.rows(sql`select name from users where banned order by name`)).toEqual([
      { name: 'ann' },
      { name: 'bob' },
    ])
  })
})
