/** What an account loses when it is joined with that of an administrator. */
import { type SQL, sql } from 'drizzle-orm'
import type { Db } from '../../db/database.ts'
import { identities } from '../../db/schema/accounts.ts'
import type { Core } from '../core.ts'

/**
 * Keys and browsers act with the rights of their account. If only one of the two is an administrator's, those of the other end: they
 * may be in other hands. Part of the transaction that joins the accounts, which has locked both.
 */
export async function endLowerAccess(core: Core, tx: Db, pair: readonly [string, string]): Promise<void> {
  const people = await tx
    .select({ id: identities.id, userId: identities.userId })
    .from(identities)
    .where(sql`${identities.userId} in (${pair[0]}::uuid, ${pair[1]}::uuid)`)
  const admins = new Set(people.filter(({ id }) => core.isAdmin(id)).map(({ userId }) => userId))
  const [lower, ...others] = pair.filter((userId) => !admins.has(userId))
  if (lower === undefined || others.length > 0) return
  const theirs = sql`(select id from identities where user_id = ${lower}::uuid)`
  await core.database.rows(
    sql`update api_keys set revoked_at = now() where user_id = ${lower}::uuid and revoked_at is null`,
    tx,
  )
  await core.database.rows(sql`delete from web_sessions where identity in ${theirs}`, tx)
  await core.database.rows(sql`delete from panel_links where identity in ${theirs}`, tx)
}

/** Of an account: keys that a joining ended. `usedBy`: of its code. Both times are those of its transaction. */
export const keysEndedBy = (userId: string, usedBy: string): SQL<number> => sql<number>`(
  select count(*)::int from api_keys where user_id = ${userId}::uuid
    and revoked_at = (select used_at from link_codes where used_by = ${usedBy}))`
