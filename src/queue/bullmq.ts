/**
 * The job queue on BullMQ, with one BullMQ queue per lane. It carries ids only, and the sweeper adds lost ids again, so
 * queue errors are logged and never end a job.
 */
import { type Job as BullJob, DelayedError, type IQueueBackend, Queue, type QueueOptions, Worker } from 'bullmq'
import type pg from 'pg'
import type { Job, JobQueue } from '../core/ports/queue.ts'
import { connectBackend, firstCommandMs } from './backend.ts'
import type { RedisAddress } from './redis.ts'

export interface QueueConfig {
  backend: RedisAddress | { pool: pg.Pool }
  /** `concurrency`: jobs of the lane that run at the same time, over all processes. */
  lanes: readonly { name: string; concurrency: number }[]
  /** Prefix of all keys in Redis; has no effect on Postgres. */
  prefix?: string
  log: {
    warn(data: Record<string, unknown>, message: string): void
    error(data: Record<string, unknown>, message: string): void
  }
  /** Gets a line when the server does not answer at once. */
  report?(line: string): void
}

type Run = Parameters<JobQueue['work']>[0]
type LaneQueue = Queue<unknown, void, string, unknown, void, string, IQueueBackend>
type LaneWorker = Worker<unknown, void, string, IQueueBackend>

const refreshEveryMs = 10_000
/** Time that aborted jobs have to put themselves back into the queue. */
const handBackMs = 1_500
const forceMs = 1_000
const retryAfterErrorMs = 1_000
/** BullMQ's limit. */
const lowestPriority = 2_097_151
/** A lane without workers. A job that is added to it and removed shows that scripts run. */
const probeLane = '_probe'
/** Id of that job, which is no generation. */
const probeId = 'probe'

export async function createQueue({ backend: config, lanes, prefix, log, report }: QueueConfig): Promise<JobQueue> {
  const onError = throttledWarning(log)
  const backend = await connectBackend(config, { onError, report })
  const options: QueueOptions = {
    connection: backend.producer,
    prefix: prefix ?? 'fluxbot',
    streams: { events: { maxLen: 100 } },
  }
  const queues = new Map<string, LaneQueue>()
  const open = new Map(lanes.map(({ name, concurrency }) => [name, concurrency]))
  for (const lane of lanes) openLane(lane.name)
  const workers = new Map<string, LaneWorker>()
  const retired = new Set<LaneWorker>()
  const running = new Set<AbortController>()
  /** Lane → why it takes no jobs. */
  const problems = new Map<string, string>()
  let run: Run | undefined

  function openLane(lane: string): void {
    const queue: LaneQueue = new Queue(backend.queueName(lane), options, backend.factory)
    queue.on('error', onError)
    queues.set(lane, queue)
  }

  function queueOf(lane: string): LaneQueue {
    // a lane that only other processes serve
    if (!queues.has(lane)) openLane(lane)
    return queues.get(lane) as LaneQueue
  }

  /** Rejects when the queue fails or does not answer in time; `notReady` reports it until `check` succeeds. */
  async function command<T>(lane: string, action: Promise<T>): Promise<T> {
    try {
      return await withTimeout(action, started ? backend.commandMs : firstCommandMs)
    } catch (error) {
      problems.set(lane, (error as Error).message)
      throw error
    }
  }

  /** Writes the limit of a lane, which the queue's own store may lose (FLUSHALL). */
  async function check(lane: string, probe = problems.has(lane)): Promise<void> {
    const queue = queueOf(lane)
    const concurrency = open.get(lane)
    if (concurrency !== undefined) await command(lane, queue.setGlobalConcurrency(concurrency))
    // a Redis without free memory answers reads, and one that refuses scripts accepts single writes
    if (probe && backend.needsProbe) {
      const settings = { jobId: probeId, priority: lowestPriority, removeOnComplete: true, removeOnFail: true }
      await command(lane, queue.add(probeId, {}, settings))
      await command(lane, queue.remove(probeId))
    }
    problems.delete(lane)
  }

  let started = false
  async function checkAll(): Promise<void> {
    if (backend.needsProbe) await check(probeLane, true)
    for (const lane of open.keys()) await check(lane)
  }
  await checkAll().catch(async (error: Error) => {
    await settles(Promise.allSettled([...queues.values()].map((queue) => queue.close())), forceMs)
    backend.disconnect()
    throw new Error(backend.explain(error.message))
  })
  started = true
  let nextAt = Date.now() + refreshEveryMs
  let checking = false
  async function checkDue(): Promise<void> {
    if (checking || (problems.size === 0 && Date.now() < nextAt)) return
    checking = true
    // lanes that fail are tried every second
    for (const lane of problems.keys()) await check(lane).catch(onError)
    if (Date.now() >= nextAt) {
      await checkAll().catch(onError)
      nextAt = Date.now() + refreshEveryMs
    }
    checking = false
  }
  const timer = setInterval(() => void checkDue(), 1_000)
  timer.unref()

  async function closeWorkers(graceMs: number): Promise<void> {
    const all = () => [...workers.values(), ...retired]
    const closing = Promise.allSettled(all().map((worker) => worker.close()))
    if (await settles(closing, graceMs)) return
    for (const controller of running) controller.abort()
    if (await settles(closing, handBackMs)) return
    // jobs that still run lose their lock, and another worker takes them seconds later
    await settles(Promise.allSettled(all().map((worker) => worker.getBackend().close(true))), forceMs)
  }

  /** A busy worker applies a new limit only after its next job, so it finishes its jobs while a new worker starts. */
  function retire(lane: string): void {
    const worker = workers.get(lane)
    if (!worker) return
    retired.add(worker)
    worker.close().then(() => retired.delete(worker), onError)
  }

  function startWorker(run: Run, lane: string, concurrency: number): LaneWorker {
    const worker: LaneWorker = new Worker(
      backend.queueName(lane),
      createProcessor({ run, running, log, onError }),
      {
        connection: backend.worker(),
        prefix: options.prefix,
        concurrency,
        // finds a dead worker within seconds; the row, not BullMQ, counts how often a job may be taken up
        lockDuration: 4_000,
        stalledInterval: 1_500,
        maxStalledCount: 1_000_000,
        // seconds: the longest sleep if a wake-up gets lost
        drainDelay: 2,
        runRetryDelay: 1_000,
      },
      backend.factory,
    )
    worker.on('error', onError)
    workers.set(lane, worker)
    return worker
  }

  /** A resumed job has waited before, so it goes ahead of all others, and a pause of its own ends. */
  async function moveToFront(
    lane: string,
    job: Pick<BullJob, 'getState' | 'changePriority' | 'promote'>,
  ): Promise<void> {
    let state = await command(lane, job.getState())
    if (state === 'delayed') {
      await job.promote().catch(onError)
      state = 'prioritized'
    }
    // 0 precedes every other priority; a job that has started meanwhile no longer waits
    if (state === 'waiting' || state === 'prioritized')
      await job.changePriority({ priority: 0, lifo: true }).catch(onError)
  }

  return {
    async add({ id, lane, priority, resumed }: Job) {
      const rank = Math.min(Math.max(Math.round(priority), 1), lowestPriority)
      const settings = { jobId: id, priority: rank, attempts: 1, removeOnComplete: true, removeOnFail: true }
      const added = await command(lane, queueOf(lane).add('generation', {}, settings))
      if (resumed) await moveToFront(lane, added)
    },
    async work(given) {
      run = given
      backend.reserve(open.size)
      const started = [...open].map(([lane, concurrency]) => startWorker(given, lane, concurrency))
      await Promise.all(started.map((worker) => worker.waitUntilReady()))
    },
    async setLanes(lanes) {
      for (const { name, concurrency } of lanes) {
        const before = open.get(name)
        open.set(name, concurrency)
        if (before === undefined) openLane(name)
        if (before === concurrency) continue
        await command(name, queueOf(name).setGlobalConcurrency(concurrency)).catch(onError)
        if (!run) continue
        retire(name)
        backend.reserve(open.size + retired.size)
        startWorker(run, name, concurrency)
      }
    },
    async waiting(lane) {
      return command(lane, queueOf(lane).getJobCountByTypes('waiting', 'prioritized'))
    },
    notReady() {
      const [problem] = problems.values()
      return backend.notReady() ?? (problem && `The queue does not take jobs: ${problem}`)
    },
    async close(graceMs) {
      clearInterval(timer)
      await closeWorkers(graceMs)
      await settles(Promise.allSettled([...queues.values()].map((queue) => queue.close())), forceMs)
      backend.disconnect()
    },
  }
}

interface Processing {
  run: Run
  running: Set<AbortController>
  log: QueueConfig['log']
  onError(error: Error): void
}

/** Runs one job; moves it to the delayed jobs when it wants to be called again. */
function createProcessor({ run, running, log, onError }: Processing) {
  return async (job: BullJob, token?: string): Promise<void> => {
    if (job.id === probeId) return
    const controller = new AbortController()
    running.add(controller)
    try {
      const outcome = await run(job.id as string, controller.signal).catch((error: unknown) => {
        log.error({ id: job.id, err: error }, 'a job threw an error; retrying')
        return { retryInMs: retryAfterErrorMs }
      })
      if (outcome === undefined) return
      const waitMs = controller.signal.aborted ? 0 : outcome.retryInMs
      // if this fails, the lock expires and the job comes back as if its worker had died
      await job.moveToDelayed(Math.round(Date.now() + waitMs), token).catch(onError)
      throw new DelayedError()
    } finally {
      running.delete(controller)
    }
  }
}

/** Logs an error at most every five seconds: a lost server causes the same one many times a second. */
function throttledWarning(log: QueueConfig['log']): (error: Error) => void {
  const loggedAt = new Map<string, number>()
  return (error) => {
    // only the message: the error of a refused login carries the command, and with it the password
    const reason = error?.message || String((error as { code?: unknown })?.code ?? error)
    const kind = reason.replace(/[0-9a-f-]{8,}/gi, '…')
    if (Date.now() - (loggedAt.get(kind) ?? 0) < 5_000) return
    if (loggedAt.size > 100) loggedAt.clear()
    loggedAt.set(kind, Date.now())
    log.warn({ reason }, 'the queue reported an error')
  }
}

async function withTimeout<T>(action: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timedOut = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs)
  })
  try {
    return await Promise.race([action, timedOut])
  } finally {
    clearTimeout(timer)
  }
}

async function settles(action: Promise<unknown>, limitMs: number): Promise<boolean> {
  return withTimeout(action, limitMs).then(
    () => true,
    () => false,
  )
}
