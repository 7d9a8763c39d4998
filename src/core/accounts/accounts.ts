/** People. One account may have several identities ('discord:123', 'telegram:456', 'web:…'). */
import { and, asc, desc, eq, inArray, or, type SQL, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { columnsOf, readRows } from '../../db/columns.ts'
import { identities, users } from '../../db/schema/accounts.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { isId, splitName } from '../ids.ts'
import type { Identity } from '../ports/chat.ts'
import { identityHash, keptBan } from './bans.ts'

export interface Account {
  id: string
  name: string
  balance: number
  held: number
  debt: number
  inFlight: number
}

const maxCached = 10_000

/** The key of a person's welcome grant. It has no name in it, because it outlives the account. */
const welcomeKey = (core: Pick<Core, 'secretKey'>, identity: string) => `welcome:${identityHash(core, identity)}`

/**
 * Account id of a person, created with its welcome credits at the first call. It is read each time, because joining two accounts
 * moves identities.
 */
export async function accountOf(core: Core, from: Identity): Promise<string> {
  const id = (await storedAccount(core, from)) ?? (await createAccount(core, from))
  const cache = core.accountIds
  if (cache.size >= maxCached) cache.clear()
  cache.set(stampOf(from), id)
  return id
}

/** As `accountOf`, but it opens no account. undefined: the person has none. */
export async function accountIfAny(core: Core, { id }: Pick<Identity, 'id'>): Promise<string | undefined> {
  const [row] = await core.database.db
    .select({ userId: identities.userId })
    .from(identities)
    .where(eq(identities.id, id))
  return row?.userId
}

/**
 * The account that this process saw last for the person. Only for requests that go straight to the accepting statement, which
 * compares it with the row (generation/accept.ts).
 */
export async function rememberedAccountOf(core: Core, from: Identity): Promise<string> {
  return core.accountIds.get(stampOf(from)) ?? accountOf(core, from)
}

/** The account that stands for this one now: another one, once it was joined with that. */
export const heirOf = (userId: string): SQL =>
  sql`(select coalesce(joined_into, id) from users where id = ${userId}::uuid)`

const heirColumns = columnsOf({ id: users.id })

/** For ids that were read a while ago. */
export async function currentAccount(core: Core, userId: string): Promise<string> {
  if (!isId(userId)) return userId
  const [heir] = await readRows(
    core.database,
    heirColumns,
    (list) => sql`select ${list} from users where id = ${heirOf(userId)}`,
  )
  return heir?.id ?? userId
}

/** What requests hold that were made before their account was joined with this one is held by the earlier account. */
const heldByJoined = sql<number>`${users.held} + coalesce((
  select sum(j.held)::int from users j where j.joined_into = ${users.id}), 0)`

/** Of the account that stands for this one now. Throws AppError unknown_user. */
export async function readAccount(core: Core, userId: string): Promise<Account> {
  const [account] = await core.database.db
    .select({
      id: users.id,
      name: users.name,
      balance: users.balance,
      held: heldByJoined,
      debt: users.debt,
      inFlight: users.inFlight,
    })
    .from(users)
    .where(eq(users.id, heirOf(userId)))
  if (!account) throw new AppError('unknown_user', { user: userId })
  return account
}

interface Named {
  written: string
  /** The platform whose handles and ids count. Absent: those of every platform do. */
  surface?: string
}

/**
 * The account of an identity ('telegram:123') on any platform, or of a handle ('name') or a platform's own id ('123') on one. Throws
 * AppError unknown_user for a person who has never used the service, and ambiguous if several have the handle.
 */
export async function findAccount(core: Core, { written, surface }: Named): Promise<{ userId: string; name: string }> {
  const name = written.trim().toLowerCase()
  const ids = surface === undefined ? [name] : [name, `${surface}:${name}`]
  const isNamed = inArray(sql`lower(${identities.id})`, ids)
  const handle = eq(identities.handle, name)
  const found = await core.database.db
    .select({ userId: identities.userId, name: identities.name, isNamed: sql<boolean>`${isNamed}` })
    .from(identities)
    .where(or(isNamed, surface === undefined ? handle : and(handle, isOf(surface))))
    .orderBy(desc(isNamed), asc(identities.createdAt))
  const [first] = found
  if (!first) throw new AppError('unknown_user', { user: written })
  const isOther = ({ userId }: { userId: string }) => userId !== first.userId
  if (!first.isNamed && found.some(isOther)) throw new AppError('ambiguous', { name: written })
  return { userId: first.userId, name: first.name }
}

const isOf = (surface: string) => sql`starts_with(${identities.id}, ${`${surface}:`})`

const stampOf = ({ id, name, handle }: Identity) => `${id}\n${name}\n${handle ?? ''}`

/** undefined: no such identity yet. */
async function storedAccount(core: Core, from: Identity): Promise<string | undefined> {
  const [row] = await core.database.db
    .select({ userId: identities.userId, name: identities.name, handle: identities.handle })
    .from(identities)
    .where(eq(identities.id, from.id))
  const isSame = row?.name === from.name && row.handle === (from.handle?.toLowerCase() ?? null)
  return isSame ? row.userId : row && updateIdentity(core, from)
}

const ownerColumns = columnsOf({ userId: identities.userId }, 'i')

/** Handles change hands: the person who had this one on the platform has it no more. undefined: no such identity yet. */
async function updateIdentity(core: Core, from: Identity): Promise<string | undefined> {
  const { id, name, handle } = from
  const rows = await readRows(
    core.database,
    ownerColumns,
    (list) => sql`
      with held as (
        select id from identities where id = ${id} or ${hasSameHandle(from)} order by id for update),
      changed as (
        update identities i set name = case when i.id = ${id} then ${name} else i.name end,
          handle = case when i.id = ${id} then ${handle?.toLowerCase() ?? null} end
        from held where held.id = i.id returning i.id, i.user_id)
      select ${list} from changed i where i.id = ${id}`,
  )
  return rows[0]?.userId
}

/** Of `identities`, under that name: another person of the platform who was last seen with this handle. */
function hasSameHandle({ id, handle }: Identity): SQL {
  return sql`(identities.handle = ${handle?.toLowerCase() ?? null} and identities.id <> ${id}
    and starts_with(identities.id, ${`${splitName(id).platform}:`}))`
}

/**
 * One statement: two processes that meet the same person at once create one account and one welcome grant. An identity that had an
 * account before gets neither a second welcome nor the daily credits of the first day, has redeemed what it has redeemed, cannot be
 * invited, and owes what the closed account owed.
 */
async function createAccount(core: Core, from: Identity): Promise<string> {
  const id = uuidv7()
  const { welcome } = core.limits
  const key = welcomeKey(core, from.id)
  const hadOne = sql`exists (select from earlier)`
  try {
    await core.database.rows(sql`
      with recursive earlier as (
          (select user_id as id from earlier_accounts where identity_hash = ${identityHash(core, from.id)}
            -- older grants have the identity itself in their key
            union select user_id from ledger where key in (${key}, ${`welcome:${from.id}`}))
          union select users.joined_into from users join earlier on earlier.id = users.id where users.joined_into is not null),
        account as (
          insert into users (id, name, banned, banned_until, ban_reason)
          select ${id}::uuid, ${from.name}, banned, until, reason from (${keptBan(core, from.id)}) kept returning id),
        released as (update identities set handle = null where ${hasSameHandle(from)}),
        identity as (
          insert into identities (id, user_id, name, handle)
          select ${from.id}, id, ${from.name}, ${from.handle?.toLowerCase() ?? null} from account),
        returned as (
          insert into daily_claims (user_id, day, streak, credits)
          select id, (now() at time zone 'UTC')::date, 0, 0 from account where ${hadOne}),
        redeemed as (
          insert into code_redemptions (code_hash, user_id)
          select distinct code_hash, account.id from account, code_redemptions where user_id in (select id from earlier)),
        invited as (
          insert into referrals (user_id, inviter_id, rewarded_at)
          select account.id, coalesce((select inviter_id from referrals where user_id in (select id from earlier) limit 1),
            (select id from earlier limit 1)), now() from account where ${hadOne})
      insert into ledger (user_id, kind, amount, debt, source, key)
      select account.id, 'take', 0, closed.debt, 'closing', 'closing:debt:' || closed.id
      from account, users closed join earlier on earlier.id = closed.id where closed.closed_at is not null and closed.debt > 0
      union all select id, 'grant', ${welcome}::int, 0, 'welcome', ${key} from account
      where ${welcome}::int > 0 and not ${hadOne} on conflict (key) do nothing`)
    return id
  } catch (error) {
    const other = await updateIdentity(core, from)
    if (other === undefined) throw error
    return other
  }
}
