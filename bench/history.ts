/**
 * `npx tsx bench/history.ts [rows…]`: milliseconds to read the history and the credits of an account that has asked for very much,
 * before all the others. 3000000 takes about ten minutes and 6 GB. Rows are those of `generations`; the ledger has twice as many.
 */
import { type SQL, sql } from 'drizzle-orm'
import { lastEntries } from '../src/core/billing/ledger.ts'
import type { Core } from '../src/core/core.ts'
import { lastPage, readHistory, startOf } from '../src/core/history/history.ts'
import { outcomes } from '../src/core/history/outcome.ts'
import { findRequest, shortId } from '../src/core/ids.ts'
import { openDatabase } from '../src/db/open.ts'
import { backends, createDatabase } from '../tests/helpers/backends.ts'
import { printTable, quantile, say } from './parts/figures.ts'

const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [10_000]
const [warmUp, times] = [30, 300]
const goalMs = 5
/** Rows that one statement inserts. */
const batch = 50_000
/** One request in so many is the account's own. They are the oldest ones. */
const share = 20
const others = 1_000

const accountId = (number: number) => `00000000-0000-7000-8000-${String(number).padStart(12, '0')}`
const own = accountId(0)
const otherId = accountId(1)

/** Of request `n`. */
const id = sql`(lpad(to_hex(1750000000000 + n::bigint), 12, '0') || '70008000' || substr(md5(n::text), 1, 12))::uuid`
const at = sql`to_timestamp(1750000000 + n)`
const owner = (rows: number) => sql`case when n <= ${Math.floor(rows / share)}::int then ${own}::uuid
  else ('00000000-0000-7000-8000-' || lpad((1 + n % ${others}::int)::text, 12, '0'))::uuid end`

const table = [['read', 'rows', 'p50, ms', 'p99', 'max']]
for (const rows of sizes) table.push(...(await measure(rows)))
say(`One account with a ${share}th of all requests, all of them older than those of ${others} others\n`)
printTable(table)
say(`\nGoal: p99 ≤ ${goalMs} ms.`)
process.exit()

async function measure(rows: number): Promise<string[][]> {
  const onServer = backends().includes('postgres') ? await createDatabase() : undefined
  const database = await openDatabase({ url: onServer?.url, dataDir: '', memory: onServer === undefined })
  try {
    // the parts of the core that these functions use
    const core = { database } as Core
    await fill(core, rows)
    const middle = await idOf(core, Math.ceil(rows / share / 2))
    const readers = Object.entries(readings(core, middle)).map(([name, read]) => ({
      name,
      read,
      taken: [] as number[],
    }))
    // in turns, so that other work on the machine slows all of them down alike
    for (let n = 0; n < warmUp + times; n++) {
      for (const { read, taken } of readers) {
        const startedAt = performance.now()
        await read()
        if (n >= warmUp) taken.push(performance.now() - startedAt)
      }
    }
    return readers.map(({ name, taken }) => [
      name,
      String(rows),
      ...[0.5, 0.99, 1].map((q) => quantile(taken, q).toFixed(1)),
    ])
  } finally {
    await database.close()
    await onServer?.drop()
  }
}

/** `middle`: one of the account's requests. */
function readings(core: Core, middle: string): Readonly<Record<string, () => Promise<unknown>>> {
  const first = { userId: own, page: 1, limit: 20 }
  return {
    'select 1': () => core.database.rows(sql`select 1`),
    '/history': () => readHistory(core, own, { filter: {} }),
    '/history, older': () => readHistory(core, own, { filter: {}, from: { direction: 'older', id: middle } }),
    '/history, newer': () => readHistory(core, own, { filter: {}, from: { direction: 'newer', id: middle } }),
    '/history, favourites': () => readHistory(core, own, { filter: { favourites: true } }),
    [`/history ${lastPage}`]: () => startOf(core, own, { filter: {}, page: lastPage }),
    '/history, another account': () => readHistory(core, otherId, { filter: {} }),
    '/credits, entries': () => lastEntries(core, own, 5),
    '/show short id': () => findRequest(core, own, shortId(middle)),
    API: () => outcomes(core, first),
    'API, before': () => outcomes(core, { ...first, before: middle }),
    'API, page 50': () => outcomes(core, { ...first, page: 50 }),
    'API, one surface': () => outcomes(core, { ...first, source: 'api' }),
    'API, one generator': () => outcomes(core, { ...first, generator: 'flux', delivered: true }),
  }
}

/** Requests are numbered from 1, the account's own first, and their ids sort like the numbers. */
async function fill({ database }: Core, rows: number): Promise<void> {
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
      await database.rows(thumbnails(numbers, rows), tx)
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

function thumbnails(numbers: SQL, rows: number): SQL {
  return sql`
  insert into images (key, generation_id, role, position, type, width, height, bytes)
  select 'image/' || n || '/' || role, ${id}, role, 0, 'image/webp', 512, 512, 20000
  from ${numbers}, unnest(array['output', 'thumbnail']) role where n <= ${Math.floor(rows / share)}::int`
}

async function idOf({ database }: Core, number: number): Promise<string> {
  const [row] = await database.rows<{ id: string }>(sql`select ${id} as id from (select ${number}::int as n) one`)
  return row?.id ?? ''
}
