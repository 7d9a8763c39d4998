/**
 * Credits. Every change is one inserted row; a trigger moves the balance with it and constraints refuse what must not
 * be (drizzle/0001_money.sql): a balance below zero, a second hold or a second resolution for one generation.
 * hold (submit.ts) → capture or release (end.ts); grants and takes are here.
 */
import { type SQL, sql } from 'drizzle-orm'
import { violates } from '../../db/database.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'

export interface Entry {
  kind: string
  amount: number
  reason: string | null
  generationId: string | null
  createdAt: Date
}

const mostAtOnce = 1_000_000

export interface Grant {
  userId: string
  /** Below zero takes credits away. */
  amount: number
  reason: string
  /** Identity of who gave. */
  actor: string
  /** The same key again changes nothing. */
  key: string
}

/** Returns the balance after it. Throws AppError bad_amount, or no_credits when there is less to take. */
export async function grant(core: Core, { userId, amount, reason, actor, key }: Grant): Promise<number> {
  if (!Number.isInteger(amount) || amount === 0 || Math.abs(amount) > mostAtOnce) {
    throw new AppError('bad_amount', { amount, limit: mostAtOnce })
  }
  const kind = amount > 0 ? 'grant' : 'take'
  try {
    await core.database.rows(sql`
      insert into ledger (user_id, kind, amount, reason, actor, key)
      values (${userId}, ${kind}, ${amount}, ${reason}, ${actor}, ${key}) on conflict (key) do nothing`)
  } catch (error) {
    if (violates(error, 'users_balance_not_negative')) throw new AppError('no_credits', { price: -amount })
    throw error
  }
  const [row] = await core.database.rows<{ balance: number }>(sql`select balance from users where id = ${userId}`)
  return row?.balance ?? 0
}

/** Newest first, those that moved the balance. */
export async function lastEntries(core: Core, userId: string, limit: number): Promise<Entry[]> {
  return core.database.rows<Entry>(sql`
    select kind, amount, reason, generation_id as "generationId", created_at as "createdAt" from ledger
    where user_id = ${userId} and amount <> 0 order by id desc limit ${limit}`)
}

/**
 * Ends the holds of the generations in `ended` (a CTE's name): kept in proportion to the pictures that came, or given
 * back. Part of the statement that ends them (end.ts), so that state and money never disagree.
 */
export function resolution(ended: SQL, kind: 'capture' | 'release'): SQL {
  const back =
    kind === 'release'
      ? sql`price`
      : sql`price - price * (select count(*)::int from images where generation_id = e.id and role = 'output')
          / (request->>'count')::int`
  return sql`insert into ledger (user_id, generation_id, kind, amount, held)
    select user_id, id, ${kind}, ${back}, -price from ${ended} e`
}
