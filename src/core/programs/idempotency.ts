/**
 * Idempotency keys: for a week, a repetition of a request gets the same response. They are kept in the database, so that they
 * hold for any number of processes.
 */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import type { Json } from '../../db/json.ts'
import { apiRequests } from '../../db/schema/programs.ts'
import { heirOf } from '../accounts/accounts.ts'
import type { Core } from '../core.ts'

export interface KeyedRequest {
  userId: string
  /** As the client sent it. */
  key: string
  /** Distinguishes requests that carry the same key. */
  bodyHash: string
}

/** `since` distinguishes this use of the key from later ones, after it was forgotten or has expired. */
type Begun =
  | { state: 'fresh' | 'in_flight'; since: string }
  | { state: 'other_body' }
  | { state: 'done'; response: Json }

const keptFor = '7 days'
/** The process that began it has probably died. If not, no harm is done: generations have keys of their own. */
const abandonedAfter = '1 minute'
/** Clients retry within this time. An older request with the same content was a different request. */
const repeatedWithin = '15 minutes'
/** Rows that one statement deletes, and statements in one round of the sweeper. */
const pruneRows = 1_000
const pruneTimes = 10

/** Stored instead of a response: begun again while the process that began it before may still be working. */
const shared = sql`'"shared"'::jsonb`

const since = typed<string>(sql`extract(epoch from ${apiRequests.createdAt})::text`)
const useOfKey = columnsOf({ since })
const earlierUse = columnsOf({
  bodyHash: apiRequests.bodyHash,
  status: apiRequests.status,
  response: typed<Json>(apiRequests.response),
  since,
})

/**
 * 'fresh': the caller holds the key now, and must call `finish` or `forget`. 'in_flight': another process holds it. A process
 * that seemed dead may have been slow: then two processes have the same `since`, and make the same generation.
 */
export async function begin(core: Core, request: KeyedRequest): Promise<Begun> {
  const key = keyOf(request)
  const [fresh] = await readRows(
    core.database,
    useOfKey,
    (columns) => sql`
    insert into api_requests (key, body_hash, status) values (${key}, ${request.bodyHash}, 'in_flight')
    on conflict (key) do update
      set body_hash = excluded.body_hash, status = 'in_flight', generation_ids = '[]',
        response = case when api_requests.created_at < now() - ${keptFor}::interval then null else ${shared} end,
        created_at = case when api_requests.created_at < now() - ${keptFor}::interval then now()
          else api_requests.created_at end
      where api_requests.created_at < now() - ${keptFor}::interval
        or (api_requests.status = 'in_flight' and api_requests.body_hash = excluded.body_hash
          and api_requests.created_at < now() - ${abandonedAfter}::interval)
    returning ${columns}`,
  )
  if (fresh) return { state: 'fresh', ...fresh }
  const [before] = await readRows(
    core.database,
    earlierUse,
    (columns) => sql`select ${columns} from api_requests where key = ${key}`,
  )
  // forgotten in between, so a retry will be fresh
  if (!before) return { state: 'in_flight', since: '' }
  if (before.bodyHash !== request.bodyHash) return { state: 'other_body' }
  if (before.status === 'done') return { state: 'done', response: before.response }
  return { state: 'in_flight', since: before.since }
}

/** Repetitions of the request get this response from now on. */
export async function finish(
  core: Core,
  request: KeyedRequest,
  response: Json,
  generationIds: readonly string[] = [],
): Promise<void> {
  await core.database.rows(sql`
    update api_requests set status = 'done', response = ${JSON.stringify(response)}::jsonb,
      generation_ids = ${JSON.stringify(generationIds)}::jsonb
    where key = ${keyOf(request)} and body_hash = ${request.bodyHash}`)
}

/**
 * Frees the key of a refused request. A row that another process may hold as well stays: without it that process and a retry
 * would not meet, and the key would be charged twice.
 */
export async function forget(core: Core, request: KeyedRequest): Promise<void> {
  await core.database.rows(sql`
    delete from api_requests where key = ${keyOf(request)} and body_hash = ${request.bodyHash}
      and status = 'in_flight' and response is distinct from ${shared}`)
}

/**
 * For clients that retry without an idempotency key: `key` is made from the content. Call it before `ask`, with the key of
 * that call, so that the note exists whenever the connection breaks.
 */
export async function noteUnanswered(core: Core, request: KeyedRequest, askKey: string): Promise<void> {
  await core.database.rows(sql`
    insert into api_requests (key, body_hash, status, generation_ids)
    values (${keyOf(request)}, ${request.bodyHash}, 'done', ${JSON.stringify([askKey])}::jsonb)
    on conflict (key) do update set created_at = now(),
      generation_ids = excluded.generation_ids || case
        when api_requests.created_at < now() - ${repeatedWithin}::interval or jsonb_array_length(api_requests.generation_ids) > 100
        then '[]' else api_requests.generation_ids end`)
}

/** Removes that note once the response was sent in full. */
export async function noteAnswered(core: Core, request: KeyedRequest, askKey: string): Promise<void> {
  await core.database.rows(sql`
    with last as (delete from api_requests where key = ${keyOf(request)} and generation_ids - ${askKey}::text = '[]')
    update api_requests set generation_ids = generation_ids - ${askKey}::text
    where key = ${keyOf(request)} and generation_ids - ${askKey}::text <> '[]'`)
}

const rotated = columnsOf({ askKey: typed<string>(sql`${apiRequests.generationIds}->>-1`) })

/**
 * The `ask` key of a request with this content that was not answered in full: the latest one first, then the others in turn.
 * Older requests may have been refused after their client had disconnected.
 */
export async function unanswered(core: Core, request: KeyedRequest): Promise<string | undefined> {
  const [row] = await readRows(
    core.database,
    rotated,
    (columns) => sql`
    update api_requests set generation_ids = (generation_ids - 0) || jsonb_build_array(generation_ids->0)
    where key = ${keyOf(request)} and generation_ids <> '[]' and created_at > now() - ${repeatedWithin}::interval
    returning ${columns}`,
  )
  return row?.askKey
}

/** For the sweeper. The rest is deleted in its next round. */
export async function forgetOldRequests(core: Core): Promise<void> {
  for (let times = 0; times < pruneTimes; times++) {
    const gone = await core.database.rows(sql`
      delete from api_requests where key in (
        select key from api_requests where created_at < now() - ${keptFor}::interval
        order by created_at limit ${pruneRows} for update skip locked)
      returning key`)
    if (gone.length < pruneRows) return
  }
}

/** Of the account as it is now: a program may have been recognised before its account was joined with another. */
const keyOf = ({ userId, key }: KeyedRequest) => sql`(${heirOf(userId)}::text || ${`:${key}`}::text)`
