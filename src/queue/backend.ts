/** Where BullMQ keeps its jobs: connections to Redis, or to a pool of Postgres clients (embedded or not). */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type BackendFactory,
  type ConnectionOptions,
  createPostgresBackend,
  createRedisBackend,
  type IQueueBackend,
  runMigrations,
} from 'bullmq'
import { Redis, type RedisOptions } from 'ioredis'
import type pg from 'pg'

export interface Backend {
  factory: BackendFactory
  /** For adding jobs. On Redis it rejects at once while Redis is away, so that the caller can answer. */
  producer: ConnectionOptions
  /** For workers. On Redis it keeps commands until Redis is back, as BullMQ requires. */
  worker(): ConnectionOptions
  /** Makes room for this many workers, each of which occupies a connection. */
  reserve(workers: number): void
  /** What to say when a command fails at the start. */
  explain(reason: string): string
  /** undefined when ready, otherwise a sentence that says what is missing. */
  notReady(): string | undefined
  disconnect(): void
}

const connectWithinMs = 15_000
/** No line is printed for a server that answers within this time, such as one that is starting as well. */
const reportAfterMs = 1_000

interface Callbacks {
  onError(error: Error): void
  /** Gets a line when the server does not answer at once. */
  report?(line: string): void
}

export async function connectBackend(
  backend: { redisUrl: string } | { pool: pg.Pool },
  callbacks: Callbacks,
): Promise<Backend> {
  return 'redisUrl' in backend ? connectRedis(backend.redisUrl, callbacks) : usePool(backend.pool)
}

async function connectRedis(url: string, { onError, report }: Callbacks): Promise<Backend> {
  const common: RedisOptions = {
    connectTimeout: 5_000,
    keepAlive: 10_000,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 5), 1_000),
    // after a failover the name of the server leads to the new primary, but only a new connection follows it
    reconnectOnError: ({ message }) => message.startsWith('READONLY'),
  }
  const producer = new Redis(url, {
    ...common,
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    commandTimeout: 2_000,
  })
  const where = `${producer.options.host}:${producer.options.port}`
  let reason = ''
  producer.on('error', (error: Error) => {
    reason = error.message
    onError(error)
  })
  const cure = 'Check REDIS_URL and that Redis is running.'
  const waiting = setTimeout(
    () => report?.(`Waiting for Redis at ${where}: ${reason || 'no answer yet'}`),
    reportAfterMs,
  )
  try {
    await becomesReady(producer)
  } catch {
    producer.disconnect()
    throw new Error(`Cannot reach Redis at ${where}: ${reason || 'no answer'}. ${cure}`)
  } finally {
    clearTimeout(waiting)
  }

  let worker: Redis | undefined
  return {
    factory: withPauses(createRedisBackend),
    producer,
    worker() {
      worker ??= new Redis(url, { ...common, maxRetriesPerRequest: null }).on('error', onError)
      return worker
    },
    reserve: () => {},
    explain: (problem) =>
      `Cannot use Redis at ${where}: ${problem}. Check that REDIS_URL names a primary with free memory.`,
    notReady() {
      return producer.status === 'ready' ? undefined : `Cannot reach Redis at ${where} (${producer.status}).`
    },
    disconnect() {
      producer.disconnect()
      worker?.disconnect()
    },
  }
}

/** Waits for a Redis that starts a little later than we do, but rejects at once when it refuses the password. */
function becomesReady(redis: Redis): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(reject, connectWithinMs, new Error('timed out'))
    redis.once('ready', () => {
      clearTimeout(timer)
      resolve()
    })
    redis.on('error', (error: Error) => {
      if (!/WRONGPASS|NOAUTH|NOPERM|invalid password/i.test(error.message)) return
      clearTimeout(timer)
      reject(error)
    })
  })
}

async function usePool(pool: pg.Pool): Promise<Backend> {
  // the options of BullMQ's classes are typed for Redis only
  const connection = pool as unknown as ConnectionOptions
  pool.setMaxListeners(0)
  const commands = pool.options.max
  const client = await pool.connect()
  try {
    // takes its own lock, so several processes may start at once
    await runMigrations(client)
  } finally {
    client.release()
  }
  return {
    factory: withPauses(createPostgresBackend as unknown as BackendFactory),
    producer: connection,
    worker: () => connection,
    reserve(workers) {
      pool.options.max = Math.max(pool.options.max, workers + commands)
    },
    explain: (problem) => `Cannot use the queue in the database: ${problem}.`,
    notReady: () => undefined,
    disconnect: () => {},
  }
}

/**
 * A worker that is woken gets no job while other processes use the whole limit of its lane. BullMQ would then try again
 * thousands of times a second for as long as jobs wait, so each such attempt is followed by a short pause.
 */
function withPauses(factory: BackendFactory): BackendFactory {
  return (name, options, extra) => {
    const backend: IQueueBackend = factory(name, options, extra)
    const { waitForJob, moveToActive } = backend
    let woken = false
    let misses = 0
    backend.moveToActive = async (...args) => {
      const result = await moveToActive.apply(backend, args)
      if (result[0]) misses = 0
      else if (woken) misses += 1
      woken = false
      return result
    }
    backend.waitForJob = async (...args) => {
      // a single miss is common: another worker was faster
      if (misses > 1) await sleep(Math.min(25 * misses, 250))
      const marker = await waitForJob.apply(backend, args)
      woken = marker !== null
      return marker
    }
    return backend
  }
}
