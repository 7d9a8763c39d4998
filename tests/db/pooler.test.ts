/** Databases behind PgBouncer, in its three modes. */
import { readdir } from 'node:fs/promises'
import { sql } from 'drizzle-orm'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { openDatabase } from '../../src/db/open.ts'
import { createQueue } from '../../src/queue/bullmq.ts'
import { createDatabase, openTestDatabase } from '../helpers/backends.ts'
import { lacksPgBouncer, type PgBouncer, startPgBouncer } from '../helpers/pgbouncer.ts'

describe.skipIf(lacksPgBouncer())('behind PgBouncer (skipped without: apt-get install pgbouncer)', () => {
  let transactions: PgBouncer
  let twoSessions: PgBouncer
  let sessions: PgBouncer
  let statements: PgBouncer
  let url: string
  let drop: () => Promise<void>
  const opened: Database[] = []
  const lines: string[] = []

  beforeAll(async () => {
    ;[transactions, twoSessions, sessions, statements] = await Promise.all([
      startPgBouncer(),
      startPgBouncer({ size: 2 }),
      startPgBouncer({ mode: 'session', size: 20, lines: ['ignore_startup_parameters = options'] }),
      startPgBouncer({ mode: 'statement' }),
    ])
  })
  afterAll(() => Promise.all([transactions, twoSessions, sessions, statements].map((each) => each?.stop())))
  beforeEach(async () => {
    const made = await openTestDatabase('postgres')
    url = made.url as string
    drop = made.drop
    lines.length = 0
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((database) => database.close()))
    await drop()
  })

  const open = async (given: string, options: { directUrl?: string; maxConnections?: number } = {}) => {
    const report = (line: string) => void lines.push(line)
    const database = await openDatabase({ url: given, dataDir: '', report, ...options })
    opened.push(database)
    return database
  }
  const direct = async (query: string, address = url) => {
    const client = new pg.Client({ connectionString: address })
    await client.connect()
    const { rows } = await client.query(query)
    await client.end()
    return rows as Record<string, unknown>[]
  }
  const refusal = (given: string, directUrl?: string) =>
    open(given, { directUrl }).then(
      () => 'opened',
      (error: Error) => error.message,
    )

  test('in transaction mode, a database works without a session of its own; only LISTEN and the queue do not', async () => {
    const database = await open(transactions.through(url))
    expect(await database.rows(sql`select count(*) as n from users`)).toEqual([{ n: 0 }])
    expect(lines.join()).toContain('LISTEN does not work: what other processes do is noticed up to 10 seconds later')
    expect(lines.join()).toContain('set DATABASE_DIRECT_URL')
    expect(() => database.bullPool()).toThrow(/transaction mode.*set DATABASE_DIRECT_URL .* or set REDIS_URL/)
    const stop = await database.listen('Anything', () => {})
    await stop()
    await database.ping()
  })

  test('in transaction mode, LISTEN and the queue work by the direct address', async () => {
    const pooled = await open(transactions.through(url), { directUrl: url })
    const heard: string[] = []
    const stop = await pooled.listen('Anything', (payload) => heard.push(payload))
    await pooled.rows(sql`select pg_notify('Anything', 'x')`)
    await expect.poll(() => heard).toEqual(['x'])
    await stop()
    const ran: string[] = []
    const lanes = [{ name: 'one', concurrency: 2 }]
    const queue = await createQueue({ backend: { pool: pooled.bullPool() }, lanes, log: silent })
    await queue.work(async (id) => void ran.push(id))
    await queue.add({ id: 'a', lane: 'one', priority: 1 })
    await expect.poll(() => ran).toEqual(['a'])
    await queue.close(1_000)
    expect(lines.join()).not.toContain('LISTEN')
  })

  test('six processes migrate at once in transaction mode, and set the time limit of statements once', async () => {
    const empty = await createDatabase()
    const six = Array.from({ length: 6 }, () => open(transactions.through(empty.url), { maxConnections: 1 }))
    await Promise.all(six)
    const [counted] = await direct('select count(*)::int as n from drizzle.__drizzle_migrations', empty.url)
    const files = await readdir(new URL('../../drizzle/', import.meta.url))
    expect(counted?.n).toBe(files.filter((name) => name.endsWith('.sql')).length)
    const locks = `select 1 from pg_locks join pg_database d on d.oid = database
      where locktype = 'advisory' and datname = current_database()`
    expect(await direct(locks, empty.url)).toEqual([])
    expect(lines.filter((line) => line.includes('ends statements'))).toHaveLength(1)
    expect(await direct('show statement_timeout', empty.url)).toEqual([{ statement_timeout: '30s' }])
    await Promise.all(opened.splice(0).map((database) => database.close()))
    await empty.drop()
  })

  test('statements and transactions of two clients in two sessions stay apart', async () => {
    const both = [await open(twoSessions.through(url)), await open(twoSessions.through(url))]
    await direct('create table mixed (tx text, inside text)')
    const statements = Array.from({ length: 300 }, async (_, n) => {
      const database = both[n % 2] as Database
      // texts of several shapes, whose prepared statements would take each other's names
      const columns = Array.from({ length: (n % 7) + 1 }, (_, column) => {
        // without parameters, a statement is sent in another way
        const value = n % 3 === 0 ? sql.raw(`'${n} ${column}'`) : sql`${`${n} ${column}`}`
        return sql`${value}::text as ${sql.identifier(`c${column}`)}`
      })
      const [row] = await database.rows<Record<string, string>>(sql`select ${sql.join(columns, sql`, `)}`)
      return Object.values(row ?? {}).every((value, column) => value === `${n} ${column}`)
    })
    const transactions = Array.from({ length: 60 }, async (_, n) => {
      const done = (both[n % 2] as Database).db.transaction(async (tx) => {
        for (let step = 0; step < 3; step++)
          await tx.execute(sql`insert into mixed values (${`tx ${n}`}, pg_current_xact_id()::text)`)
        if (n % 4 === 0) throw new Error('rolled back on purpose')
      })
      await done.catch((error: Error) => expect(error.message).toContain('on purpose'))
    })
    expect(await Promise.all(statements)).not.toContain(false)
    await Promise.all(transactions)
    const owners = await direct(
      'select inside, count(*)::int as rows, count(distinct tx)::int as owners from mixed group by inside',
    )
    expect(owners).toHaveLength(45)
    expect(owners.every(({ rows, owners: names }) => rows === 3 && names === 1)).toBe(true)
  })

  test('a pooler whose sessions are all busy is still known as one in transaction mode', async () => {
    const busy = await open(twoSessions.through(url))
    let over = false
    const load = Array.from({ length: 12 }, async () => {
      while (!over) await busy.db.transaction((tx) => tx.execute(sql`select pg_sleep(0.005)`))
    })
    lines.length = 0
    for (let round = 0; round < 4; round++) await open(twoSessions.through(url), { maxConnections: 1 })
    over = true
    await Promise.all(load)
    expect(lines.filter((line) => line.includes('LISTEN does not work'))).toHaveLength(4)
  })

  test('in session mode everything works by one address', async () => {
    const pooled = await open(sessions.through(url))
    expect(lines.join()).not.toContain('LISTEN')
    const heard: string[] = []
    await pooled.listen('Anything', (payload) => heard.push(payload))
    await pooled.rows(sql`select pg_notify('Anything', 'x')`)
    await expect.poll(() => heard).toEqual(['x'])
    const queue = await createQueue({ backend: { pool: pooled.bullPool() }, lanes: [], log: silent })
    await queue.close(0)
  })

  test('what a pooler cannot do is refused with the name of the setting and a cure', async () => {
    expect(await refusal(statements.through(url))).toMatch(
      /Set pool_mode = transaction in the pooler that is named by DATABASE_URL/,
    )
    expect(await refusal(url, transactions.through(url))).toMatch(
      /DATABASE_DIRECT_URL is the address of a pooler in transaction mode/,
    )
    const other = await createDatabase()
    expect(await refusal(transactions.through(url), other.url)).toMatch(
      /DATABASE_DIRECT_URL names another database than DATABASE_URL/,
    )
    await other.drop()
    const withOptions = '?options=-c%20work_mem%3D8MB'
    expect(await refusal(`${transactions.through(url)}${withOptions}`)).toMatch(/remove options from DATABASE_URL/)
    // this one ignores what it does not know
    expect(await refusal(`${sessions.through(url)}${withOptions}`)).toMatch(
      /DATABASE_URL has options, but a pooler answers/,
    )
  })
})

const silent = { warn: () => {}, error: () => {} }
