/**
 * Empty, migrated databases for tests. Making one and dropping it costs more CPU time than most tests do, so databases
 * are emptied and serve the next test: on Postgres in all test processes, embedded ones and those that are open in their process.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PGlite } from '@electric-sql/pglite'
import { sql } from 'drizzle-orm'
import pg from 'pg'
import type { Database } from '../../src/db/database.ts'
import { openDatabase } from '../../src/db/open.ts'
import { stateOfTables } from '../../src/db/prepared.ts'
import { createQueue } from '../../src/queue/bullmq.ts'
import { commonPgBouncer, type PgBouncer } from './pgbouncer.ts'

const databaseUrl = process.env.TEST_DATABASE_URL
const root = fileURLToPath(new URL('../../', import.meta.url))
/** A database that has grown beyond this is dropped: one made anew is quicker. */
const largest = 24 * 1024 * 1024
/** After this, a database that cannot be emptied is given up. */
const emptyingMs = 10_000

export interface Way {
  pooler?: PgBouncer
  maxConnections?: number
}

interface Taken {
  database: Database
  /** With which other processes open it. */
  url: string
  name: string
  template: Template
}

/** Where files share a process, databases stay open for the next test: to connect again takes longer than most tests do. */
const staysOpen = process.env.KEEP_DATABASES_OPEN === 'true'
const mostOpen = 1
/** All test processes together have 100 connections, so a database with more than these is closed. */
const mostConnections = 6
/** When the process ends, they are left to `dropOld`. */
const open: Taken[] = []
const applicationName = `fluxbot-test-${process.pid}`

/** Of the Postgres server, at `url`. `drop` disconnects every client that is left. */
export async function takeDatabase(way: Way = {}): Promise<{ database: Database; url: string; drop(): Promise<void> }> {
  const { pooler = await commonPgBouncer(), maxConnections } = way
  if (!staysOpen || pooler || maxConnections) {
    const taken = await takeClosed({ pooler, maxConnections })
    return { ...taken, drop: () => release(taken) }
  }
  const taken = (await takeOpen()) ?? (await takeClosed({}))
  const lease = leaseOf(taken.database)
  return {
    database: lease.database,
    url: taken.url,
    async drop() {
      lease.end()
      if (open.length >= mostOpen || (await disconnectOthers(taken.name)) > mostConnections) return release(taken)
      open.push(taken)
    },
  }
}

/** Resolves to the number of connections of this process. */
function disconnectOthers(name: string): Promise<number> {
  return admin(async (client) => {
    const { rows } = await client.query(
      `select starts_with(application_name, $2) or not pg_terminate_backend(pid) as own from pg_stat_activity where datname = $1`,
      [name, applicationName],
    )
    return (rows as { own: boolean }[]).filter(({ own }) => own).length
  })
}

/** undefined: there is none, or something is still at work in it. */
async function takeOpen(): Promise<Taken | undefined> {
  const taken = open.pop()
  if (!taken) return undefined
  const { rows } = await admin((client) =>
    client.query(`select from pg_stat_activity where datname = $1 and state <> 'idle' limit 1`, [taken.name]),
  )
  const found = rows.length === 0 && (await Promise.race([emptied(taken.database), later(undefined)]))
  if (found === taken.template.schema) return taken
  await release(taken)
  return undefined
}

async function takeClosed({ pooler, maxConnections }: Way): Promise<Taken> {
  const template = await templateOf()
  for (;;) {
    const name = newName('fluxbot_test_')
    const isReused = await admin((client) => renameOne(client, freeName(template), name))
    if (!isReused) await admin((client) => createFrom(client, template.name, name))
    const url = urlOf(name)
    const address = pooler ? { url: pooler.through(url), directUrl: url } : { url: urlOf(name, applicationName) }
    const database = await openDatabase({ ...address, maxConnections, dataDir: '' })
    if ((await emptied(database)) === template.schema) return { database, url, name, template }
    await database.close()
    await dropDatabase(name)
    if (!isReused) throw new Error(`a copy of ${template.name} differs from it`)
  }
}

const freeName = ({ state }: Template) => `fluxbot_free_${state}_`

/** Whether there was one. */
async function renameOne(client: pg.Client, prefix: string, to: string): Promise<boolean> {
  const { rows } = await client.query('select datname from pg_database where starts_with(datname, $1)', [prefix])
  for (const { datname } of rows as { datname: string }[]) {
    // fails where another process was faster
    if (await client.query(`alter database ${datname} rename to ${to}`).catch(() => undefined)) return true
  }
  return false
}

async function release({ database, name, template }: Taken): Promise<void> {
  await database.close()
  await admin(async (client) => {
    await client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name])
    await client.query(`alter database ${name} rename to ${newName(freeName(template))}`)
  }).catch(() => dropDatabase(name))
}

const dropDatabase = async (name: string) =>
  void (await admin((client) => client.query(`drop database if exists ${name} with (force)`)))

const idle: { database: Database; schema: unknown }[] = []

/** Embedded. What a test left running cannot reach the database after `drop`. */
export async function takeEmbedded(): Promise<{ database: Database; drop(): Promise<void> }> {
  const { database, schema } = idle.pop() ?? (await openEmbedded())
  const lease = leaseOf(database)
  return {
    database: lease.database,
    async drop() {
      lease.end()
      const found = await Promise.race([emptied(database), later(undefined)])
      if (found === schema) idle.push({ database, schema })
      else await database.close()
    },
  }
}

async function openEmbedded(): Promise<(typeof idle)[number]> {
  const database = await openDatabase({ dataDir: '', memory: true, image: await image() })
  return { database, schema: await emptied(database) }
}

/** What it looks like afterwards; undefined: not to be used any more. */
async function emptied(database: Database): Promise<string | undefined> {
  try {
    await database.db.execute(sql.raw(emptying))
    const [row] = await database.rows<{ schema: string; bytes: number }>(sql.raw(schemaQuery))
    return row && row.bytes < largest ? row.schema : undefined
  } catch {
    return undefined
  }
}

function leaseOf(database: Database): { database: Database; end(): void } {
  let over = false
  const end = () => {
    over = true
  }
  const check = () => {
    if (over) throw new Error('the test that had this database is over')
  }
  const guarded = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(from, key) {
        check()
        const value = Reflect.get(from, key, from)
        return typeof value === 'function' ? value.bind(from) : value
      },
    })
  const db = guarded(database.db)
  const pool = guarded(database.bullPool())
  return {
    end,
    database: {
      ...database,
      db,
      rows: async (query, on) => {
        check()
        return database.rows(query, on)
      },
      bullPool: () => pool,
      listen: (channel, onNotify) => database.listen(channel, (payload) => over || onNotify(payload)),
      notReady: () => (over ? 'The embedded database is closed.' : database.notReady()),
      ping: async () => (over ? Promise.reject(new Error('closed')) : database.ping()),
      close: async () => end(),
    },
  }
}

const later = <T>(value: T) => new Promise<T>((resolve) => setTimeout(() => resolve(value), emptyingMs).unref())

/** All rows but those that say which migrations ran. Not TRUNCATE, which makes new files for every table. */
const emptying = `do $$
  declare each record;
  begin
    perform pg_advisory_unlock_all(), set_config('session_replication_role', 'replica', true);
    for each in select c.oid::regclass as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where nspname in ('public', 'bullmq') and relkind = 'r' and relname <> 'migration'
    loop
      execute 'delete from ' || each.name;
    end loop;
    for each in select format('%I.%I', schemaname, sequencename) as name, start_value from pg_sequences
      where schemaname in ('public', 'bullmq') and last_value is not null
    loop
      perform setval(each.name, each.start_value, false);
    end loop;
  end $$`

/** What a test may have changed and emptying does not mend: such a database is dropped. */
const schemaQuery = `select md5(string_agg(part, ',' order by part)) as schema,
  pg_database_size(current_database()) as bytes from (
  select concat_ws(' ', nspname, relname, relkind, string_agg(attname, ',' order by attnum)) as part
    from pg_class c join pg_namespace n on n.oid = relnamespace left join pg_attribute on attrelid = c.oid and attnum > 0
    where nspname in ('public', 'bullmq') group by nspname, relname, relkind
  union all select concat_ws(' ', tgname, tgenabled) from pg_trigger where not tgisinternal
  union all select concat_ws(' ', proname, md5(prosrc)) from pg_proc join pg_namespace n on n.oid = pronamespace
    where nspname in ('public', 'bullmq')) parts`

/** An empty database, without any tables unless it is made from a template. */
export async function createDatabase(from = 'template0'): Promise<{ url: string; drop(): Promise<void> }> {
  const name = newName('fluxbot_test_')
  await commonPgBouncer()
  await admin((client) => createFrom(client, from, name))
  return { url: urlOf(name), drop: () => dropDatabase(name) }
}

/** Tests stop processes of fluxbot, never the server, so commits need not wait for the disk, which takes longer than most statements. */
async function createFrom(client: pg.Client, template: string, name: string): Promise<void> {
  await client.query(`create database ${name} template ${template}`)
  await client.query(`alter database ${name} set synchronous_commit = off`)
}

const newName = (prefix: string) => `${prefix}${Date.now()}_${randomUUID().slice(0, 8)}`

interface Template {
  name: string
  /** Of the migrations. */
  state: string
  schema: unknown
}

let templateOnce: Promise<Template> | undefined
let imageOnce: Promise<Blob> | undefined

/** One migrated database per state of the migrations; the others are copies of it, which takes a tenth of the time. */
function templateOf(): Promise<Template> {
  templateOnce ??= (async () => {
    const state = await stateOfTables()
    const name = `fluxbot_pattern_${state}`
    return admin(async (client) => {
      // Test files run in several processes.
      await client.query('select pg_advisory_lock(7274)')
      try {
        await dropOld(client)
        return { name, state, schema: await schemaOfTemplate(client, name) }
      } finally {
        await client.query('select pg_advisory_unlock(7274)')
      }
    })
  })()
  return templateOnce
}

/**
 * Resolves to a digest of the template's schema. The digest is stored as the comment of the database, because computing it
 * needs a connection, and Postgres does not copy a database that has one.
 */
async function schemaOfTemplate(client: pg.Client, name: string): Promise<string> {
  const { rows } = await client.query(
    `select shobj_description(oid, 'pg_database') as schema from pg_database where datname = $1`,
    [name],
  )
  if (rows[0]?.schema) return rows[0].schema
  await dropDatabase(name)
  const building = await createDatabase()
  await migrateAll({ url: building.url, dataDir: '' })
  const built = await openDatabase({ url: building.url, dataDir: '' })
  const schema = await emptied(built)
  await built.close()
  await client.query(`alter database ${new URL(building.url).pathname.slice(1)} rename to ${name}`)
  await client.query(`comment on database ${name} is '${schema}'`)
  return schema as string
}

/** What runs left behind, or use no more, for more than an hour. */
async function dropOld(client: pg.Client): Promise<void> {
  const { rows } = await client.query(
    `select datname from pg_database where datname ~ '^fluxbot_(test|free_[0-9a-f]+)_[0-9]+_'`,
  )
  for (const { datname } of rows as { datname: string }[]) {
    if (Date.now() - Number(datname.split('_').at(-2)) < 3_600_000) continue
    await client.query(`drop database if exists ${datname} with (force)`)
  }
}

/** The same for the embedded database: initdb and migrations take seconds, unpacking a finished folder does not. */
function image(): Promise<Blob> {
  imageOnce ??= (async () => {
    const cache = join(root, 'node_modules/.cache/fluxbot')
    const file = join(cache, `pglite-${await stateOfTables()}.tar`)
    const known = await readFile(file).catch(() => undefined)
    if (known) return new Blob([known])
    const dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-image-'))
    await migrateAll({ dataDir })
    const pglite = await PGlite.create(join(dataDir, 'db'))
    const dump = Buffer.from(await (await pglite.dumpDataDir('none')).arrayBuffer())
    await pglite.close()
    await rm(dataDir, { recursive: true })
    await mkdir(cache, { recursive: true })
    const aside = `${file}.${randomUUID()}`
    await writeFile(aside, dump)
    await rename(aside, file)
    return new Blob([dump])
  })()
  return imageOnce
}

async function migrateAll(options: { url?: string; dataDir: string }): Promise<void> {
  const database = await openDatabase(options)
  const log = { warn: () => {}, error: () => {} }
  await (await createQueue({ backend: { pool: database.bullPool() }, lanes: [], log })).close(0)
  await database.close()
}

type AdminClient = pg.Client & { ref(): void; unref(): void }
let connectOnce: Promise<AdminClient> | undefined
let acting = 0

/** On one connection, which does not keep the process going while nothing is asked of it. */
async function admin<T>(action: (client: pg.Client) => Promise<T>): Promise<T> {
  connectOnce ??= (async () => {
    const client = new pg.Client({ connectionString: databaseUrl }) as AdminClient
    client.on('error', () => {
      connectOnce = undefined
    })
    await client.connect()
    return client
  })()
  const client = await connectOnce
  if (acting++ === 0) client.ref()
  try {
    return await action(client)
  } finally {
    if (--acting === 0) client.unref()
  }
}

function urlOf(name: string, application?: string): string {
  const url = new URL(databaseUrl as string)
  url.pathname = `/${name}`
  if (application) url.searchParams.set('application_name', application)
  return url.href
}
