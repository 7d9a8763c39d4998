/**
 * Makes one account of two. Their requests may be under way in other processes. So the transaction locks as those do: first the
 * requests, then the accounts. Credits move by entries; those on hold come back later and then go on to the heir (ledger_apply).
 */
import { setTimeout as pause } from 'node:timers/promises'
import { eq, type SQL, sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { conflicted, type Db } from '../../db/database.ts'
import { users } from '../../db/schema/accounts.ts'
import { type EntryKind, type EntrySource, ledger } from '../../db/schema/ledger.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { oldestUnfinished } from '../history/backlog.ts'
import { banColumns, banError } from './bans.ts'
import { endLowerAccess } from './join-rights.ts'
import { moveRows } from './join-rows.ts'

export interface Joining {
  /** The two accounts as they are now. Read again for each try, because others may join them, too. */
  accounts(tx: Db): Promise<readonly [string, string]>
  /** Runs once both are locked, in the same transaction. Throws AppError to refuse. */
  check(tx: Db, accounts: readonly [string, string]): Promise<void>
  /** Start of the keys of the entries, so that a repeated joining is refused. */
  key: string
}

/** How long work is repeated: many requests of both accounts may begin and end meanwhile. */
const patienceMs = 20_000
const pauseMs = 50
const longestPauseMs = 500

/** The entry that takes the second welcome grant and the like back. `key`: of the joining. */
export const welcomeKey = (key: string) => `${key}:welcome`

/** Throws AppError banned. */
export async function assertNotBanned({ database }: Core, userId: string, on: Db = database.db): Promise<void> {
  const [user] = await on.select(banColumns).from(users).where(eq(users.id, userId))
  if (user?.banned) throw banError(user)
}

/** Repeats short work that waited for a joining that waited for it. */
export async function unlessConflicted<T>(work: () => Promise<T>): Promise<T> {
  return repeat(work, { passes: conflicted })
}

/** Resolves to the account that remains: the older one. Throws AppError banned, link_code_wrong, overloaded, and what `check` throws. */
export async function joinAccounts(core: Core, joining: Joining): Promise<string> {
  return repeat(() => core.database.db.transaction((tx) => joinOnce(core, tx, joining)), {
    passes: (error) => conflicted(error) || error instanceof AccountMoved,
    orElse: (error) => new AppError('overloaded', {}, { cause: error }),
  })
}

interface Repeating {
  /** Whether the work may succeed after this error. */
  passes(error: unknown): boolean
  /** The error to throw when time is up. Absent: the last one. */
  orElse?(error: unknown): unknown
}

async function repeat<T>(work: () => Promise<T>, { passes, orElse }: Repeating): Promise<T> {
  const until = Date.now() + patienceMs
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (!passes(error)) throw error
      if (Date.now() > until) throw orElse ? orElse(error) : error
    }
    await pause(Math.min(pauseMs * tries, longestPauseMs) * Math.random())
  }
}

/** One of the accounts was joined with another since it was read. */
class AccountMoved extends Error {}

async function joinOnce(core: Core, tx: Db, { accounts, check, key }: Joining): Promise<string> {
  const pair = await accounts(tx)
  const unfinished = sql`
    select id from generations where user_id in (${pair[0]}::uuid, ${pair[1]}::uuid) and id > ${oldestUnfinished(core)}::uuid
      and state in ('queued','running','stored')
    order by id for no key update`
  await core.database.rows(unfinished, tx)
  const [older, younger] = await lockAccounts(core, tx, pair)
  // locks requests that were accepted meanwhile, without waiting: waiting for their ends now could be a deadlock
  await core.database.rows(sql`${unfinished} nowait`, tx)
  await check(tx, pair)
  for (const account of [older, younger]) if (account.banned) throw banError(account)
  await endLowerAccess(core, tx, pair)
  await moveCredits(core, tx, { from: younger, to: older.id, key })
  await moveRows(core, tx, { from: younger.id, to: older.id })
  return older.id
}

const accountColumns = columnsOf({
  id: users.id,
  balance: users.balance,
  held: users.held,
  debt: users.debt,
  ...banColumns,
  banned: typed<boolean>(banColumns.banned),
  joined: typed<boolean>(sql`joined_into is not null`),
  closed: typed<boolean>(sql`closed_at is not null`),
})

type LockedAccount = NonNullable<(typeof accountColumns)['row']>

/** Locks them in the order of their ids, so that two joins cannot deadlock. Resolves to the older one first. */
async function lockAccounts(
  core: Core,
  tx: Db,
  pair: readonly [string, string],
): Promise<[LockedAccount, LockedAccount]> {
  const read = (order: SQL) =>
    readRows(
      core.database,
      accountColumns,
      (list) => sql`select ${list} from users where id in (${pair[0]}::uuid, ${pair[1]}::uuid) order by ${order}`,
      tx,
    )
  await read(sql`id for update`)
  const [older, younger] = await read(sql`created_at, id`)
  if (!older || !younger || older.joined || younger.joined) throw new AccountMoved()
  if (older.closed || younger.closed) throw new AppError('link_code_wrong')
  return [older, younger]
}

interface Entry {
  userId: string
  kind: EntryKind
  amount: number
  debt?: number
  source: EntrySource
  key: string
}

/**
 * Welcome, daily, role and referral credits belong to a person: what is unspent of the second account's is taken back. Otherwise accounts that
 * join and leave again would pool them.
 */
async function moveCredits(
  core: Core,
  tx: Db,
  { from, to, key }: { from: LockedAccount; to: string; key: string },
): Promise<void> {
  const add = async ({ amount, debt = 0, ...entry }: Entry) => {
    if (amount !== 0 || debt !== 0) await tx.insert(ledger).values({ ...entry, amount, debt })
  }
  const unspent = await unspentFree(core, tx, from)
  const taken = Math.min(unspent, from.balance)
  const movable = from.balance - taken
  // owed until the requests that hold it end
  const owed = Math.min(unspent - taken, from.held)
  await add({ userId: from.id, kind: 'take', amount: -taken, debt: owed, source: 'welcome', key: welcomeKey(key) })
  await add({ userId: from.id, kind: 'take', amount: -movable, source: 'link', key: `${key}:out` })
  await add({ userId: to, kind: 'grant', amount: movable, source: 'link', key: `${key}:in` })
  if (from.debt === 0) return
  // a grant pays off debt (ledger_pay_debt)
  await add({ userId: from.id, kind: 'grant', amount: from.debt, source: 'link', key: `${key}:debt:out` })
  const [heir] = await tx.select({ balance: users.balance }).from(users).where(eq(users.id, to))
  const paid = Math.min(from.debt, heir?.balance ?? 0)
  await add({ userId: to, kind: 'take', amount: -paid, debt: from.debt - paid, source: 'link', key: `${key}:debt:in` })
}

const sumColumns = columnsOf({
  free: typed<number>(
    sql`coalesce(sum(amount - debt) filter (where source in ('welcome','daily','role','referral')), 0)::int`,
  ),
  given: typed<number>(sql`coalesce(sum(amount), 0)::int`),
})

/** Of the credits that an account was given, those that a person gets once count as spent first. */
async function unspentFree(core: Core, tx: Db, { id, balance, held }: LockedAccount): Promise<number> {
  const [sums] = await readRows(
    core.database,
    sumColumns,
    (list) => sql`select ${list} from ledger where user_id = ${id}::uuid and source is not null`,
    tx,
  )
  if (!sums) return 0
  const charged = sums.given - balance - held
  return Math.max(0, sums.free - charged)
}
