/** Daily credits: once in a UTC day, and more for each day in a row. */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { dailyClaims } from '../../db/schema/billing.ts'
import { assertNotBanned, lockAccount, withOwn } from '../accounts/lock.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { type Granted, grant } from './ledger.ts'

/** The second day in a row gives one credit more than the first, and so on up to this many. */
export const maxStreakBonus = 5

export interface Daily extends Granted {
  credits: number
  /** Days in a row, with this one. */
  streak: number
  /** Credits for the next day, if the person claims them. */
  next: number
  nextAt: Date
}

const columns = columnsOf(
  {
    credits: dailyClaims.credits,
    streak: dailyClaims.streak,
    day: typed<string>(sql`to_char(day, 'YYYY-MM-DD')`),
    nextAt: typed<Date>(sql`(day + 1)::timestamp at time zone 'UTC'`),
  },
  '',
)

const today = sql`(now() at time zone 'UTC')::date`

/** Resolves to what was claimed today, now or before. Throws AppError daily_off, banned. */
export async function claimDaily(core: Core, userId: string): Promise<Daily> {
  const { daily } = core.limits
  if (daily === 0) throw new AppError('daily_off')
  return core.database.db.transaction(async (tx) => {
    const account = await lockAccount(core, tx, userId)
    assertNotBanned(account)
    const { id } = account
    const last = sql`select day, streak from daily_claims where user_id in (select id from own) order by day desc limit 1`
    const inserted = await readRows(
      core.database,
      columns,
      (list) => sql`
        ${withOwn(id)}, last as (${last}), streak as (
          select coalesce((select last.streak + 1 from last where day = ${today} - 1), 1) as days)
        insert into daily_claims (user_id, day, streak, credits)
        select ${id}::uuid, ${today}, days, ${daily}::int + least(days - 1, ${maxStreakBonus}::int) from streak
        where not exists (select from last where day >= ${today})
        returning ${list}`,
      tx,
    )
    const [claim] =
      inserted.length > 0
        ? inserted
        : await readRows(
            core.database,
            columns,
            (list) => sql`
        ${withOwn(id)} select ${list} from daily_claims
        where user_id in (select id from own) order by daily_claims.day desc limit 1`,
            tx,
          )
    if (!claim) throw new AppError('unknown_user', { user: userId })
    const { credits, streak, day, nextAt } = claim
    const next = daily + Math.min(streak, maxStreakBonus)
    const granted =
      inserted.length > 0
        ? await grant(core, { userId: id, amount: credits, source: 'daily', key: `daily:${id}:${day}` }, tx)
        : { fresh: false, balance: account.balance, debt: account.debt }
    return { ...granted, credits, streak, next, nextAt }
  })
}
