/** What belongs to an account, other than credits, and where it goes when the account is joined with another. */
import { type SQL, sql } from 'drizzle-orm'
import type { Db } from '../../db/database.ts'
import type { Core } from '../core.ts'

interface Move {
  from: string
  to: string
}

/** Part of the transaction that joins them, which has locked both accounts. Requests keep their payers. */
export async function moveRows(core: Core, tx: Db, move: Move): Promise<void> {
  for (const statement of statements(move)) await core.database.rows(statement, tx)
}

function statements({ from, to }: Move): SQL[] {
  const [old, heir] = [sql`${from}::uuid`, sql`${to}::uuid`]
  const simple = [
    'identities',
    'api_keys',
    'drafts',
    'picture_offers',
    'uploads',
    'orders',
    'link_codes',
    'link_tries',
    'privacy_exports',
  ]
  return [
    sql`update users heir set in_flight = heir.in_flight + old.in_flight, pace_at = greatest(heir.pace_at, old.pace_at),
        tier = coalesce(heir.tier, old.tier), in_flight_limit = coalesce(heir.in_flight_limit, old.in_flight_limit),
        per_minute_limit = coalesce(heir.per_minute_limit, old.per_minute_limit)
      from users old where heir.id = ${heir} and old.id = ${old}`,
    sql`update users set in_flight = case when id = ${old} then 0 else in_flight end, joined_into = ${heir}
      where id = ${old} or joined_into = ${old}`,
    // prices that the person was shown go by the account, too (results/quotes.ts)
    sql`update generations set user_id = ${heir}, quoted = replace(quoted::text, ${from}, ${to})::jsonb where user_id = ${old}`,
    ...simple.map((table) => sql`update ${sql.identifier(table)} set user_id = ${heir} where user_id = ${old}`),
    ...favouritesOf(old, heir),
    ...settingsOf(old, heir),
    ...claimsOf(old, heir),
    ...referralsOf(old, heir),
    // a program's request is the same request when it is repeated after the joining (programs/idempotency.ts)
    sql`update api_requests a set key = ${to}::text || substr(key, 37) where starts_with(key, ${`${from}:`})
      and not exists (select from api_requests b where b.key = ${to}::text || substr(a.key, 37))`,
  ]
}

/** Where both have one, that of the heir stays. */
function favouritesOf(old: SQL, heir: SQL): SQL[] {
  return ['favourites', 'ratings', 'reports'].flatMap((name) => {
    const table = sql.identifier(name)
    return [
      sql`update ${table} t set user_id = ${heir} where user_id = ${old} and not exists (
        select from ${table} o where o.user_id = ${heir} and o.generation_id = t.generation_id)`,
      sql`delete from ${table} where user_id = ${old}`,
    ]
  })
}

/** Each setting of the heir, and the other's where the heir has not set it. */
const settingsOf = (old: SQL, heir: SQL): SQL[] => [
  sql`insert into user_settings as mine (user_id, model, aspect, count, enhance, private, language, original, announcements)
    select ${heir}, model, aspect, count, enhance, private, language, original, announcements from user_settings where user_id = ${old}
    on conflict (user_id) do update set model = coalesce(mine.model, excluded.model), aspect = coalesce(mine.aspect, excluded.aspect),
      count = coalesce(mine.count, excluded.count), enhance = coalesce(mine.enhance, excluded.enhance),
      private = coalesce(mine.private, excluded.private), language = coalesce(mine.language, excluded.language),
      original = coalesce(mine.original, excluded.original), announcements = coalesce(mine.announcements, excluded.announcements)`,
  sql`delete from user_settings where user_id = ${old}`,
]

/** What each person may take once was taken if either account took it. */
const claimsOf = (old: SQL, heir: SQL): SQL[] => [
  sql`insert into daily_claims as mine (user_id, day, streak, credits)
    select ${heir}, day, streak, credits from daily_claims where user_id = ${old}
    on conflict (user_id, day) do update set streak = greatest(mine.streak, excluded.streak), credits = mine.credits + excluded.credits`,
  sql`delete from daily_claims where user_id = ${old}`,
  sql`insert into code_redemptions (code_hash, user_id, created_at)
    select code_hash, ${heir}, created_at from code_redemptions where user_id = ${old} on conflict do nothing`,
  sql`delete from code_redemptions where user_id = ${old}`,
]

/**
 * The code of the old account stays with it if the heir has one: what it brings goes on to the heir. An invitation between the two
 * counts no longer.
 */
const referralsOf = (old: SQL, heir: SQL): SQL[] => [
  sql`update referral_codes set user_id = ${heir} where user_id = ${old}
    and not exists (select from referral_codes where user_id = ${heir})`,
  sql`delete from referrals where (user_id, inviter_id) in ((${old}, ${heir}), (${heir}, ${old}))`,
  sql`update referrals set inviter_id = ${heir} where inviter_id = ${old}`,
  sql`update referrals set rewarded_at = now() where user_id = ${heir} and rewarded_at is null
    and exists (select from referrals where user_id = ${old} and rewarded_at is not null)`,
  sql`update referrals set user_id = ${heir} where user_id = ${old}
    and not exists (select from referrals where user_id = ${heir})`,
  sql`delete from referrals where user_id = ${old}`,
]
