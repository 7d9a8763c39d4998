/**
 * The job queue, on Redis or on Postgres (embedded or not): one BullMQ queue per lane. It only carries ids; whatever
 * it loses, the sweeper adds again, so errors of the queue are logged and never end a job.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import {
  type BackendFactory,
  type Job as BullJob,
  type ConnectionOptions,
  createPostgresBackend,
  createRedisBackend,
  DelayedError,
  type IQueueBackend,
  Queue,
  type QueueOptions,
  runMigrations,
  Worker,
} from 'bullmq'
import type pg from 'pg'
import type { Job, JobQueue } from '../core/ports/queue.ts'
import { connectRedis } from './redis.ts'

export interface QueueConfig {
  backend: { redisUrl: string } | { pool: pg.Pool }
  /** `concurrency`: jobs of the lane that run at the same time, in all processes together. */
  lanes: readonly { name: string; concurrency: number }[]
  /** Of all keys in Redis; without meaning on Postgres. */
  prefix?: string
  log: {
    warn(data: Record<string, unknown>, message: string): void
    error(data: Record<string, unknown>, message: string): void
  }
}

type Run = Parameters<JobQueue['work']>[0]
type LaneQueue = Queue<unknown, void, string, unknown, void, string, IQueueBackend>
type LaneWorker = Worker<unknown, void, string, IQueueBackend>

const addTimeoutMs = 3_000
const refreshEveryMs = 10_000
const handBackMs = 1_500
const forceMs = 1_000
const retryAfterErrorMs = 1_000
const lowestPriority = 2_097_151

export async function createQueue({ backend, lanes, prefix, log }: QueueConfig): Promise<JobQueue> {
  const onError = warner(log)
  const link = await connect(backend, onError)
  const options: QueueOptions = {
    connection: link.producer,
    prefix: prefix ?? 'fluxbot',
    streams: { events: { maxLen: 100 } },
  }
  const queues = new Map<string, LaneQueue>()
  const open = new Map(lanes.map(({ name, concurrency }) => [name, concurrency]))
  for (const lane of lanes) openLane(lane.name)
  const workers = new Map<string, LaneWorker>()
  const retired = new Set<LaneWorker>()
  const running = new Set<AbortController>()
  let trouble: string | undefined
  let job: Run | undefined

  function openLane(lane: string): void {
    const queue: LaneQueue = new Queue(queueName(lane), options, link.factory)
    queue.on('error', onError)
    queues.set(lane, queue)
  }

  function queueOf(lane: string): LaneQueue {
    // not served here, but somebody else may
    if (!queues.has(lane)) openLane(lane)
    return queues.get(lane) as LaneQueue
  }

  async function attempt<T>(action: Promise<T>): Promise<T> {
    try {
      const result = await within(action, addTimeoutMs)
      trouble = undefined
      return result
    } catch (error) {
      trouble = `The queue does not answer: ${(error as Error).message}`
      throw error
    }
  }

  /** Limits live in the queue's own store, which may lose them (FLUSHALL). */
  async function limit(): Promise<void> {
    for (const [lane, concurrency] of open) await attempt(queueOf(lane).setGlobalConcurrency(concurrency))
  }
  await limit()
  let nextAt = Date.now() + refreshEveryMs
  // Written again now and then, and every second while the queue does not answer: the first that works ends `trouble`.
  const timer = setInterval(() => {
    if (!trouble && Date.now() < nextAt) return
    nextAt = Date.now() + refreshEveryMs
    limit().catch(onError)
  }, 1_000)
  timer.unref()

  async function close(graceMs: number): Promise<void> {
    clearInterval(timer)
    const closing = Promise.allSettled([...workers.values(), ...retired].map((worker) => worker.close()))
    if (!(await settles(closing, graceMs))) {
      for (const controller of running) controller.abort()
      // Whoever still runs now loses its lock, and another worker takes the job seconds later.
      if (!(await settles(closing, handBackMs))) {
        await settles(
          Promise.allSettled([...workers.values(), ...retired].map((worker) => worker.getBackend().close(true))),
          forceMs,
        )
      }
    }
    await settles(Promise.allSettled([...queues.values()].map((queue) => queue.close())), forceMs)
    link.disconnect()
  }

  /** A busy worker would heed another limit only after its next job: it ends its jobs, and a new one takes its place. */
  function retire(lane: string): void {
    const worker = workers.get(lane)
    if (!worker) return
    retired.add(worker)
    worker.close().then(() => retired.delete(worker), onError)
  }

  function workOn(run: Run, lane: string, concurrency: number): LaneWorker {
    const worker: LaneWorker = new Worker(
      queueName(lane),
      processor(run, running, log, onError),
      {
        connection: link.worker(),
        prefix: options.prefix,
        concurrency,
        // A worker that died is noticed within seconds; how often that may happen is counted in the row.
        lockDuration: 4_000,
        stalledInterval: 1_500,
        maxStalledCount: 1_000_000,
        // Longest sleep should a wake-up get lost, and after a lost connection.
        drainDelay: 2,
        runRetryDelay: 1_000,
      },
      link.factory,
    )
    worker.on('error', onError)
    workers.set(lane, worker)
    return worker
  }

  /** Whoever waited once does not wait behind newcomers again. */
  async function putFirst(job: Pick<BullJob, 'getState' | 'changePriority'>): Promise<void> {
    const state = await attempt(job.getState())
    // 0 is before every other priority; one that starts meanwhile needs no help
    if (state === 'waiting' || state === 'prioritized')
      await job.changePriority({ priority: 0, lifo: true }).catch(onError)
  }

  return {
    async add({ id, lane, priority, resumed }: Job) {
      const place = Math.min(Math.max(Math.round(priority), 1), lowestPriority)
      const settings = { jobId: id, priority: place, attempts: 1, removeOnComplete: true, removeOnFail: true }
      const added = await attempt(queueOf(lane).add('generation', {}, settings))
      if (resumed) await putFirst(added)
    },
    async work(run) {
      job = run
      link.expect(open.size)
      const fresh = [...open].map(([lane, concurrency]) => workOn(run, lane, concurrency))
      await Promise.all(fresh.map((worker) => worker.waitUntilReady()))
    },
    async setLanes(lanes) {
      for (const { name, concurrency } of lanes) {
        const before = open.get(name)
        open.set(name, concurrency)
        if (before === undefined) openLane(name)
        if (before === concurrency) continue
        await attempt(queueOf(name).setGlobalConcurrency(concurrency)).catch(onError)
        if (!job) continue
        retire(name)
        link.expect(open.size + retired.size)
        workOn(job, name, concurrency)
      }
    },
    async waiting(lane) {
      return attempt(queueOf(lane).getJobCountByTypes('waiting', 'prioritized'))
    },
    notReady: () => link.notReady() ?? trouble,
    close,
  }
}

function queueName(lane: string): string {
  return `fluxbot-${lane}`
}

function processor(run: Run, running: Set<AbortController>, log: QueueConfig['log'], onError: (error: Error) => void) {
  return async (job: BullJob, token?: string): Promise<void> => {
    const controller = new AbortController()
    running.add(controller)
    try {
      const outcome = await run(job.id as string, controller.signal).catch((error: unknown) => {
        log.error({ id: job.id, reason: String(error) }, 'a job broke; it runs again')
        return { retryInMs: retryAfterErrorMs }
      })
      if (outcome === undefined) return
      const waitMs = controller.signal.aborted ? 0 : outcome.retryInMs
      // If this fails, the lock is not renewed any more and the job comes back as one whose worker died.
      await job.moveToDelayed(Math.round(Date.now() + waitMs), token).catch(onError)
      throw new DelayedError()
    } finally {
      running.delete(controller)
    }
  }
}

interface Link {
  factory: BackendFactory
  producer: ConnectionOptions
  worker(): ConnectionOptions
  /** Makes room for that many workers, each of which keeps a connection to itself. */
  expect(workers: number): void
  notReady(): string | undefined
  disconnect(): void
}

async function connect(backend: QueueConfig['backend'], onError: (error: Error) => void): Promise<Link> {
  if ('redisUrl' in backend) {
    const redis = await connectRedis(backend.redisUrl, onError)
    return { ...redis, factory: withoutSpinning(createRedisBackend), expect: () => {} }
  }
  const { pool } = backend
  // BullMQ's own types know Redis only, in the options of its classes.
  const connection = pool as unknown as ConnectionOptions
  pool.setMaxListeners(0)
  const client = await pool.connect()
  try {
    // Takes a lock of its own, so several processes may start at once.
    await runMigrations(client)
  } finally {
    client.release()
  }
  return {
    factory: withoutSpinning(createPostgresBackend as unknown as BackendFactory),
    producer: connection,
    worker: () => connection,
    expect(workers) {
      pool.options.max = Math.max(pool.options.max, workers + 6)
    },
    notReady: () => undefined,
    disconnect: () => {},
  }
}

/**
 * A worker that is woken finds nothing when its lane is full elsewhere; BullMQ would look again at once, thousands of
 * times a second as long as jobs wait. A short pause after each false alarm ends that.
 */
function withoutSpinning(factory: BackendFactory): BackendFactory {
  return (name, options, extra) => {
    const backend: IQueueBackend = factory(name, options, extra)
    const { waitForJob, moveToActive } = backend
    let woken = false
    let falseAlarms = 0
    backend.moveToActive = async (...args) => {
      const result = await moveToActive.apply(backend, args)
      if (result[0]) falseAlarms = 0
      else if (woken) falseAlarms += 1
      woken = false
      return result
    }
    backend.waitForJob = async (...args) => {
      // One miss is common: another worker was faster.
      if (falseAlarms > 1) await sleep(Math.min(25 * falseAlarms, 250))
      const marker = await waitForJob.apply(backend, args)
      woken = marker !== null
      return marker
    }
    return backend
  }
}

/** Says each kind of trouble once in a while: a lost server makes the same error many times a second. */
function warner(log: QueueConfig['log']): (error: Error) => void {
  const saidAt = new Map<string, number>()
  return (error) => {
    // Only the message: the error of a refused login carries the command, and with it the password.
    const reason = error?.message || String((error as { code?: unknown })?.code ?? error)
    const kind = reason.replace(/[0-9a-f-]{8,}/gi, '…')
    if (Date.now() - (saidAt.get(kind) ?? 0) < 5_000) return
    if (saidAt.size > 100) saidAt.clear()
    saidAt.set(kind, Date.now())
    log.warn({ reason }, 'trouble in the queue')
  }
}

async function within<T>(action: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs)
  })
  try {
    return await Promise.race([action, late])
  } finally {
    clearTimeout(timer)
  }
}

async function settles(action: Promise<unknown>, limitMs: number): Promise<boolean> {
  return within(action, limitMs).then(
    () => true,
    () => false,
  )
}
