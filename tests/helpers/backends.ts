/**
 * Creates databases and queues for tests, on every kind of back end that this machine has. TEST_DATABASE_URL (a Postgres whose
 * user may create databases) and TEST_REDIS_URL add those to the embedded one. With TEST_REDIS_CLUSTER=true, the latter has the
 * nodes of a cluster, separated by commas.
 */
import { randomUUID } from 'node:crypto'
import { Cluster, type Redis } from 'ioredis'
import type { Database } from '../../src/db/database.ts'
import type { QueueConfig } from '../../src/queue/bullmq.ts'
import { connectRedis, type RedisAddress } from '../../src/queue/redis.ts'
import { takeDatabase, takeEmbedded, type Way } from './databases.ts'

export { createDatabase } from './databases.ts'

/** pglite: rows and queue in this process · postgres: both in Postgres · redis: rows in Postgres, queue in Redis. */
export type Backend = 'pglite' | 'postgres' | 'redis'

export interface TestDatabase {
  database: Database
  /** URL with which another process can open the database. Absent: pglite. */
  url?: string
  /** Closes it; nothing that is left of the test can reach it. */
  drop(): Promise<void>
}

const databaseUrl = process.env.TEST_DATABASE_URL
const redisUrl = process.env.TEST_REDIS_URL
const cluster = process.env.TEST_REDIS_CLUSTER === 'true'

/** The Redis of the environment. */
export const testRedis = (): RedisAddress => ({ redisUrl: redisUrl as string, cluster })

export function backends(): Backend[] {
  if (process.env.CI && !(databaseUrl && redisUrl)) {
    throw new Error('Set TEST_DATABASE_URL and TEST_REDIS_URL: on CI every back end is tested.')
  }
  if (!databaseUrl) return ['pglite']
  return redisUrl ? ['pglite', 'postgres', 'redis'] : ['pglite', 'postgres']
}

/** One back end for each kind of database, for tests to which the queue does not matter. */
export function databases(): Backend[] {
  return backends().filter((kind) => kind !== 'postgres' || !redisUrl)
}

/** For tests that do not depend on the back end, because an embedded database takes ten times as long to open. */
export const quickest: Backend = databaseUrl ? (redisUrl ? 'redis' : 'postgres') : 'pglite'

export async function openTestDatabase(kind: Backend, way?: Way): Promise<TestDatabase> {
  return kind === 'pglite' ? takeEmbedded() : takeDatabase(way)
}

/** Back end of a test's queue. Two queues created with it behave as two processes do. */
export function testQueueBackend(kind: Backend, database: Database, prefix = `test-${randomUUID()}`) {
  const backend: QueueConfig['backend'] = kind === 'redis' ? testRedis() : { pool: database.bullPool() }
  return {
    backend,
    prefix,
    /** Removes everything that the queue has stored, as FLUSHALL does. */
    async lose() {
      if (kind === 'redis') return removeKeys(prefix)
      const pool = database.bullPool()
      for (const table of ['job', 'meta', 'event']) await pool.query(`delete from bullmq.${table} where $1 = 1`, [1])
    },
    /** Number of jobs in any state that the queue has a record of. */
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

/** Removes all keys of a queue with this prefix from Redis. */
export async function removeKeys(prefix: string): Promise<void> {
  const keys = await keysOf(prefix)
  await withRedis((redis) => Promise.all(keys.map((key) => redis.unlink(key))))
}

function keysOf(prefix: string): Promise<string[]> {
  return withRedis(async (redis) => {
    const all: string[] = []
    for (const node of redis instanceof Cluster ? redis.nodes('master') : [redis])
      for await (const keys of node.scanStream({ match: `${prefix}:*`, count: 1_000 })) all.push(...keys)
    return all
  })
}

async function withRedis<T>(action: (redis: Redis | Cluster) => Promise<T>): Promise<T> {
  const redis = connectRedis(testRedis(), { rejects: false })
  try {
    // a cluster knows its nodes only then
    await redis.ping()
    return await action(redis)
  } finally {
    redis.disconnect()
  }
}
