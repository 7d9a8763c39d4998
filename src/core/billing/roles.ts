/** Daily credits of roles: a member who acts in a group gets those of the best role, once in a UTC day. */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows } from '../../db/columns.ts'
import { roleClaims } from '../../db/schema/billing.ts'
import { accountOf } from '../accounts/accounts.ts'
import { identityHash } from '../accounts/bans.ts'
import { lockAccount, withOwn } from '../accounts/lock.ts'
import { chatOf, type GroupRules } from '../chats/rules.ts'
import type { Core } from '../core.ts'
import { callHash } from '../ids.ts'
import type { Call } from '../ports/chat.ts'
import { grant } from './ledger.ts'

const today = sql`(now() at time zone 'UTC')::date`

const columns = columnsOf({ credits: roleClaims.credits, day: roleClaims.day }, '')

/**
 * Gives what is due. A person gets it once for each group, and in all groups together no more than the service allows: neither a second
 * identity of the account nor another account of the identity gets it again. People who are banned get none. Resolves to the credits.
 */
export async function claimRole(
  core: Core,
  call: Pick<Call, 'from' | 'surface' | 'place'>,
  rules: GroupRules,
): Promise<number> {
  const chat = chatOf(call)
  const best = Math.max(0, ...call.place.roles.map((role) => rules.roles[role]?.credits ?? 0))
  const { roleCredits: limit } = core.limits
  if (chat === undefined || best === 0 || limit === 0) return 0
  const member = identityHash(core, call.from.id)
  const before = await core.database.rows(sql`
    select from role_claims where chat = ${chat} and day = ${today} and member = ${member}`)
  if (before.length > 0) return 0
  const userId = await accountOf(core, call.from)
  return core.database.db.transaction(async (tx) => {
    const account = await lockAccount(core, tx, userId)
    if (account.banned || account.closedAt !== null) return 0
    const [claim] = await readRows(
      core.database,
      columns,
      (list) => sql`
        ${withOwn(account.id)}, today as (
          select * from role_claims where day = ${today} and (user_id in (select id from own) or member = ${member}))
        insert into role_claims (chat, user_id, day, member, credits)
        select ${chat}, ${account.id}::uuid, ${today}, ${member},
          least(${best}::int, ${limit}::int - coalesce((select sum(credits)::int from today), 0))
        where not exists (select from today where chat = ${chat})
          and coalesce((select sum(credits)::int from today), 0) < ${limit}::int
        on conflict do nothing returning ${list}`,
      tx,
    )
    if (!claim) return 0
    const { credits, day } = claim
    const key = `role:${callHash(core, `${chat} ${member} ${day}`)}`
    await grant(core, { userId: account.id, amount: credits, source: 'role', key }, tx)
    return credits
  })
}

/** For the sweeper: they count on their own day only. */
export async function forgetOldClaims({ database }: Pick<Core, 'database'>): Promise<void> {
  await database.rows(sql`delete from role_claims where day < ${today} - 2`)
}
