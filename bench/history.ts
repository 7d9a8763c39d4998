/**
 * `npx tsx bench/history.ts [rows…]`: milliseconds to read the history and the credits of an account that has asked for very much,
 * before all the others. 3000000 takes about ten minutes and 6 GB. Rows are those of `generations`; the ledger has twice as many.
 */
import { sql } from 'drizzle-orm'
import { lastEntries } from '../src/core/billing/ledger.ts'
import type { Core } from '../src/core/core.ts'
import { lastPage, readHistory, startOf } from '../src/core/history/history.ts'
import { outcomes } from '../src/core/history/outcome.ts'
import { findRequest, shortId } from '../src/core/ids.ts'
import { openDatabase } from '../src/db/open.ts'
import { backends, createDatabase } from '../tests/helpers/backends.ts'
import { printTable, quantile, say } from './parts/figures.ts'
import { fill, id, otherId, others, own, share } from './parts/fill.ts'

const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [10_000]
const [warmUp, times] = [30, 300]
const goalMs = 5
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
    '/history, a rare model': () => readHistory(core, own, { filter: { model: 'none' } }),
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

async function idOf({ database }: Core, number: number): Promise<string> {
  const [row] = await database.rows<{ id: string }>(sql`select ${id} as id from (select ${number}::int as n) one`)
  return row?.id ?? ''
}
