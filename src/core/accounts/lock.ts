/**
 * Locks accounts for changes of their credits. Every change of several accounts locks their rows in order of id, so that two changes
 * never wait for each other. An account that was joined with another one stands for that one.
 */
import { type SQL, sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import type { Db } from '../../db/database.ts'
import { users } from '../../db/schema/accounts.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { banColumns, banError } from './bans.ts'

const columns = columnsOf(
  {
    id: users.id,
    balance: users.balance,
    held: users.held,
    debt: users.debt,
    ...banColumns,
    banned: typed<boolean>(banColumns.banned),
    closedAt: users.closedAt,
    joinedInto: users.joinedInto,
  },
  '',
)

export type LockedAccount = Omit<NonNullable<(typeof columns)['row']>, 'joinedInto'>

/** An account may be joined while its lock is waited for. */
const maxTries = 5

/** Until the end of the transaction `tx`. Throws AppError unknown_user. */
export async function lockAccount(core: Core, tx: Db, userId: string): Promise<LockedAccount> {
  const account = (await lockAccounts(core, tx, [userId])).get(userId)
  if (!account) throw new AppError('unknown_user', { user: userId })
  return account
}

/** The keys are the given ids. Ids without an account are left out. */
export async function lockAccounts(
  core: Core,
  tx: Db,
  userIds: readonly string[],
): Promise<ReadonlyMap<string, LockedAccount>> {
  for (let tries = 1; ; tries++) {
    const heirs = await heirsOf(core, tx, userIds)
    const ids = [...new Set(heirs.values())]
    if (ids.length === 0) return new Map()
    const locked = await readRows(
      core.database,
      columns,
      (list) => sql`select ${list} from users where id in ${ids} order by id for update`,
      tx,
    )
    if (locked.some(({ joinedInto }) => joinedInto !== null) && tries < maxTries) continue
    const found = [...heirs].map(([given, heir]) => [given, locked.find(({ id }) => id === heir)] as const)
    return new Map(found.filter((pair): pair is [string, (typeof locked)[number]] => pair[1] !== undefined))
  }
}

/** Throws AppError banned. */
export function assertNotBanned({ banned, until, reason }: LockedAccount): void {
  if (banned) throw banError({ until, reason })
}

/** Starts a statement with the CTE `own`: the account, and those that were joined with it. What a person may do once counts in all of them. */
export const withOwn = (userId: string): SQL => sql`
  with recursive own as (
    select ${userId}::uuid as id union select users.id from users join own on users.joined_into = own.id)`

/** Account → the one that its credits belong to now. */
async function heirsOf(core: Core, tx: Db, userIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
  // unchecked row: the columns belong to the statement's own table
  const rows = await core.database.rows<{ given: string; id: string }>(
    sql`
      with recursive chain as (
        select id as given, id, joined_into from users where id in ${userIds}
        union select chain.given, users.id, users.joined_into from chain join users on users.id = chain.joined_into)
      select given, id from chain where joined_into is null`,
    tx,
  )
  return new Map(rows.map(({ given, id }) => [given, id]))
}
