/** People. One account may have several identities ('discord:123', 'telegram:456', 'web:…'). */
import { asc, desc, eq, inArray, or, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { identities, users } from '../../db/schema/accounts.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import type { Identity } from '../ports/chat.ts'
import { keptBan } from './bans.ts'

export interface Account {
  id: string
  name: string
  balance: number
  held: number
  inFlight: number
}

const maxCached = 10_000

/** Account id of a person, created with its welcome credits at the first call. An identity never changes its account. */
export async function accountOf(core: Core, from: Identity): Promise<string> {
  const cache = core.accountIds
  const stamp = `${from.id}\n${from.name}\n${from.handle ?? ''}`
  const cached = cache.get(stamp)
  if (cached !== undefined) return cached
  const id = (await updateIdentity(core, from)) ?? (await createAccount(core, from))
  if (cache.size >= maxCached) cache.clear()
  cache.set(stamp, id)
  return id
}

/** Throws AppError unknown_user. */
export async function readAccount(core: Core, userId: string): Promise<Account> {
  const [account] = await core.database.db
    .select({ id: users.id, name: users.name, balance: users.balance, held: users.held, inFlight: users.inFlight })
    .from(users)
    .where(eq(users.id, userId))
  if (!account) throw new AppError('unknown_user', { user: userId })
  return account
}

/**
 * The account of an identity ('telegram:123'), a handle ('name'), or a platform's own id ('123'). Handles and ids are looked
 * up on `surface` first. Throws AppError unknown_user for a person who has never used the service.
 */
export async function findAccount(
  core: Core,
  surface: string,
  written: string,
): Promise<{ userId: string; name: string }> {
  const name = written.trim().toLowerCase()
  const here = `${surface}:${name}`
  const isHere = sql`(${sql`lower(${identities.id})`} = ${here})`
  const isId = sql`(lower(${identities.id}) = ${name})`
  const [found] = await core.database.db
    .select({ userId: identities.userId, name: identities.name })
    .from(identities)
    .where(or(inArray(sql`lower(${identities.id})`, [name, here]), eq(identities.handle, name)))
    .orderBy(
      desc(isHere),
      desc(isId),
      desc(sql`starts_with(${identities.id}, ${`${surface}:`})`),
      asc(identities.createdAt),
    )
    .limit(1)
  if (!found) throw new AppError('unknown_user', { user: written })
  return found
}

/** undefined: no such identity yet. */
async function updateIdentity(core: Core, { id, name, handle }: Identity): Promise<string | undefined> {
  const [row] = await core.database.db
    .update(identities)
    .set({ name, handle: handle?.toLowerCase() ?? null })
    .where(eq(identities.id, id))
    .returning({ userId: identities.userId })
  return row?.userId
}

/** One statement: two processes that meet the same person at once create one account and one welcome grant. */
async function createAccount(core: Core, from: Identity): Promise<string> {
  const id = uuidv7()
  const { welcome } = core.limits
  try {
    await core.database.rows(sql`
      with account as (
          insert into users (id, name, banned, banned_until, ban_reason)
          select ${id}::uuid, ${from.name}, banned, until, reason from (${keptBan(core, from.id)}) kept returning id),
        identity as (
          insert into identities (id, user_id, name, handle)
          select ${from.id}, id, ${from.name}, ${from.handle?.toLowerCase() ?? null} from account)
      insert into ledger (user_id, kind, amount, source, key)
      select id, 'grant', ${welcome}::int, 'welcome', ${`welcome:${from.id}`} from account
      where ${welcome}::int > 0`)
    return id
  } catch (error) {
    const other = await updateIdentity(core, from)
    if (other === undefined) throw error
    return other
  }
}
