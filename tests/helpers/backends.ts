/**
 * Fresh databases and queues for tests, on every kind of back end that this machine has.
 * TEST_DATABASE_URL (a Postgres whose user may create databases) and TEST_REDIS_URL add to the embedded one.
 */
import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import type { Database } from '../../src/db/db.ts'
import type { QueueConfig } from '../../src/queue/bullmq.ts'
import { takeDatabase, takeEmbedded } from './databases.ts'

export { createDatabase } from './databases.ts'

/** pglite: all in this process · postgres: rows and queue in Postgres · redis: rows in Postgres, queue in Redis. */
export type Backend = 'pglite' | 'postgres' | 'redis'

export interface TestDatabase {
  database: Database
  /** How a second process would open the same one. Absent for pglite. */
  url?: string
  /** Closes it; what is left of the test cannot reach it any more. */
  drop(): Promise<void>
}

const databaseUrl = process.env.TEST_DATABASE_URL
const redisUrl = process.env.TEST_REDIS_URL

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
  return kind === 'pglite' ? takeEmbedded() : takeDatabase()
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
