/**
 * The pool of a group: an account without identities that members put credits into, and that pays for those whose own do not suffice, up to
 * a number of credits a day. What comes back from a request goes to the pool, and to the member's day (drizzle/0023_group_rules.sql).
 */
import { eq, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import type { Db } from '../../db/database.ts'
import { users } from '../../db/schema/accounts.ts'
import { poolDraws } from '../../db/schema/billing.ts'
import { chatRules } from '../../db/schema/settings.ts'
import { identityHash } from '../accounts/bans.ts'
import { assertNotBanned, lockAccount } from '../accounts/lock.ts'
import { chatOf } from '../chats/rules.ts'
import type { Candidate, Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { callHash } from '../ids.ts'
import { givingStandingOf } from './gifts.ts'
import { type Granted, grant } from './ledger.ts'

export interface Pool {
  /** Of its account. null: no credits were put into it yet. */
  id: string | null
  balance: number
  /** Credits that a member may draw in a UTC day. 0: none. */
  cap: number
  /** Of these, the member has drawn. */
  drawn: number
}

const today = sql`(now() at time zone 'UTC')::date`
/** Rows that the sweeper changes at once. */
const batchRows = 1_000

const columns = columnsOf({
  id: typed<string | null>(users.id),
  balance: typed<number>(sql`coalesce(${users.balance}, 0)`),
  cap: typed<number>(sql`coalesce(${chatRules.poolCap}, 0)`),
  drawn: typed<number>(sql`coalesce(${poolDraws.credits}, 0)`),
})

type Where = Pick<Candidate, 'surface' | 'place' | 'member'>

/** As the member sees it. undefined: the group has no rules, or it is no group. */
export async function poolOf(core: Pick<Core, 'database' | 'secretKey'>, where: Where): Promise<Pool | undefined> {
  const chat = chatOf(where)
  if (chat === undefined || where.member === undefined) return undefined
  const [pool] = await readRows(
    core.database,
    columns,
    (list) => sql`
      select ${list} from chat_rules left join users on users.id = chat_rules.pool_id
      left join pool_draws on pool_draws.chat = chat_rules.chat and pool_draws.day = ${today}
        and pool_draws.member = ${identityHash(core, where.member ?? '')}
      where chat_rules.chat = ${chat}`,
  )
  return pool
}

/** The request as the pool pays for it. undefined: the group has no pool for members, or it does not suffice for this one today. */
export async function fromPool(core: Core, candidate: Candidate): Promise<Candidate | undefined> {
  const { payer, member, price } = candidate
  // a request that another account pays for does not draw
  if (payer !== undefined || member === undefined) return undefined
  const pool = await poolOf(core, candidate)
  if (!pool?.id || pool.drawn + price > pool.cap || pool.balance < price) return undefined
  return { ...candidate, payer: pool.id, drawsAs: identityHash(core, member) }
}

interface Funding {
  userId: string
  chat: string
  amount: number
  /** Of the call: the same call again changes nothing. */
  key: string
}

/**
 * Moves credits of a member into the pool. Free credits cannot be put there, as they cannot be given away. Resolves to the member's account.
 * Throws AppError bad_amount, not_giftable, banned, unknown_user.
 */
export async function fund(core: Core, { userId, chat, amount, key }: Funding): Promise<Granted> {
  if (!Number.isInteger(amount) || amount < 1) throw new AppError('bad_amount', { amount })
  return core.database.db.transaction(async (tx) => {
    // first the group, then the person and then the pool, as the accepting statement and the ends of requests lock them
    const pool = await openPool(core, tx, chat)
    const giver = await lockAccount(core, tx, userId)
    assertNotBanned(giver)
    const call = callHash(core, key)
    const out = { userId: giver.id, amount: -amount, source: 'pool', key: `pool:${call}:out` } as const
    const { giftable, isDone } = await givingStandingOf(core, tx, { userId: giver.id, key: out.key })
    if (isDone) return { fresh: false, balance: giver.balance, debt: giver.debt }
    if (amount > giftable) throw new AppError('not_giftable', { giftable, balance: giver.balance })
    await grant(core, { userId: pool, amount, source: 'pool', key: `pool:${call}:in` }, tx)
    return grant(core, out, tx)
  })
}

/** The account of the pool, opened with the first credits. */
async function openPool(core: Core, tx: Db, chat: string): Promise<string> {
  await core.database.rows(sql`insert into chat_rules (chat) values (${chat}) on conflict do nothing`, tx)
  const [rules] = await tx
    .select({ id: chatRules.poolId })
    .from(chatRules)
    .where(eq(chatRules.chat, chat))
    .for('update')
  if (rules?.id) return rules.id
  const id = uuidv7()
  await tx.insert(users).values({ id, name: chat })
  await tx.update(chatRules).set({ poolId: id }).where(eq(chatRules.chat, chat))
  return id
}

/** For the sweeper: who drew counts on that day only. The row stays, because requests refer to it. */
export async function forgetOldDraws({ database }: Pick<Core, 'database'>): Promise<void> {
  await database.rows(sql`
    update pool_draws set member = id::text where id in (
      select id from pool_draws where day < ${today} - 2 and member <> id::text limit ${batchRows} for update skip locked)`)
}

/** In the statement that accepts requests (generation/accept.ts): whether the rules, which are locked, let the member draw so much on the pool at all. */
export const mayDraw = sql`(calls."drawsAs" is null or exists (select from rules where pool_id = calls.payer and pool_cap >= calls.price))`

/** Of the same statement. Adds to what the member has drawn today. Beyond the cap, it breaks the constraint `pool_draws_within_cap`. */
export const draws = sql`
  insert into pool_draws as d (chat, day, member, credits, cap)
  select chat, (now() at time zone 'UTC')::date, "drawsAs", price, pool_cap from admitted join rules using (chat)
  where "drawsAs" is not null
  on conflict (chat, day, member) do update set credits = d.credits + excluded.credits, cap = excluded.cap
  returning id, chat, member`
