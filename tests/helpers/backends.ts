/**
 * Fresh databases and queues for tests, on every kind of back end that this machine has.
 * TEST_DATABASE_URL (a Postgres whose user may create databases) and TEST_REDIS_URL add to the embedded one.
 */
import { createHash, randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PGlite } from '@electric-sql/pglite'
import { Redis } from 'ioredis'
import pg from 'pg'
import type { Database } from '../../src/db/database.ts'
import { openDatabase } from '../../src/db/open.ts'
import { createQueue, type QueueConfig } from '../../src/queue/bullmq.ts'

/** pglite: all in this process · postgres: rows and queue in Postgres · redis: rows in Postgres, queue in Redis. */
export type Backend = 'pglite' | 'postgres' | 'redis'

export interface TestDatabase {
  database: Database
  /** How a second process would open the same one. Absent for pglite. */
  url?: string
  /** Closes and removes it. */
  drop(): Promise<void>
}

const databaseUrl = process.env.TEST_DATABASE_URL
const redisUrl = process.env.TEST_REDIS_URL
const root = fileURLToPath(new URL('../../', import.meta.url))

export function backends(): Backend[] {
  if (process.env.CI && !(databaseUrl && redisUrl)) {
    throw new Error('Set TEST_DATABASE_URL and TEST_REDIS_URL: on CI every back end is tested.')
  }
  if (!databaseUrl) return ['pglite']
  return redisUrl ? ['pglite', 'postgres', 'redis'] : ['pglite', 'postgres']
}

/** For tests that ask nothing of the back end: to open an embedded database costs ten times what the others cost. */
export const quickest: Backend = databaseUrl ? (redisUrl ? 'redis' : 'postgres') : 'pglite'

export async function openTestDatabase(kind: Backend): Promise<TestDatabase> {
  if (kind === 'pglite') {
    const database = await openDatabase({ dataDir: '', memory: true, image: await image() })
    return { database, drop: () => database.close() }
  }
  const { url, drop } = await createDatabase(await template())
  const database = await openDatabase({ url, dataDir: '' })
  return {
    database,
    url,
    async drop() {
      await database.close()
      await drop()
    },
  }
}

/** Where a test's queue lives: two queues made from one of these are two processes at the same queue. */
export function testQueueBackend(kind: Backend, database: Database, prefix = `test-${randomUUID()}`) {
  const backend: QueueConfig['backend'] =
    kind === 'redis' ? { redisUrl: redisUrl as string } : { pool: database.bullPool() }
  return {
    backend,
    prefix,
    /** All that the queue knows is gone, as after FLUSHALL. */
    async lose() {
      if (kind === 'redis') return removeKeys(prefix)
      const pool = database.bullPool()
      for (const table of ['job', 'meta', 'event']) await pool.query(`delete from bullmq.${table} where $1 = 1`, [1])
    },
    /** Jobs that the queue still has a record of, in any state. */
    async jobs(): Promise<number> {
      if (kind === 'redis') return (await keysOf(prefix)).filter((key) => /:[0-9a-f-]{36}$/.test(key)).length
      const { rows } = await database.bullPool().query('select count(*) as n from bullmq.job')
      return Number(rows[0].n)
    },
    async cleanUp() {
      if (kind === 'redis') await removeKeys(prefix)
    },
  }
}

/** All that a queue with that prefix has in Redis. */
export async function removeKeys(prefix: string): Promise<void> {
  const keys = await keysOf(prefix)
  if (keys.length > 0) await withRedis((redis) => redis.del(keys))
}

function keysOf(prefix: string): Promise<string[]> {
  return withRedis(async (redis) => {
    const all: string[] = []
    for await (const keys of redis.scanStream({ match: `${prefix}:*`, count: 1_000 })) all.push(...keys)
    return all
  })
}

async function withRedis<T>(action: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(redisUrl as string)
  try {
    return await action(redis)
  } finally {
    redis.disconnect()
  }
}

/** An empty database, without any tables unless it is made from a template. */
export async function createDatabase(from = 'template0'): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `fluxbot_test_${Date.now()}_${randomUUID().slice(0, 8)}`
  await admin((client) => client.query(`create database ${name} template ${from}`))
  return {
    url: urlOf(name),
    drop: () => admin(async (client) => void (await client.query(`drop database if exists ${name} with (force)`))),
  }
}

let templateOnce: Promise<string> | undefined
let imageOnce: Promise<Blob> | undefined

/** One migrated database per state of the migrations; the others are copies of it, which takes a tenth of the time. */
function template(): Promise<string> {
  templateOnce ??= (async () => {
    const name = `fluxbot_template_${await stateOfSchema()}`
    await admin(async (client) => {
      // Test files run in several processes.
      await client.query('select pg_advisory_lock(7274)')
      await dropOld(client)
      const known = await client.query('select 1 from pg_database where datname = $1', [name])
      if (known.rowCount) return
      const building = await createDatabase()
      await migrateAll({ url: building.url, dataDir: '' })
      await client.query(`alter database ${new URL(building.url).pathname.slice(1)} rename to ${name}`)
    })
    return name
  })()
  return templateOnce
}

/** What runs leave behind that were killed more than an hour ago. */
async function dropOld(client: pg.Client): Promise<void> {
  const { rows } = await client.query(`select datname from pg_database where datname ~ '^fluxbot_test_[0-9]+_'`)
  for (const { datname } of rows as { datname: string }[]) {
    if (Date.now() - Number(datname.split('_')[2]) < 3_600_000) continue
    await client.query(`drop database if exists ${datname} with (force)`)
  }
}

/** The same for the embedded database: initdb and migrations take seconds, unpacking a finished folder does not. */
function image(): Promise<Blob> {
  imageOnce ??= (async () => {
    const cache = join(root, 'node_modules/.cache/fluxbot')
    const file = join(cache, `pglite-${await stateOfSchema()}.tar`)
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

async function stateOfSchema(): Promise<string> {
  const hash = createHash('sha256')
  for (const name of (await readdir(join(root, 'drizzle'))).sort()) {
    if (name.endsWith('.sql')) hash.update(await readFile(join(root, 'drizzle', name)))
  }
  for (const name of ['bullmq', '@electric-sql/pglite']) {
    const { version } = JSON.parse(await readFile(join(root, 'node_modules', name, 'package.json'), 'utf8'))
    hash.update(version)
  }
  return hash.digest('hex').slice(0, 16)
}

async function admin<T>(action: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    return await action(client)
  } finally {
    await client.end()
  }
}

function urlOf(name: string): string {
  const url = new URL(databaseUrl as string)
  url.pathname = `/${name}`
  return url.href
}
