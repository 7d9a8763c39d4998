/**
 * Closes an account for good. One transaction takes its identities away, so that from then on the person has no account and nothing new
 * starts for this one. Requests, pictures and messages go afterwards, and the sweeper continues where a stopped process ended.
 */
import { type SQL, sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { users } from '../../db/schema/accounts.ts'
import { generations } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { cancel } from '../generation/cancel.ts'
import { oldestUnfinished } from '../history/backlog.ts'
import { deleteDue } from '../media/deletions.ts'
import { eraseEnded } from '../media/erase.ts'
import { removeMessages } from './messages.ts'
import { forgetIdentities, forgetRecords, readPerson, uuids } from './words.ts'

/** How long the person waits; the sweeper clears the rest. */
const ownerWaitMs = 5_000
/** Of one round of the sweeper, for each account. */
const sweepMs = 500
const sweepAccounts = 3
/** After this, calls that began before the account was closed have ended. */
const settling = '15 minutes'
/** After this, messages in chats that are still unavailable are given up. */
const patience = '1 day'

/** Resolves to false if it was closed before. Throws AppError confirmation_over if it was joined with another one meanwhile. */
export async function closeAccount(core: Core, userId: string): Promise<boolean> {
  const { identities } = await readPerson(core, userId)
  // before the identities are lost: after a crash, the same press comes again
  await forgetConversations(core, identities)
  const isClosed = await core.database.db.transaction(async (tx) => {
    const closed = await core.database.rows(
      sql`update users set closed_at = now() where id = ${userId}::uuid and closed_at is null and joined_into is null
        returning id`,
      tx,
    )
    if (closed.length === 0) {
      const joined = await core.database.rows(
        sql`select from users where id = ${userId}::uuid and joined_into is not null`,
        tx,
      )
      // what the person agreed to was about one of the two accounts only
      if (joined.length > 0) throw new AppError('confirmation_over')
      return false
    }
    const person = await readPerson(core, userId, tx)
    await forgetIdentities(core, person, tx)
    await forgetRecords(core, person, tx)
    return true
  })
  core.accountIds.clear()
  if (!isClosed) return false
  core.log.info({ userId }, 'an account was closed')
  // messages that were written since the first call
  await forgetConversations(core, identities)
  await clearAccount(core, userId, ownerWaitMs)
  await deleteDue(core, ownerWaitMs)
  return true
}

/** Continues with some accounts that something is left of, until `signal` aborts. For the sweeper. */
export async function clearClosedAccounts(core: Core, signal?: AbortSignal): Promise<void> {
  const closed = await readRows(
    core.database,
    accountColumns,
    (list) => sql`
      select ${list} from users where closed_at is not null and cleared_at is null
      order by random() limit ${sweepAccounts}`,
  )
  for (const { id } of closed) {
    if (signal?.aborted) return
    await clearAccount(core, id, sweepMs)
  }
}

const columns = columnsOf({ id: generations.id })
const accountColumns = columnsOf({ id: users.id })
const timesColumns = columnsOf({
  settled: typed<boolean>(sql`closed_at < now() - ${settling}::interval`),
  last: typed<boolean>(sql`closed_at < now() - ${patience}::interval`),
})

async function clearAccount(core: Core, userId: string, withinMs: number): Promise<void> {
  const { userIds } = await readPerson(core, userId)
  const isTheirs = sql`user_id in (${uuids(userIds)})`
  const underWay = await readRows(
    core.database,
    columns,
    (list) => sql`
      select ${list} from generations where ${isTheirs} and id > ${oldestUnfinished(core)}::uuid and ${isUnfinished}`,
  )
  await Promise.all(underWay.map(({ id }) => cancel(core, null, id)))
  for (const id of userIds) await eraseEnded(core, id, { withinMs })
  const [times] = await readRows(
    core.database,
    timesColumns,
    (list) => sql`select ${list} from users where id = ${userId}::uuid`,
  )
  await removeMessages(core, { userIds, last: times?.last ?? false })
  await forfeit(core, userIds)
  if (times?.settled) await finish(core, userId, { userIds, isTheirs })
}

const isUnfinished = sql`state in ('queued','running','stored')`

/** The balance of an account that is closed. The key has the newest entry in it: two processes at once take it once. */
async function forfeit(core: Core, userIds: readonly string[]): Promise<void> {
  await core.database.rows(sql`
    insert into ledger (user_id, kind, amount, source, key)
    select id, 'take', -balance, 'closing',
      'closing:' || id || ':' || (select max(l.id) from ledger l where l.user_id between users.id and users.id)
    from users where id in (${uuids(userIds)}) and balance > 0
    on conflict (key) do nothing`)
}

async function finish(core: Core, userId: string, { userIds, isTheirs }: { userIds: string[]; isTheirs: SQL }) {
  const isLeft = sql`${isTheirs} and (${isUnfinished} or erased_at is null or address <> '')`
  const left = await core.database.rows(sql`select from generations where ${isLeft} limit 1`)
  if (left.length > 0) return
  await forgetRecords(core, { userIds })
  await core.database.rows(sql`
    update users set cleared_at = now() where id = ${userId}::uuid and closed_at is not null and balance = 0`)
}

async function forgetConversations(core: Core, identities: readonly string[]): Promise<void> {
  for (const surface of core.surfaces.values()) await surface.conversations?.forget(identities)
}
