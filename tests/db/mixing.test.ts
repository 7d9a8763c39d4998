import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { createQueue } from '../../src/queue/bullmq.ts'
import { openTestDatabase, type TestDatabase } from '../helpers/backends.ts'

// The service and BullMQ share one session of the embedded database. Each row names the table, transaction and step
// that wrote it, which reveals a statement inside the wrong transaction and a lost rollback.

let opened: TestDatabase
let database: Database

beforeAll(async () => {
  opened = await openTestDatabase('pglite')
  database = opened.database
  for (const table of ['mix_a', 'mix_b']) {
    await database.db.execute(
      sql.raw(`create table ${table} (meant text not null, tx text, step int, keep boolean, inside text)`),
    )
  }
})
afterAll(() => opened?.drop())

test('1,500 concurrent statements of the service, the queue and its clients stay in their own transactions', async () => {
  const queue = await createQueue({
    backend: { pool: database.bullPool() },
    lanes: [{ name: 'mix', concurrency: 8 }],
    log: { warn: () => {}, error: () => {} },
  })
  const ran = new Set<string>()
  await queue.work(async (id) => {
    await insert('mix_a', { tx: id, step: 0, keep: true })
    ran.add(id)
    return undefined
  })

  const jobs = Array.from({ length: 100 }, () => randomUUID())
  const work: Promise<unknown>[] = []
  for (let n = 0; n < 100; n += 1) {
    // the queue times out on a database that is busy for too long
    if (n % 25 === 0) await Promise.all(work.splice(0))
    work.push(serviceTransaction(n), clientTransaction(n))
    work.push(insert('mix_a', { tx: `single ${n}`, step: 0, keep: true }))
    work.push(insert('mix_b', { tx: `single ${n}`, step: 0, keep: true }))
    work.push(queue.add({ id: jobs[n]!, lane: 'mix', priority: (n % 20) + 1 }))
  }
  await Promise.all(work)
  await expect.poll(() => ran.size, { timeout: 30_000 }).toBe(100)
  await queue.close(5_000)

  const rows = await database.rows<{ table_name: string; meant: string; tx: string; keep: boolean; inside: string }>(
    sql`select 'mix_a' as table_name, * from mix_a union all select 'mix_b', * from mix_b`,
  )
  expect(rows.filter((row) => row.table_name !== row.meant)).toEqual([])
  expect(rows.filter((row) => !row.keep)).toEqual([])
  // 75 of 100 service transactions and 75 of 100 client transactions with 5 rows each, 200 single rows, one row per job
  expect(rows).toHaveLength(75 * 5 + 75 * 5 + 200 + 100)
  // each database transaction contains the rows of only one of our transactions
  const owners = new Map<string, Set<string>>()
  for (const row of rows) owners.set(row.inside, (owners.get(row.inside) ?? new Set()).add(row.tx))
  expect([...owners.values()].filter((names) => names.size > 1)).toEqual([])
  const [left] = await database.rows<{ n: number }>(sql`select count(*) as n from bullmq.job`)
  expect(left?.n).toBe(0)
})

test('the pool parses and encodes values as pg does', async () => {
  const pool = database.bullPool()
  const at = new Date('2026-11-20T10:00:00.123Z')
  const { rows } = await pool.query(
    `select $1::bigint as big, $2::jsonb as json, $3::timestamptz as at, $4::text[] as list, $5::boolean as yes,
      $6::bytea as bytes, $7::text as none, $8::int as small, 1.5::numeric as exact, $9::bigint[] as bigs`,
    [9007199254740993n, { a: ['x'] }, at, ['a"b\\', null, '{,}'], true, Buffer.from([0, 255]), null, 7, [1, 2]],
  )
  expect(rows[0]).toEqual({
    big: '9007199254740993',
    json: { a: ['x'] },
    at,
    list: ['a"b\\', null, '{,}'],
    yes: true,
    bytes: Buffer.from([0, 255]),
    none: null,
    small: 7,
    exact: '1.5',
    bigs: ['1', '2'],
  })
})

test('a client that is released inside a transaction rolls it back and frees the session', async () => {
  const client = await database.bullPool().connect()
  await client.query('begin')
  await client.query(`insert into mix_a (meant) values ('forgotten')`)
  client.release()
  const [row] = await database.rows<{ n: number }>(sql`select count(*) as n from mix_a where meant = 'forgotten'`)
  expect(row?.n).toBe(0)
})

interface Mark {
  tx: string
  step: number
  keep: boolean
}

async function insert(table: string, { tx, step, keep }: Mark, on = database.db): Promise<void> {
  await on.execute(
    sql`insert into ${sql.identifier(table)}
        values (${table}, ${tx}, ${step}, ${keep}, pg_current_xact_id()::text)`,
  )
}

/** Rolls back every fourth transaction. */
async function serviceTransaction(n: number): Promise<void> {
  const keep = n % 4 !== 0
  const tables = n % 2 ? ['mix_a', 'mix_b'] : ['mix_b', 'mix_a']
  const done = database.db.transaction(async (tx) => {
    for (let step = 0; step < 5; step += 1) await insert(tables[step % 2]!, { tx: `service ${n}`, step, keep }, tx)
    if (!keep) throw new Error('rolled back on purpose')
  })
  if (keep) await done
  else await expect(done).rejects.toThrow('on purpose')
}

async function clientTransaction(n: number): Promise<void> {
  const keep = n % 4 !== 0
  const client = await database.bullPool().connect()
  await client.query('BEGIN')
  for (let step = 0; step < 5; step += 1) {
    const table = (n + step) % 2 ? 'mix_a' : 'mix_b'
    await client.query(`insert into ${table} values ($1, $2, $3, $4, pg_current_xact_id()::text)`, [
      table,
      `client ${n}`,
      step,
      keep,
    ])
  }
  await client.query(keep ? 'COMMIT' : 'ROLLBACK')
  client.release()
}
