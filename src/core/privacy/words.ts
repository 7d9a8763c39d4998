/**
 * What an account holds besides its requests: names, keys, settings, uploads. Statements that remove it can be repeated. What stays
 * (entries, orders, payments, bans) says nothing about the person.
 */
import { type SQL, sql } from 'drizzle-orm'
import { columnsOf, readRows } from '../../db/columns.ts'
import type { Db } from '../../db/database.ts'
import { identities, users } from '../../db/schema/accounts.ts'
import { identityHash, isBanned } from '../accounts/bans.ts'
import type { Core } from '../core.ts'
import { splitName } from '../ids.ts'
import { giveUpUploads } from '../media/uploads.ts'

/** An account with those that were joined into it. */
export interface Person {
  userIds: string[]
  /** 'discord:123', … Empty once the account is closed. */
  identities: readonly string[]
}

const accountColumns = columnsOf({ id: users.id }, 'own')
const identityColumns = columnsOf({ id: identities.id })

export async function readPerson(core: Core, userId: string, on?: Db): Promise<Person> {
  const ids = await readRows(
    core.database,
    accountColumns,
    (list) => sql`
      with recursive own as (
        select id from users where id = ${userId}::uuid
        union select u.id from users u join own on u.joined_into = own.id)
      select ${list} from own order by id`,
    on,
  )
  const userIds = ids.map(({ id }) => id)
  const own = await readRows(
    core.database,
    identityColumns,
    (list) => sql`select ${list} from identities where user_id in (${uuids(userIds)})`,
    on,
  )
  return { userIds, identities: own.map(({ id }) => id) }
}

/** What is found by identity. Closing the account deletes the identities: call this before, in the same transaction. */
export async function forgetIdentities(core: Core, { userIds, identities }: Person, on: Db): Promise<void> {
  const run = (statement: SQL) => core.database.rows(statement, on)
  const hashed = JSON.stringify(identities.map((id) => ({ id, hash: identityHash(core, id), number: numberOf(id) })))
  const person = sql`jsonb_to_recordset(${hashed}::jsonb) as person(id text, hash text, number text)`
  const ids = sql`(select person.id from ${person})`
  await run(sql`
    insert into kept_bans (identity_hash, until, reason)
    select person.hash, users.banned_until, users.ban_reason from users, ${person}
    where users.id in (${uuids(userIds)}) and ${isBanned}
    on conflict (identity_hash) do update set until = excluded.until, reason = excluded.reason`)
  await run(sql`
    insert into earlier_accounts (identity_hash, user_id)
    select person.hash, own.id from ${person}, (${uuids(userIds)}) own(id) on conflict do nothing`)
  // before keys were hashed, they had the identity in clear; the hash may be taken by a later account of the same person
  await run(sql`
    update ledger set key = 'welcome:' || case
      when exists (select from ledger other where other.key = 'welcome:' || person.hash)
      then encode(sha256(convert_to(person.hash || ledger.id, 'UTF8')), 'hex') else person.hash end
    from ${person} where ledger.key = 'welcome:' || person.id`)
  await run(sql`update ledger set actor = null, reason = null where actor in ${ids}`)
  await run(sql`update audit_log set actor = 'closed account' where actor in ${ids}`)
  await run(sql`delete from web_sessions where identity in ${ids}`)
  await run(sql`delete from panel_links where identity in ${ids}`)
  await run(sql`delete from dialogues where person in ${ids}`)
  await run(sql`delete from chat_calls where chat in ${ids}`)
  await run(sql`delete from private_chats where person in ${ids}`)
  await run(sql`delete from broadcast_recipients where person in ${ids}`)
  await run(sql`update broadcasts set asked_by = 'closed account' where asked_by in ${ids}`)
  // results of other people that were shown in the person's private chat; those of their own are needed to delete the messages
  await run(sql`
    delete from sent_messages s using ${person}
    where (starts_with(s.posted, person.id || ':') or starts_with(s.asked_by, person.id || ':'))
      and not exists (select from generations g where g.id = s.generation_id and g.user_id in (${uuids(userIds)}))`)
  await run(sql`delete from begun_messages b using ${person} where starts_with(b.asked_by, person.id || ':')`)
  await run(sql`delete from picked_messages using ${person} where picked_messages.person = person.number`)
  // the act that asked for this is not handled yet, and keeps its lane until then
  await run(sql`
    update inbox set lane = '', album = null from ${person}
    where inbox.handled_at is not null and inbox.lane <> '' and position(person.number in inbox.lane) > 0`)
  await run(sql`delete from identities where user_id in (${uuids(userIds)})`)
}

/** What is found by account. */
export async function forgetRecords(core: Core, { userIds }: Pick<Person, 'userIds'>, on?: Db): Promise<void> {
  const run = (statement: SQL) => core.database.rows(statement, on)
  const ids = uuids(userIds)
  await run(sql`
    update users set name = '', ban_reason = null, tier = null, in_flight_limit = null, per_minute_limit = null
    where id in (${ids})`)
  await run(
    sql`update ledger set reason = null where user_id in (${ids}) and source is not null and reason is not null`,
  )
  await run(sql`
    update api_keys set revoked_at = coalesce(revoked_at, now()), name = '', tail = '', models = null
    where user_id in (${ids}) and (revoked_at is null or name <> '' or tail <> '')`)
  await run(sql`
    with gone as (delete from drafts where user_id in (${ids}) returning images)
    ${giveUpUploads(sql`select jsonb_array_elements_text(images) from gone`)}`)
  await run(sql`
    with gone as (delete from picture_offers where user_id in (${ids}) returning image)
    ${giveUpUploads(sql`select image from gone`)}`)
  await run(giveUpUploads(sql`select key from uploads where user_id in (${ids}) and bytes > 0`))
  await run(sql`update reports set reason = '' where user_id in (${ids}) and reason <> ''`)
  for (const table of tablesOfAccounts) {
    await run(sql`delete from ${sql.identifier(table)} where user_id in (${ids})`)
  }
  await run(sql`
    delete from api_requests where exists (select from (${ids}) own(id) where starts_with(api_requests.key, own.id || ':'))`)
  await run(sql`
    update audit_log set before = ${withoutWords('before')}, after = ${withoutWords('after')}
    where target in (select own.id::text from (${ids}) own(id))`)
}

const tablesOfAccounts = [
  'user_settings',
  'favourites',
  'ratings',
  'link_codes',
  'link_tries',
  'privacy_exports',
  'referral_codes',
  'daily_claims',
]

/** Numbers, times and switches of an audit row stay. */
function withoutWords(column: 'before' | 'after'): SQL {
  const value = sql.identifier(column)
  return sql`case jsonb_typeof(${value})
    when 'object' then ${value} - array['name', 'handle', 'reason'] when 'string' then null else ${value} end`
}

/** As lanes of the inbox have it. */
const numberOf = (identity: string) => splitName(identity).id

/** A query for them. */
export const uuids = (ids: readonly string[]): SQL =>
  sql`select value::uuid from jsonb_array_elements_text(${JSON.stringify(ids)}::jsonb)`
