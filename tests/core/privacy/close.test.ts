import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { accountOf, readAccount } from '../../../src/core/accounts/accounts.ts'
import { refundRequest } from '../../../src/core/billing/adjust.ts'
import { createCode, redeemCode } from '../../../src/core/billing/codes.ts'
import { claimDaily } from '../../../src/core/billing/daily.ts'
import { grant } from '../../../src/core/billing/ledger.ts'
import { openOrder, payOrder } from '../../../src/core/billing/orders.ts'
import { acceptInvitation, referralCodeOf } from '../../../src/core/billing/referrals.ts'
import { AppError } from '../../../src/core/errors.ts'
import { deleteDue } from '../../../src/core/media/deletions.ts'
import { forgetOldUploads } from '../../../src/core/media/uploads.ts'
import { clearClosedAccounts, closeAccount } from '../../../src/core/privacy/close.ts'
import { databases } from '../../helpers/backends.ts'
import { dump, linesWith } from '../../helpers/dump.ts'
import { violations } from '../../helpers/invariants.ts'
import { identity, mark, openPerson, who } from './person.ts'

describe.each(databases())('deleting an account on %s', (kind) => {
  let person: Awaited<ReturnType<typeof openPerson>>
  let { test, rows, say, press } = {} as typeof person
  let hold: Promise<void> | undefined

  beforeEach(async () => {
    hold = undefined
    person = await openPerson(kind, () => hold)
    ;({ test, rows, say, press } = person)
  })
  afterEach(() => test.close())

  /** The buttons of the question before the account is deleted. */
  const question = async () => {
    const { address } = await say('/privacy delete')
    return (test.chat.last(address)?.buttons ?? []).flat()
  }
  const close = async () => press((await question())[0]?.id ?? '')
  const state = async (userId: string) =>
    (
      await rows<{ name: string; balance: number; closed: boolean; cleared: boolean }>(sql`
        select name, balance, closed_at is not null as closed, cleared_at is not null as cleared
        from users where id = ${userId}::uuid`)
    )[0]
  const later = async () => {
    await rows(sql`update users set closed_at = now() - interval '20 minutes' where closed_at is not null`)
    await clearClosedAccounts(test.core)
  }

  it('leaves none of the words, ids and pictures of the person', async () => {
    const { log, objects, plant } = person
    const { userId } = await plant()
    expect(objects.size).toBeGreaterThan(4)
    expect(linesWith(await dump(test.core.database), [mark]).length).toBeGreaterThan(15)
    expect((await close())?.text).toMatch(/Your account is deleted/)
    await forgetOldUploads(test.core)
    await deleteDue(test.core)
    expect(linesWith(await dump(test.core.database), [mark])).toEqual([])
    expect(await rows(sql`select message from sent_messages where asked_by <> ''`)).toEqual([{ message: '0:5' }])
    const [others] = await rows<{ id: string }>(sql`select id from generations where erased_at is null`)
    expect([...objects].filter((key) => !key.includes(others?.id ?? ''))).toEqual([])
    expect(await state(userId)).toEqual({ name: '', balance: 0, closed: true, cleared: false })
    await later()
    expect(await state(userId)).toEqual({ name: '', balance: 0, closed: true, cleared: true })
    expect(await violations(test.core.database)).toEqual([])
    expect(
      linesWith(
        log.lines.filter((line) => !line.startsWith('debug')),
        [mark],
      ),
    ).toEqual([])
  })

  it('deletes the messages that show results, also those in a chat that was away', async () => {
    const call = await say('a cat')
    await test.ended(call)
    const { chat } = test
    const remove = chat.remove
    Object.assign(chat, { remove: () => Promise.reject(new AppError('chat_unavailable')) })
    await close()
    expect(chat.last(call.address)?.text).toContain('a cat')
    Object.assign(chat, { remove })
    await clearClosedAccounts(test.core)
    expect(chat.last(call.address)).toBeUndefined()
    expect(await rows(sql`select from sent_messages`)).toEqual([])
  })

  it('stops requests under way first, and forfeits the balance by an entry', async () => {
    hold = new Promise(() => {})
    const call = await say('a slow cat')
    const userId = await accountOf(test.core, { id: identity, name: who })
    await close()
    expect(await rows(sql`select state from generations`)).toEqual([{ state: 'cancelled' }])
    const entries = await rows(sql`select kind, amount, source from ledger where user_id = ${userId}::uuid order by id`)
    expect(entries.at(-1)).toEqual({ kind: 'take', amount: -20, source: 'closing' })
    expect(await readAccount(test.core, userId)).toMatchObject({ balance: 0, held: 0, inFlight: 0 })
    expect(test.chat.last(call.address)).toBeUndefined()
  })

  it('gives the person a new account on return, without a second welcome grant', async () => {
    await say('a cat')
    const before = await accountOf(test.core, { id: identity, name: who })
    const [button] = await question()
    await press(button?.id ?? '')
    expect((await press(button?.id ?? ''))?.text).toMatch(/Your account is deleted/)
    expect(await rows(sql`select from identities where id = ${identity}`)).toEqual([])
    const after = await accountOf(test.core, { id: identity, name: who })
    expect(after).not.toBe(before)
    expect(await readAccount(test.core, after)).toMatchObject({ name: who, balance: 0 })
  })

  it('remembers in each later account what a person may take once, also without welcome credits', async () => {
    const { core } = test
    Object.assign(core.limits, { welcome: 0, daily: 5 })
    const again = () => accountOf(core, { id: identity, name: who })
    await again()
    await close()
    const second = await again()
    const code = await createCode(core, { credits: 50, uses: 9, actor: 'test:root', key: 'a' })
    expect((await redeemCode(core, second, code)).fresh).toBe(true)
    expect((await claimDaily(core, second)).fresh).toBe(false)
    await close()
    const third = await again()
    expect((await redeemCode(core, third, code).catch(() => ({ fresh: false }))).fresh).toBe(false)
    expect((await claimDaily(core, third)).fresh).toBe(false)
    const inviter = await accountOf(core, { id: 'test:eve', name: 'eve' })
    const invitation = await referralCodeOf(core, inviter)
    await expect(acceptInvitation(core, third, invitation)).rejects.toMatchObject({ kind: 'not_invitable' })
    expect(await readAccount(core, third)).toMatchObject({ balance: 0 })
  })

  it('leaves a debt to the next account of the person, once', async () => {
    const { core } = test
    const again = () => accountOf(core, { id: identity, name: who })
    const debtOf = async () => (await readAccount(core, await again())).debt
    await rows(sql`
      insert into ledger (user_id, kind, amount, debt, source) values (${await again()}::uuid, 'take', -20, 8, 'order')`)
    await close()
    expect(await debtOf()).toBe(8)
    await grant(core, { userId: await again(), amount: 3, source: 'admin', key: 'pays 3' })
    await close()
    expect(await debtOf()).toBe(5)
    await grant(core, { userId: await again(), amount: 5, source: 'admin', key: 'pays 5' })
    await close()
    expect(await debtOf()).toBe(0)
    expect(await violations(core.database)).toEqual([])
  })

  it('closes no account that was joined with another one meanwhile', async () => {
    const userId = await accountOf(test.core, { id: identity, name: who })
    const heir = await accountOf(test.core, { id: 'test:eve', name: 'eve' })
    await rows(sql`update users set joined_into = ${heir}::uuid where id = ${userId}::uuid`)
    await expect(closeAccount(test.core, userId)).rejects.toMatchObject({ kind: 'confirmation_over' })
    expect([await state(userId), await state(heir)]).toMatchObject([{ closed: false }, { closed: false }])
  })

  it('gives a closed account neither what it pays for nor what it gets back', async () => {
    const { core } = test
    await test.ended(await say('a cat'))
    const userId = await accountOf(core, { id: identity, name: who })
    const order = { userId, platform: 'test', item: 'pack', credits: 100, amount: 5, currency: 'XTR' }
    const orderId = await openOrder(core, order)
    const [drawn] = await rows<{ id: string }>(sql`select id from generations`)
    await close()
    await expect(payOrder(core, { charge: 'test:1', orderId })).rejects.toMatchObject({ kind: 'account_closed' })
    const refund = refundRequest(core, { id: drawn?.id ?? '', actor: 'test:root', key: 'refund' })
    await expect(refund).rejects.toMatchObject({ kind: 'account_closed' })
    expect(await state(userId)).toMatchObject({ balance: 0 })
    expect(await rows(sql`select from payments`)).toEqual([])
  })

  it('is noticed by a process that still has the account in its cache', async () => {
    const { core, chat } = test
    const userId = await accountOf(core, { id: identity, name: who, handle: who })
    const [entry] = core.accountIds
    await close()
    core.accountIds.set(entry?.[0] ?? '', userId)
    const asked = await say('a cat')
    expect(chat.last(asked.address)?.content).toMatchObject({ error: 'no_credits' })
    expect(await accountOf(core, { id: identity, name: who, handle: who })).not.toBe(userId)
  })

  it('keeps a ban', async () => {
    const userId = await accountOf(test.core, { id: identity, name: who })
    await rows(sql`update users set banned = true, ban_reason = 'rude' where id = ${userId}::uuid`)
    await close()
    const { address } = await say('a cat')
    expect(test.chat.last(address)?.content).toMatchObject({ error: 'banned', data: { reason: 'rude' } })
  })

  it('needs a press of the same person before the button expires', async () => {
    const userId = await accountOf(test.core, { id: identity, name: who })
    const [button, keep] = await question()
    const { id = '' } = button ?? {}
    await accountOf(test.core, { id: 'test:eve', name: 'eve' })
    expect((await press(id, 'eve'))?.content).toMatchObject({ error: 'not_yours' })
    const [, , ref = ''] = id.split(':')
    const longer = (Number.parseInt(ref, 36) + 60_000).toString(36)
    expect((await press(id.replace(/\w+\./, `${longer}.`)))?.content).toMatchObject({ error: 'not_yours' })
    expect((await press(keep?.id ?? ''))?.text).toMatch(/stays/)
    expect(await state(userId)).toMatchObject({ closed: false })
  })
})
