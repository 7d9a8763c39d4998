/** The queue: runs a limited number of jobs at a time and notifies watchers of each change. */
import { randomUUID } from 'node:crypto'
import { broken, type Outcome } from './errors.ts'
import type { AnyEndpoint } from './pack-schemas.ts'
import { appOf } from './paths.ts'

export interface Job {
  requestId: string
  endpoint: AnyEndpoint
  app: string
  body: unknown
  webhook?: string
  state: 'IN_QUEUE' | 'IN_PROGRESS' | 'COMPLETED'
  workMs: number
  steps: number
  /** Wall clock in milliseconds, like `doneAt`. */
  startedAt?: number
  doneAt?: number
  outcome: Promise<Outcome>
  /** Called with every change. */
  watchers: Set<() => void>
}

export interface JobsOptions {
  concurrency: number
  workMs: number | ((endpoint: AnyEndpoint) => number)
  /** Whether the logs show a progress bar. */
  bars: boolean
  /** Jobs to remember; beyond this, the oldest finished ones are dropped. */
  keep: number
  done(job: Job): void
}

export interface NewJob {
  endpoint: AnyEndpoint
  body: unknown
  webhook?: string
  outcome(requestId: string): Promise<Outcome>
}

export interface Jobs {
  add(job: NewJob): Job
  get(requestId: string): Job | undefined
  position(job: Job): number
  cancel(job: Job): 'OK' | 'CANCELLATION_REQUESTED' | 'ALREADY_COMPLETED'
  /** The log lines written so far, from the nth. */
  logs(job: Job, from?: number): { message: string; level: string; source: string; timestamp: string }[]
  stop(): void
}

export function createJobs({ concurrency, workMs, bars, keep, done }: JobsOptions): Jobs {
  const jobs = new Map<string, Job>()
  const timers = new Map<string, NodeJS.Timeout>()
  let waiting: Job[] = []
  let working = 0

  function pump(): void {
    while (working < concurrency && waiting.length > 0) begin(waiting.shift() as Job)
  }

  function begin(job: Job): void {
    working++
    job.state = 'IN_PROGRESS'
    job.startedAt = Date.now()
    timers.set(
      job.requestId,
      setTimeout(() => finish(job), job.workMs),
    )
    notify(job)
  }

  function finish(job: Job): void {
    if (timers.delete(job.requestId)) working--
    job.state = 'COMPLETED'
    job.doneAt = Date.now()
    done(job)
    notify(job)
    pump()
    for (const [requestId, { state }] of jobs) {
      if (jobs.size <= keep) break
      if (state === 'COMPLETED') jobs.delete(requestId)
    }
  }

  return {
    add({ endpoint, body, webhook, outcome }) {
      const requestId = randomUUID()
      const job: Job = {
        requestId,
        endpoint,
        app: appOf(endpoint),
        body,
        webhook,
        state: 'IN_QUEUE',
        workMs: typeof workMs === 'number' ? workMs : workMs(endpoint),
        steps: stepsOf(body),
        outcome: outcome(requestId),
        watchers: new Set(),
      }
      jobs.set(requestId, job)
      waiting.push(job)
      // later, so that the response to the submission still says IN_QUEUE
      setImmediate(pump)
      return job
    },
    get: (requestId) => jobs.get(requestId),
    position: (job) => Math.max(0, waiting.indexOf(job)),
    cancel(job) {
      if (job.state === 'COMPLETED') return 'ALREADY_COMPLETED'
      const queued = job.state === 'IN_QUEUE'
      job.outcome = Promise.resolve(broken('client_cancelled', 'Request was cancelled by the client'))
      waiting = waiting.filter((other) => other !== job)
      clearTimeout(timers.get(job.requestId))
      finish(job)
      return queued ? 'OK' : 'CANCELLATION_REQUESTED'
    },
    logs: (job, from = 0) => (bars ? barLines(job).slice(from) : []),
    stop() {
      for (const timer of timers.values()) clearTimeout(timer)
      waiting = []
    },
  }
}

function notify(job: Job): void {
  for (const watcher of [...job.watchers]) watcher()
}

function stepsOf(body: unknown): number {
  const { num_inference_steps: steps } = (body ?? {}) as { num_inference_steps?: unknown }
  return typeof steps === 'number' && steps >= 1 && steps <= 50 ? Math.floor(steps) : 28
}

function barLines({ startedAt, doneAt, workMs, steps }: Job) {
  if (startedAt === undefined) return []
  const share = workMs === 0 ? 1 : Math.min(1, ((doneAt ?? Date.now()) - startedAt) / workMs)
  const stepMs = workMs / steps
  const speed = stepMs > 1000 ? `${(stepMs / 1000).toFixed(2)}s/it` : `${(1000 / Math.max(1, stepMs)).toFixed(2)}it/s`
  return Array.from({ length: Math.floor(share * steps) }, (_, step) => {
    const percent = Math.floor(((step + 1) / steps) * 100)
    const bar = '█'.repeat(Math.floor(percent / 10)).padEnd(10)
    return {
      message: `${String(percent).padStart(3)}%|${bar}| ${step + 1}/${steps} [00:00<00:00, ${speed}]`,
      level: 'STDERR',
      source: 'USER',
      timestamp: new Date(startedAt + (step + 1) * stepMs).toISOString(),
    }
  })
}
