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
import type pg from 'pg'
import {
  becomesReady,
  connectRedis,
  cureFor,
  nameOf,
  type RedisAddress,
  type RedisConnection,
  reasonOf,
} from './redis.ts'

/** At the start the process is busy with loading its code. Postgres may also be busy with other statements later. */
export const firstCommandMs = 10_000

export interface Backend {
  factory: BackendFactory
  /** For adding jobs. On Redis it rejects at once while Redis is away, so that the caller can answer. */
  producer: ConnectionOptions
  /** For workers. On Redis it keeps commands until Redis is back, as BullMQ requires. */
  worker(): ConnectionOptions
  /** Makes room for this many workers, each of which occupies a connection. */
  reserve(workers: number): void
  /** Under which BullMQ keeps the jobs of a lane. */
  queueName(lane: string): string
  /** Whether commands may be refused while the connection looks well. */
  needsProbe: boolean
  /** Milliseconds that a command may take. */
  commandMs: number
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
  backend: RedisAddress | { pool: pg.Pool },
  callbacks: Callbacks,
): Promise<Backend> {
  return 'redisUrl' in backend ? useRedis(backend, callbacks) : usePool(backend.pool)
}

async function useRedis(address: RedisAddress, { onError, report }: Callbacks): Promise<Backend> {
  const producer = connectRedis(address, { rejects: true })
  const where = nameOf(address)
  let reason = ''
  producer.on('error', (error: Error) => {
    reason = reasonOf(error)
    onError(error)
  })
  const waiting = setTimeout(
    () => report?.(`Waiting for Redis at ${where}: ${reason || 'no answer yet'}`),
    reportAfterMs,
  )
  try {
    await becomesReady(producer, connectWithinMs)
  } catch {
    producer.disconnect()
    throw new Error(`Cannot reach Redis at ${where}: ${reason || 'no answer'}. ${cureFor(reason, address)}`)
  } finally {
    clearTimeout(waiting)
  }

  let worker: RedisConnection | undefined
  const refusals = keepRefusals()
  return {
    factory: withPauses(createRedisBackend, refusals.note),
    producer,
    worker() {
      worker ??= connectRedis(address, { rejects: false }).on('error', onError)
      return worker
    },
    reserve: () => {},
    // scripts of BullMQ may use only keys of one slot; each lane has its own, so that lanes spread over the nodes
    queueName: (lane) => (address.cluster ? `{fluxbot-${lane}}` : `fluxbot-${lane}`),
    needsProbe: true,
    commandMs: 3_000,
    explain: (problem) => `Cannot use Redis at ${where}: ${problem}. ${cureFor(problem, address)}`,
    notReady() {
      if (producer.status !== 'ready') return `Cannot reach Redis at ${where} (${producer.status}).`
      const refusal = refusals.first()
      return refusal && `Workers get no jobs from Redis at ${where}: ${refusal}`
    },
    disconnect() {
      producer.disconnect()
      worker?.disconnect()
    },
  }
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
    queueName: (lane) => `fluxbot-${lane}`,
    // the queue is in the database, which has a check of its own
    needsProbe: false,
    commandMs: firstCommandMs,
    reserve(workers) {
      pool.options.max = Math.max(pool.options.max, workers + commands)
    },
    explain: (problem) => `Cannot use the queue in the database: ${problem}.`,
    notReady: () => undefined,
    disconnect: () => {},
  }
}

/** `error` undefined: the call succeeded. */
type NoteCall = (queue: string, error: Error | undefined) => void

/** What Redis last answered to the workers of each queue, if it refused: a lost connection shows in other ways. */
function keepRefusals(): { note: NoteCall; first(): string | undefined } {
  const refusals = new Map<string, string>()
  return {
    note(queue, error) {
      if (!error) refusals.delete(queue)
      else if (error.name === 'ReplyError') refusals.set(queue, error.message)
    },
    first: () => refusals.values().next().value,
  }
}

async function noted<T>(queue: string, note: NoteCall, call: Promise<T>): Promise<T> {
  try {
    const result = await call
    note(queue, undefined)
    return result
  } catch (error) {
    note(queue, error as Error)
    throw error
  }
}

/**
 * A worker that is woken gets no job while other processes use the whole limit of its lane. BullMQ would then try again
 * thousands of times a second for as long as jobs wait, so each such attempt is followed by a short pause.
 */
function withPauses(factory: BackendFactory, note: NoteCall = () => {}): BackendFactory {
  return (name, options, extra) => {
    const backend: IQueueBackend = factory(name, options, extra)
    const { waitForJob, moveToActive } = backend
    let woken = false
    let misses = 0
    backend.moveToActive = async (...args) => {
      const result = await noted(name, note, moveToActive.apply(backend, args))
      if (result[0]) misses = 0
      else if (woken) misses += 1
      woken = false
      return result
    }
    backend.waitForJob = async (...args) => {
      // a single miss is common: another worker was faster
      if (misses > 1) await sleep(Math.min(25 * misses, 250))
      const marker = await noted(name, note, waitForJob.apply(backend, args))
      woken = marker !== null
      return marker
    }
    return backend
  }
}
