/**
 * Credits. Every change is one inserted row; a trigger moves the balance with it, and constraints refuse a balance below zero,
 * a second hold, or a second resolution of one generation (drizzle/0001_money.sql). A hold (generation/accept.ts) ends as
 * capture or release (generation/end.ts); grants and takes are here.
 */
import { and, between, desc, eq, ne, type SQL, sql } from 'drizzle-orm'
import { type Db, violates } from '../../db/database.ts'
import { users } from '../../db/schema/accounts.ts'
import { type EntryKind, type EntrySource, ledger } from '../../db/schema/ledger.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { picturePartNames } from './quote.ts'

export interface Entry {
  kind: EntryKind
  amount: number
  /** Of grants and takes. */
  source: EntrySource | null
  reason: string | null
  generationId: string | null
  createdAt: Date
}

/** Credits that one grant may give or take. */
export const maxGrant = 1_000_000

export interface Grant {
  userId: string
  /** Negative: takes credits away. */
  amount: number
  source: EntrySource
  /** Words of the person who gave or took. */
  reason?: string
  /** The identity that gave or took. Absent: the service. */
  actor?: string
  /** The same key again changes nothing. */
  key: string
}

export interface Granted {
  /** False when the key was used before: then nothing has changed. */
  fresh: boolean
  balance: number
  debt: number
}

/**
 * Credits pay off debt first. Resolves to the account after it. `on`: the transaction that it is part of. Throws AppError
 * bad_amount, or no_credits when there are fewer to take.
 */
export async function grant(core: Core, given: Grant, on: Db = core.database.db): Promise<Granted> {
  const { userId, amount, source, reason, actor, key } = given
  if (!Number.isInteger(amount) || amount === 0 || Math.abs(amount) > maxGrant) {
    throw new AppError('bad_amount', { amount, limit: maxGrant })
  }
  const kind = amount > 0 ? 'grant' : 'take'
  try {
    const inserted = await core.database.rows(
      sql`
        insert into ledger (user_id, kind, amount, source, reason, actor, key)
        values (${userId}, ${kind}, ${amount}, ${source}, ${reason || null}, ${actor ?? null}, ${key})
        on conflict (key) do nothing returning id`,
      on,
    )
    return { fresh: inserted.length > 0, ...(await standingOf(userId, on)) }
  } catch (error) {
    if (violates(error, 'users_balance_not_negative')) throw new AppError('no_credits', { price: -amount })
    throw error
  }
}

/** Takes credits that a payment gave. Those that are spent already become debt. The account is locked in the transaction `tx`. */
export async function takeBack(
  core: Core,
  { userId, amount, source, actor, key }: Omit<Grant, 'reason'>,
  tx: Db,
): Promise<Granted> {
  const inserted = await core.database.rows(
    sql`
      insert into ledger (user_id, kind, amount, debt, source, actor, key)
      select id, 'take', -least(balance, ${amount}::int), ${amount}::int - least(balance, ${amount}::int), ${source},
        ${actor ?? null}, ${key}
      from users where id = ${userId}::uuid on conflict (key) do nothing returning id`,
    tx,
  )
  return { fresh: inserted.length > 0, ...(await standingOf(userId, tx)) }
}

async function standingOf(userId: string, on: Db): Promise<{ balance: number; debt: number }> {
  const [row] = await on.select({ balance: users.balance, debt: users.debt }).from(users).where(eq(users.id, userId))
  return row ?? { balance: 0, debt: 0 }
}

/**
 * Entries that moved the balance, newest first. The range of a single account, and the sorting by account, keep the planner from reading
 * the primary key backwards, with every later entry of other accounts.
 */
export async function lastEntries(core: Core, userId: string, limit: number): Promise<Entry[]> {
  return core.database.db
    .select({
      kind: ledger.kind,
      amount: ledger.amount,
      source: ledger.source,
      reason: ledger.reason,
      generationId: ledger.generationId,
      createdAt: ledger.createdAt,
    })
    .from(ledger)
    .where(and(between(ledger.userId, userId, userId), ne(ledger.amount, 0)))
    .orderBy(desc(ledger.userId), desc(ledger.id))
    .limit(limit)
}

const storedOutputs = sql`select count(*)::int from images where generation_id = e.id and role = 'output'`

/**
 * Resolves the holds of the generations in `ended` (name of a CTE): captured for what arrived, or released. Part of the statement
 * that ends them, so that state and money never disagree. `arrived`: a query for the number of pictures of `e`, where the statement itself
 * stores them. Accounts are locked in the order of the entries, so that two statements never wait for each other.
 */
export function resolution(ended: SQL, kind: 'capture' | 'release', arrived = storedOutputs): SQL {
  const back = kind === 'release' ? sql`price` : missing
  return sql`insert into ledger (user_id, generation_id, kind, amount, held)
    select payer_id, id, ${kind}, ${back}, -price from ${ended} e cross join lateral (${arrived}) pictures(arrived)
    order by payer_id`
}

/**
 * Credits of the pictures that did not arrive, and of an enhancement that failed (quote.ts `chargedFor`). Rows without a quote are
 * older: all of their price is for pictures.
 */
const missing = sql`(case
  when quote is null then price - price * arrived / (request->>'count')::int
  when arrived = 0 then price
  else (
    select coalesce(sum(case
      when part->>'part' in (${sql.join(
        picturePartNames.map((name) => sql`${name}`),
        sql`, `,
      )}) then (part->>'each')::int * greatest(0, (part->>'count')::int - arrived)
      when part->>'part' = 'enhance' and notes @> '[{"kind": "not_enhanced"}]' then (part->>'credits')::int
      else 0 end), 0)
    from jsonb_array_elements(quote->'parts') part)
  end)::int`
