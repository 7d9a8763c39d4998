/** People: one account may have several identities ('discord:123', 'telegram:456', 'web:…'). */
import { eq, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { identities } from '../../db/schema/accounts.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import type { Call } from '../ports/chat.ts'

export interface Account {
  id: string
  name: string
  balance: number
  held: number
  inFlight: number
}

/** Identity → account id, for people seen lately. An identity does not change its account. */
const seen = new WeakMap<Core, Map<string, string>>()
const seenLimit = 10_000

/** The account of whoever called, made with its welcome credits at the first call. */
export async function accountOf(core: Core, from: Call['from']): Promise<string> {
  const cache = seen.get(core) ?? new Map<string, string>()
  seen.set(core, cache)
  const stamp = `${from.id}\n${from.name}\n${from.handle ?? ''}`
  const known = cache.get(stamp)
  if (known !== undefined) return known
  const id = (await renamed(core, from)) ?? (await created(core, from))
  if (cache.size >= seenLimit) cache.clear()
  cache.set(stamp, id)
  return id
}

export async function readAccount(core: Core, userId: string): Promise<Account> {
  const [account] = await core.database.rows<Account>(
    sql`select id, name, balance, held, in_flight as "inFlight" from users where id = ${userId}`,
  )
  if (!account) throw new AppError('unknown_user', { user: userId })
  return account
}

/**
 * '@name', '<@123>', '123', 'telegram:123' or '@me' → account id. Names and numbers are looked up on the caller's own
 * surface first. Throws AppError unknown_user for somebody who has never spoken to us.
 */
export async function findAccount(core: Core, call: Call, written: string): Promise<{ userId: string; name: string }> {
  const name = written
    .trim()
    .replace(/^<@!?(\d+)>$/, '$1')
    .replace(/^@/, '')
    .toLowerCase()
  if (name === 'me') return { userId: await accountOf(core, call.from), name: call.from.name }
  const here = `${call.surface}:${name}`
  const [found] = await core.database.rows<{ userId: string; name: string }>(sql`
    select user_id as "userId", name from identities
    where lower(id) in (${name}, ${here}) or handle = ${name}
    order by (lower(id) = ${here}) desc, (lower(id) = ${name}) desc, (id like ${`${call.surface}:%`}) desc, created_at
    limit 1`)
  if (!found) throw new AppError('unknown_user', { user: written })
  return found
}

async function renamed(core: Core, from: Call['from']): Promise<string | undefined> {
  const [row] = await core.database.db
    .update(identities)
    .set({ name: from.name, handle: from.handle?.toLowerCase() ?? null })
    .where(eq(identities.id, from.id))
    .returning({ userId: identities.userId })
  return row?.userId
}

/** One statement: two processes that meet the same stranger at once end with one account and one welcome. */
async function created(core: Core, from: Call['from']): Promise<string> {
  const id = uuidv7()
  try {
    await core.database.rows(sql`
      with account as (insert into users (id, name) values (${id}, ${from.name}) returning id),
        identity as (
          insert into identities (id, user_id, name, handle)
          select ${from.id}, id, ${from.name}, ${from.handle?.toLowerCase() ?? null} from account)
      insert into ledger (user_id, kind, amount, reason, key)
      select id, 'grant', ${core.limits.welcome}::int, 'welcome', ${`welcome:${from.id}`} from account
      where ${core.limits.welcome}::int > 0`)
    return id
  } catch (error) {
    const other = await renamed(core, from)
    if (other === undefined) throw error
    return other
  }
}
