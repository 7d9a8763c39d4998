/** Takes one identity out of an account with several. */
import { sql } from 'drizzle-orm'
import { v5 as uuidv5 } from 'uuid'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import type { Db } from '../../db/database.ts'
import { users } from '../../db/schema/accounts.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import type { Call } from '../ports/chat.ts'
import { accountOf } from './accounts.ts'
import { identityHash } from './bans.ts'
import { assertNotBanned } from './join.ts'
import { withOwn } from './lock.ts'

/** Namespace of the ids that are made from the keys of calls. */
const namespace = '5f0c2b7e-6f0f-4c0b-9d52-6f4d1d0c9f3a'

/**
 * The identity gets a new account without a welcome grant; credits, history and keys stay with the old one. The same call again
 * changes nothing. Throws AppError only_identity, debt_first, banned.
 */
export async function unlink(core: Core, { from, key }: Pick<Call, 'from' | 'key'>): Promise<void> {
  const fresh = uuidv5(`unlink ${key}`, namespace)
  for (;;) {
    const old = await accountOf(core, from)
    if (
      old === fresh ||
      (await core.database.db.transaction((tx) => move(core, tx, { identity: from.id, old, fresh })))
    )
      return
  }
}

interface Move {
  identity: string
  old: string
  fresh: string
}

const columns = columnsOf({
  joined: typed<boolean>(sql`joined_into is not null`),
  here: typed<boolean>(sql`exists (select from identities where id = moved.identity and user_id = users.id)`),
  debt: users.debt,
  identities: typed<number>(sql`(select count(*)::int from identities where user_id = users.id)`),
})

/** Resolves to false when the identity has another account since. */
async function move(core: Core, tx: Db, { identity, old, fresh }: Move): Promise<boolean> {
  const run = (statement: ReturnType<typeof sql>) => core.database.rows(statement, tx)
  // read after the lock: two identities that leave at the same time must not leave an account without one
  await run(sql`select id from users where id = ${old}::uuid for update`)
  const [account] = await readRows(
    core.database,
    columns,
    (list) =>
      sql`select ${list} from users, (select ${identity}::text as identity) moved where users.id = ${old}::uuid`,
    tx,
  )
  if (!account?.here || account.joined) return false
  await assertNotBanned(core, old, tx)
  if (account.identities < 2) throw new AppError('only_identity')
  if (account.debt > 0) throw new AppError('debt_first', { debt: account.debt })
  const made = await tx.insert(users).values({ id: fresh, name: '' }).onConflictDoNothing().returning({ id: users.id })
  // this call was handled before, and the identity has been joined again since
  if (made.length === 0) return true
  // limits are about the person
  await run(sql`
    update users fresh set name = i.name, pace_at = old.pace_at, tier = old.tier, in_flight_limit = old.in_flight_limit,
      per_minute_limit = old.per_minute_limit
    from users old, identities i where fresh.id = ${fresh}::uuid and old.id = ${old}::uuid and i.id = ${identity}`)
  await run(sql`
    ${withOwn(old)} insert into earlier_accounts (identity_hash, user_id)
    select ${identityHash(core, identity)}, id from own on conflict do nothing`)
  await run(sql`update identities set user_id = ${fresh}::uuid where id = ${identity}`)
  // what a person may take once counts as taken; otherwise leaving and joining again would give it twice
  await run(sql`
    insert into daily_claims (user_id, day, streak, credits)
    select ${fresh}::uuid, day, streak, 0 from daily_claims where user_id = ${old}::uuid`)
  await run(sql`
    insert into code_redemptions (code_hash, user_id, created_at)
    select code_hash, ${fresh}::uuid, created_at from code_redemptions where user_id = ${old}::uuid`)
  await run(sql`
    insert into referrals (user_id, inviter_id, rewarded_at)
    select ${fresh}::uuid, coalesce((select inviter_id from referrals where user_id = ${old}::uuid), ${old}::uuid), now()`)
  // browsers that a key of the old account signed in
  await run(sql`delete from web_sessions where identity = ${identity} and api_key_id is not null`)
  return true
}
