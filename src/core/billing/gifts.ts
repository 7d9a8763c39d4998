/** Credits that one person gives to another. */
import { sql } from 'drizzle-orm'
import type { Db } from '../../db/database.ts'
import { assertNotBanned, lockAccounts, withOwn } from '../accounts/lock.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { callHash } from '../ids.ts'
import { type Granted, grant } from './ledger.ts'

/** Credits that one person may give away in a UTC day. */
export const maxGiftsPerDay = 100

interface Gift {
  from: string
  to: string
  amount: number
  /** Of the call: the same call again changes nothing. */
  key: string
}

/**
 * Resolves to the giver's account. The welcome, daily, role and referral credits that are not spent yet cannot be given away, so that
 * fresh accounts cannot be emptied into one, and neither can as many credits as the account owes. Throws AppError
 * bad_amount, gift_to_self, gift_limit, not_giftable, banned, unknown_user.
 */
export async function give(core: Core, { from, to, amount, key }: Gift): Promise<Granted> {
  if (!Number.isInteger(amount) || amount < 1) throw new AppError('bad_amount', { amount, limit: maxGiftsPerDay })
  return core.database.db.transaction(async (tx) => {
    const accounts = await lockAccounts(core, tx, [from, to])
    const [giver, receiver] = [accounts.get(from), accounts.get(to)]
    if (!giver || !receiver || receiver.closedAt !== null) throw new AppError('unknown_user', { user: to })
    if (giver.id === receiver.id) throw new AppError('gift_to_self')
    assertNotBanned(giver)
    const call = callHash(core, key)
    const out = { userId: giver.id, amount: -amount, source: 'gift', key: `gift:${call}:out` } as const
    const { given, giftable, isDone } = await givingStandingOf(core, tx, { userId: giver.id, key: out.key })
    if (isDone) return { fresh: false, balance: giver.balance, debt: giver.debt }
    if (given + amount > maxGiftsPerDay) {
      throw new AppError('gift_limit', { limit: maxGiftsPerDay, left: maxGiftsPerDay - given })
    }
    if (amount > giftable) throw new AppError('not_giftable', { giftable, balance: giver.balance })
    await grant(core, { userId: receiver.id, amount, source: 'gift', key: `gift:${call}:in` }, tx)
    return grant(core, out, tx)
  })
}

export interface Standing {
  /** Credits given away today. */
  given: number
  giftable: number
  /** An earlier delivery of the call made this gift. */
  isDone: boolean
}

/**
 * Requests use free credits first, so a refund gives free ones back: they spend what was granted and is neither in the balance nor taken. Credits that moved within
 * the person's own accounts (link, late) cancel out, but for those that joining took back. All of it is read by the index of
 * granted and taken entries, because an account may have millions of others.
 */
export async function givingStandingOf(
  core: Core,
  tx: Db,
  { userId, key }: { userId: string; key: string },
): Promise<Standing> {
  // unchecked row: expressions
  const [row] = await core.database.rows<Standing>(
    sql`
      ${withOwn(userId)}, moved as (
        select coalesce(sum(amount), 0)::int as granted,
          coalesce(sum(amount) filter (where source in ('welcome','daily','role','referral','refund','link','late')), 0)::int as free,
          coalesce(-sum(amount) filter (where source = 'gift' and kind = 'take'
            and created_at >= date_trunc('day', now() at time zone 'UTC') at time zone 'UTC'), 0)::int as given,
          coalesce(bool_or(key = ${key}), false) as done
        from ledger where user_id in (select id from own) and source is not null),
      spent as (
        select (select granted from moved) - sum(balance)::int as amount from users where id in (select id from own))
      select given, done as "isDone", greatest(
        (select balance - debt from users where id = ${userId}::uuid) - greatest(free - spent.amount, 0), 0)::int as giftable
      from moved, spent`,
    tx,
  )
  return row ?? { given: 0, giftable: 0, isDone: false }
}
