/** Bans and unbans people: an administrator's act, which counts at once in every process. */
import { inArray, or, sql } from 'drizzle-orm'
import { columnsOf, readRows } from '../../db/columns.ts'
import { identities, keptBans, users } from '../../db/schema/accounts.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { cancelAll } from '../generation/cancel.ts'
import { audited } from './audit.ts'
import { type Ban, banColumns, banError, identityHash, isBanned } from './bans.ts'

export interface BanWanted {
  userId: string
  reason?: string
  /** Absent: for ever. */
  days?: number
  /** The identity that acts. */
  actor: string
  /** Of the call: the same call again changes nothing. */
  key: string
}

const columns = columnsOf({ until: banColumns.until, reason: banColumns.reason })

/**
 * What the person has under way is cancelled, and its credits go back. Pictures that are stored already are paid for and still
 * arrive. A repeated call cancels what its first delivery did not reach. Throws AppError admin_not_banned, unknown_user.
 */
export async function ban(core: Core, wanted: BanWanted): Promise<Ban & { cancelled: number }> {
  const { userId, reason, days, actor, key } = wanted
  await assertNoAdmin(core, userId)
  const own = sql`from users where id = ${userId}::uuid`
  const until = sql`now() + make_interval(days => ${days ?? null}::int)`
  const after = sql`jsonb_build_object('until', ${until}, 'reason', ${reason ?? null}::text)`
  await core.database.rows(sql`
    with noted as (${audited({ actor, action: 'ban', target: userId, key }, { before, after, from: own })})
    update users set banned = true, banned_until = ${until}, ban_reason = ${reason ?? null}
    where id = ${userId}::uuid and exists (select from noted)`)
  const [state] = await readRows(core.database, columns, (list) => sql`select ${list} ${own} and ${isBanned}`)
  // another administrator has ended the ban since
  if (!state) return { until: null, reason: null, cancelled: 0 }
  return { ...state, cancelled: await cancelAll(core, userId, banError(state)) }
}

/** Resolves to false when the person was not banned. */
export async function unban(
  core: Core,
  { userId, actor, key }: Pick<BanWanted, 'userId' | 'actor' | 'key'>,
): Promise<boolean> {
  const own = await identitiesOf(core, userId)
  const from = sql`from users where id = ${userId}::uuid and ${isBanned}`
  const rows = await core.database.rows(sql`
    with noted as (${audited({ actor, action: 'unban', target: userId, key }, { before, from })}),
    forgotten as (delete from kept_bans where ${keptOf(core, own)}),
    changed as (
      update users set banned = false, banned_until = null, ban_reason = null
      where id = ${userId}::uuid and exists (select from noted) returning id)
    select id from changed union select target::uuid from audit_log where key = ${key}`)
  return rows.length > 0
}

/** Ends the ban that was kept of a person whose account is deleted. Resolves to false when none was. */
export async function unbanDeleted(
  core: Core,
  { names, actor, key }: { names: readonly string[] } & Pick<BanWanted, 'actor' | 'key'>,
): Promise<boolean> {
  const [name = ''] = names
  // the log shows the hash only: the person asked us to forget the identity
  const act = { actor, action: 'unban', target: identityHash(core, name), key }
  const rows = await core.database.rows(sql`
    with forgotten as (delete from kept_bans where ${keptOf(core, names)} returning until, reason),
    noted as (${audited(act, { before: sql`jsonb_build_object('until', until, 'reason', reason)`, from: sql`from forgotten` })})
    select 1 from forgotten union select 1 from audit_log where key = ${key}`)
  return rows.length > 0
}

/** Columns of `users` for the audit log. */
const before = sql`case when ${isBanned} then jsonb_build_object('until', ${users.bannedUntil}, 'reason', ${users.banReason}) end`

const keptOf = (core: Core, names: readonly string[]) =>
  or(
    inArray(
      keptBans.identityHash,
      names.map((name) => identityHash(core, name)),
    ),
    sql`false`,
  )

/** Throws AppError admin_not_banned. */
async function assertNoAdmin(core: Core, userId: string): Promise<void> {
  const own = await identitiesOf(core, userId)
  // programs of the operator, and of this machine, have accounts of their own
  const isProtected = own.some((identity) => core.isAdmin(identity) || identity.startsWith('api:'))
  if (isProtected) throw new AppError('admin_not_banned')
}

async function identitiesOf(core: Core, userId: string): Promise<string[]> {
  const rows = await readRows(
    core.database,
    columnsOf({ id: identities.id }),
    (list) => sql`select ${list} from identities where user_id = ${userId}::uuid`,
  )
  return rows.map(({ id }) => id)
}
