/** Acts on their arrival: each is stored once, with those that belong together under one name. */
import { type SQL, sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import type { Json } from '../db/json.ts'

/** An act as its platform sent it. */
export interface Received {
  /** The platform's id of it: the same for each delivery. */
  key: string
  /** Acts of one lane are handled in order: those of a person in a chat. */
  lane: string
  /** Acts that are handled together: the messages of an album, or the parts of a long text. */
  album?: string
  /** UTF-16 units of a text that may be a part of a longer one. */
  length?: number
  /** Albums that this act may belong to. It joins the latest one whose last part has at least `minLength` units. */
  joins?: { albums: readonly string[]; minLength: number }
  /** Stored only if it joins one of these albums. */
  partOnly?: boolean
  /** Of a message: its name, and a digest of what it says. */
  message?: { name: string; said: string }
  /** It is stored only if the message has changed. */
  isEdit?: boolean
  body: Json
}

/** A handler renews its claim every third of it. After a kill another process waits for the rest of it. */
export const claimSeconds = 6

/** Notified with the name of an inbox that has new acts. */
export const inboxChannel = 'fluxbot_inbox'

/** The messages of an album arrive separately, and none says that it is the last. */
export const albumQuietMs = 1_000

/**
 * Stores acts, in one statement; a repeated delivery changes nothing. Processes that handle none use it as well. A new part of an
 * album postpones the others, so that the album is handled once it has been quiet for a while.
 */
export async function storeActs(database: Database, name: string, acts: readonly Received[]): Promise<void> {
  if (acts.length === 0) return
  const rows = joinedAtOnce(withoutSameWords([...new Map(acts.map((act) => [act.key, act])).values()]))
  await database.rows(sql`
    with arrived as (
      select key, lane, body, number, part_only, length, message, said, coalesce((
          select last.album from (
            select i.album, i.length from inbox i
            where i.surface = ${name} and i.lane = a.lane and i.album in (select jsonb_array_elements_text(a.joins))
            order by i.position desc limit 1) last
          where last.length >= a.min_length), album) as album
      from jsonb_array_elements(${jsonOf(rows)}::jsonb) with ordinality as item(act, number),
        jsonb_to_record(item.act) as a(key text, lane text, album text, length int, joins jsonb, min_length int,
          part_only boolean, body jsonb, message text, said text, is_edit boolean)
      where a.is_edit is not true or not exists (
        select from inbox i where i.surface = ${name} and i.message = a.message and i.said = a.said)),
    stored as (
      insert into inbox (key, surface, lane, album, length, message, said, body, due_at)
      select key, ${name}, lane, album, length, message, said, body,
        now() + case when album is null then interval '0' else ${`${albumQuietMs} milliseconds`}::interval end
      from arrived where album is not null or part_only is not true
      order by number on conflict (key) do nothing returning key, album),
    postponed as (
      update inbox set due_at = now() + ${`${albumQuietMs} milliseconds`}::interval
      where surface = ${name} and album in (select album from stored where album is not null)
        and handled_at is null and claimed_until is null)
    select pg_notify(${inboxChannel}, ${name}) from stored limit 1`)
}

/** Parts that arrive in one delivery are joined before any of them is stored. */
function joinedAtOnce(acts: readonly Received[]) {
  /** Album → length of its last part. */
  const lengths = new Map<string, number>()
  return acts.map(({ key, lane, album: own, length, joins, partOnly = false, message, isEdit = false, body }) => {
    const { albums = [], minLength = 0 } = joins ?? {}
    const album = albums.find((name) => (lengths.get(name) ?? -1) >= minLength) ?? own
    if (album !== undefined && length !== undefined) lengths.set(album, length)
    const said = { message: message?.name, said: message?.said, is_edit: isEdit }
    return { key, lane, album, length, joins: albums, min_length: minLength, part_only: partOnly, ...said, body }
  })
}

/** Platforms report edits that change nothing a person reads. Those that came with the message itself are left out here. */
function withoutSameWords(acts: readonly Received[]): Received[] {
  const said = new Set<string>()
  return acts.filter(({ message, isEdit }) => {
    if (!message) return true
    const name = `${message.name} ${message.said}`
    if (isEdit && said.has(name)) return false
    said.add(name)
    return true
  })
}

/** Postgres accepts neither NUL nor half a surrogate pair in JSON, and one such act must not block the others. */
function jsonOf(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    typeof each === 'string' ? each.replaceAll('\0', ' ').replace(/\p{Surrogate}/gu, '\uFFFD') : each,
  )
}

/** Words, pictures, tokens and the person's id go. The key stays for repeated deliveries, and an album and its lane for late parts. */
export const finish = (database: Database, keys: readonly string[], { keepAlbum }: { keepAlbum: boolean }) =>
  database.rows(sql`
    with handled as (
      update inbox set handled_at = now(), body = '{}', album = case when ${keepAlbum}::bool then album end,
        lane = case when ${keepAlbum}::bool and album is not null then lane else '' end
      where key in (${listed(keys)}) returning key)
    delete from inbox_files where act in (select key from handled)`)

/** Resolves to the end of the claim. */
export async function postpone(database: Database, keys: readonly string[], ms: number): Promise<string | undefined> {
  // unchecked row: more digits than a Date has
  const [row] = await database.rows<{ until: string }>(sql`
    update inbox set claimed_until = now() + ${`${ms} milliseconds`}::interval
    where key in (${listed(keys)}) and handled_at is null returning claimed_until::text as until`)
  return row?.until
}

/** False: another process has claimed the act since. */
export async function reclaim(
  database: Database,
  keys: readonly string[],
  until: string | undefined,
): Promise<boolean> {
  const rows = await database.rows(sql`
    update inbox set claimed_until = now() + ${`${claimSeconds} seconds`}::interval
    where key in (${listed(keys)}) and handled_at is null and claimed_until = ${until ?? null}::timestamptz returning key`)
  return rows.length > 0
}

/** Deletes what was handled more than a day ago, and what became too old to be handled. */
export async function pruneInbox(database: Database): Promise<void> {
  await database.rows(sql`
    with files as (delete from inbox_files where created_at < now() - interval '2 days')
    delete from inbox where received_at < now() - interval '1 day'
      and (handled_at < now() - interval '1 day' or received_at < now() - interval '2 days')`)
}

const listed = (keys: readonly string[]): SQL => sql`select jsonb_array_elements_text(${JSON.stringify(keys)}::jsonb)`
