/** Fills a database with requests that have ended: those of one account first, and then those of many others. */
import { type SQL, sql } from 'drizzle-orm'
import type { Core } from '../../src/core/core.ts'

/** Rows that one statement inserts. */
const batch = 50_000
/** One request in so many is the account's own. They are the oldest ones. */
export const share = 20
export const others = 1_000

const accountId = (number: number) => `00000000-0000-7000-8000-${String(number).padStart(12, '0')}`
export const own = accountId(0)
export const otherId = accountId(1)

/** Of request `n`. */
export const id = sql`(lpad(to_hex(1750000000000 + n::bigint), 12, '0') || '70008000' || substr(md5(n::text), 1, 12))::uuid`
const at = sql`to_timestamp(1750000000 + n)`
const owner = (rows: number) => sql`case when n <= ${Math.floor(rows / share)}::int then ${own}::uuid
  else ('00000000-0000-7000-8000-' || lpad((1 + n % ${others}::int)::text, 12, '0'))::uuid end`

/**
 * Requests are numbered from 1, the account's own first, and their ids sort like the numbers. `pictured`: how many of the first ones
 * have pictures.
 */
export async function fill({ database }: Core, rows: number, pictured = Math.floor(rows / share)): Promise<void> {
  const accounts = Array.from({ length: others + 1 }, (_, number) => accountId(number))
  await database.rows(sql`
    insert into users (id, name) select id::uuid, 'person' from jsonb_array_elements_text(${JSON.stringify(accounts)}::jsonb) id`)
  for (let from = 1; from <= rows; from += batch) {
    const numbers = sql`generate_series(${from}::int, ${Math.min(rows, from + batch - 1)}::int) n`
    await database.db.transaction(async (tx) => {
      // neither triggers nor foreign keys: rows by the million would take hours
      await database.rows(sql`select set_config('session_replication_role', 'replica', true)`, tx)
      await database.rows(requests(numbers, rows), tx)
      await database.rows(entries(numbers, rows), tx)
      await database.rows(thumbnails(numbers, pictured), tx)
    })
  }
  await database.rows(sql`
    insert into favourites (user_id, generation_id)
    select user_id, id from generations where user_id = ${own}::uuid and right(id::text, 1) = '7' limit 1000`)
  await database.db.transaction(async (tx) => {
    await database.rows(sql`select set_config('statement_timeout', '0', true)`, tx)
    await database.rows(sql`analyze`, tx)
  })
}

function requests(numbers: SQL, rows: number): SQL {
  return sql`
  insert into generations (id, user_id, payer_id, key, state, surface, address, channel, locale, model, provider, endpoint, request,
    price, priority, attempt, wake_at, deadline_at, created_at, started_at, stored_at, ended_at)
  select ${id}, ${owner(rows)}, ${owner(rows)}, 'call:' || n, case n % 20 when 0 then 'failed' else 'delivered' end,
    case n % 3 when 0 then 'api' when 1 then 'discord' else 'telegram' end, 'discord:' || n, 'c', 'en',
    case n % 4 when 0 then 'seedream' else 'flux-schnell' end, case n % 4 when 0 then 'ark' else 'fal' end, 'endpoint',
    jsonb_build_object('model', 'flux-schnell', 'prompt', 'a fox in the snow, number ' || n, 'aspect', '1:1', 'width', 1024,
      'height', 1024, 'count', 1, 'images', 0),
    2, 1, 1, ${at}, ${at}, ${at}, ${at}, ${at}, ${at}
  from ${numbers}`
}

function entries(numbers: SQL, rows: number): SQL {
  return sql`
  insert into ledger (user_id, generation_id, kind, amount, held, created_at)
  select ${owner(rows)}, ${id}, kind, case kind when 'hold' then -2 else 0 end, case kind when 'hold' then 2 else -2 end, ${at}
  from ${numbers}, unnest(array['hold', 'capture']) kind order by n, kind desc`
}

function thumbnails(numbers: SQL, pictured: number): SQL {
  return sql`
  insert into images (key, generation_id, role, position, type, width, height, bytes, created_at)
  select 'image/' || n || '/' || role, ${id}, role, 0, 'image/webp', 512, 512, 20000, ${at}
  from ${numbers}, unnest(array['output', 'thumbnail']) role where n <= ${pictured}::int`
}

/** Requests of many accounts that wait in two lanes, and some that are being drawn. Their numbers follow those of the others. */
export async function fillQueue(
  { database }: Pick<Core, 'database'>,
  { after, queued, running }: QueueSize,
): Promise<void> {
  const [first, last] = [after + 1, after + queued + running]
  await database.db.transaction(async (tx) => {
    await database.rows(sql`select set_config('session_replication_role', 'replica', true)`, tx)
    await database.rows(
      sql`
        insert into generations (id, user_id, payer_id, key, state, surface, address, channel, locale, model, provider, endpoint,
          request, price, priority, attempt, posted, wake_at, deadline_at, started_at, lease_until)
        select ${id}, user_id, user_id, 'call:' || n, case when is_running then 'running' else 'queued' end,
          case n % 3 when 0 then 'api' when 1 then 'discord' else 'telegram' end, 'discord:' || n, 'c', 'en',
          'flux-schnell', case n % 4 when 0 then 'ark' else 'fal' end, 'endpoint',
          jsonb_build_object('model', 'flux-schnell', 'prompt', 'a fox in the snow, number ' || n, 'aspect', '1:1', 'width', 1024,
            'height', 1024, 'count', 1, 'images', 0),
          2, 1 + n % 7, case when is_running then 1 else 0 end, 'discord:' || n, now() + interval '1 hour', now() + interval '1 hour',
          case when is_running then now() end, case when is_running then now() + interval '1 hour' end
        from (
          select n, n < ${first + running}::int as is_running,
            ('00000000-0000-7000-8000-' || lpad((1 + n % ${others}::int)::text, 12, '0'))::uuid as user_id
          from generate_series(${first}::int, ${last}::int) n) numbered`,
      tx,
    )
  })
  await database.rows(sql`analyze generations`)
}

interface QueueSize {
  /** Number of the last request that has ended. */
  after: number
  queued: number
  running: number
}
