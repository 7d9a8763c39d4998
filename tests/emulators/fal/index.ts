/**
 * fal.ai on a local port: queue, files, storage and webhook keys on one origin. Words in a prompt decide the outcome: nsfw
 * (refused), nsfwflag (all pictures flagged), nsfwfirst (the first one flagged), datauri (pictures as data: URLs), nothing
 * (no pictures), or the name of an infrastructure error like runner_server_error. It does not depend on a test runner, so
 * it can also run in its own process.
 */
import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Faults } from '../faults.ts'
import { type Received, type Sent, startServer } from '../server.ts'
import { faultAnswers, inProgress, locked, noKey, refused, unknownRequest, wrongKey } from './errors.ts'
import { parseMarked, stringifyMarked } from './exact.ts'
import { createFiles } from './files.ts'
import { createJobs, type Job, type Jobs } from './jobs.ts'
import { type Drawing, outcomeOf } from './outcome.ts'
import type { AnyEndpoint } from './pack-schemas.ts'
import { type Call, parseCall } from './paths.ts'
import { sendStatuses } from './stream.ts'
import { createHooks, type Hooks } from './webhooks.ts'

export interface FalOptions {
  port?: number
  key?: string
  /** Milliseconds that a request runs. Default 0. */
  workMs?: number | ((endpoint: AnyEndpoint) => number)
  /** Requests that run at the same time; others are queued. Default: no limit. */
  concurrency?: number
  /** Whether webhooks are called. Default true. */
  webhooks?: boolean
  /** false: event streams are answered with 404, as by a relay without streams. Default true. */
  stream?: boolean
  /** Whether logs show a progress bar. Default true. */
  bars?: boolean
  /** Serves the queue below this path, like a relay. */
  relayPrefix?: string
  /** Start of the addresses in responses. Default: this server. The real fal names its own host even behind a relay. */
  publicUrl?: string
  random?: () => number
  /** Makes the bytes of each picture. Default: real pictures of the requested size. */
  picture?: (drawing: Drawing) => Promise<Buffer>
  /** Flags all pictures of such prompts. Absent: the words in a prompt decide. */
  flags?: RegExp
  /** The response at the address of a relay's own webhook keys; fal's keys are then at `keysUrl` only. */
  relayKeys?: Sent
  /** Finished jobs and received requests to remember, roughly. Default: all. For long runs. */
  keepRequests?: number
}

export interface FalEmulator {
  /** The address to configure a provider with. */
  url: string
  origin: string
  key: string
  requests: Received[]
  faults: Faults
  hooks: Hooks
  /** Number of accepted submissions, including those whose response was lost. */
  accepted(): number
  job(requestId: string): Job | undefined
  /** When the request ended; wall clock in milliseconds. */
  doneAt(requestId: string): number | undefined
  /** The address where fal publishes its webhook keys. */
  keysUrl: string
  /** Locks the account: `calls` are refused. Default: submissions only. */
  lock(on: boolean, calls?: readonly Call['what'][]): void
  stop(): Promise<void>
}

const falKeysPath = '/rest/.well-known/jwks.json'

export async function startFal(options: FalOptions = {}): Promise<FalEmulator> {
  const { key = 'key-id:key-secret', relayPrefix = '', random = Math.random, keepRequests } = options
  const hooks = createHooks()
  hooks.switches.on = options.webhooks ?? true
  const files = createFiles(options.picture)
  const jobs = createJobs({
    concurrency: options.concurrency ?? Number.POSITIVE_INFINITY,
    workMs: options.workMs ?? 0,
    bars: options.bars ?? true,
    keep: keepRequests ?? Number.POSITIVE_INFINITY,
    done: (job) => void hooks.call(job).catch(() => undefined),
  })
  let accepted = 0
  let lockedCalls: readonly Call['what'][] = []
  let origin = ''

  function submit({ body, query }: Received, endpoint: AnyEndpoint): Sent {
    const input = readBody(body)
    if (input === undefined) return refused(422, 'The body is not JSON')
    accepted++
    const job = jobs.add({
      endpoint,
      body: input,
      webhook: query.get('fal_webhook') ?? undefined,
      outcome: (requestId) =>
        outcomeOf(endpoint, input, {
          requestId,
          random,
          filesUrl: `${origin}/files`,
          keep: files.keep,
          picture: options.picture,
          flags: options.flags,
        }),
    })
    return { status: 200, body: { ...statusOf(job), gateway_request_id: job.requestId, logs: null, metrics: {} } }
  }

  function statusOf(job: Job, logs?: ReturnType<Jobs['logs']> | null): object {
    const { requestId, app, state, workMs } = job
    const root = `${options.publicUrl ?? origin + relayPrefix}/${app}/requests/${requestId}`
    return {
      status: state,
      request_id: requestId,
      response_url: root,
      status_url: `${root}/status`,
      cancel_url: `${root}/cancel`,
      ...(state === 'IN_QUEUE' ? { queue_position: jobs.position(job) } : { logs: logs ?? null }),
      ...(state === 'COMPLETED' ? { metrics: { inference_time: workMs / 1000 } } : {}),
    }
  }

  async function respond(call: Call, received: Received, res: ServerResponse): Promise<Sent | 'streamed'> {
    const { method, query } = received
    if (call.what === 'subPath') return refused(405, 'Method Not Allowed')
    if (call.what === 'unknown') return refused(404, `Path ${received.path} not found`)
    if (method !== { submit: 'POST', cancel: 'PUT', status: 'GET', stream: 'GET', result: 'GET' }[call.what]) {
      return refused(405, 'Method Not Allowed')
    }
    if (lockedCalls.includes(call.what)) return locked
    if (call.what === 'submit') return submit(received, call.endpoint)
    const job = jobs.get(call.requestId)
    if (!job || job.app !== call.app) return call.what === 'cancel' ? cancelled(404, 'NOT_FOUND') : unknownRequest
    const withLogs = ['1', 'true'].includes(query.get('logs') ?? '')
    if (call.what === 'status') {
      const logs = withLogs ? jobs.logs(job) : null
      return { status: job.state === 'COMPLETED' ? 200 : 202, body: statusOf(job, logs) }
    }
    if (call.what === 'stream') {
      if (options.stream === false) return refused(404, 'Not Found')
      return sendStatuses(job, { received, res, read: (from) => jobs.logs(job, from), statusOf, withLogs })
    }
    if (call.what === 'cancel') {
      const verdict = jobs.cancel(job)
      return cancelled({ OK: 200, CANCELLATION_REQUESTED: 202, ALREADY_COMPLETED: 400 }[verdict], verdict)
    }
    if (job.state !== 'COMPLETED') return inProgress
    const { status, headers, body } = await job.outcome
    return { status, headers: { 'content-type': 'application/json', ...headers }, body: stringifyMarked(body) }
  }

  async function handle(received: Received, res: ServerResponse): Promise<Sent | 'streamed'> {
    const { path, headers } = received
    if (path === '/.well-known/jwks.json' && options.relayKeys) return options.relayKeys
    if (path === '/.well-known/jwks.json' || path === falKeysPath) return { status: 200, body: hooks.jwks() }
    if (path.startsWith('/files/')) return files.handle(received, path.slice('/files/'.length))
    if (!headers.authorization) return noKey
    if (headers.authorization !== `Key ${key}`) return wrongKey
    if (path === '/storage/upload/initiate') return uploadInitiated(received, origin)
    if (!path.startsWith(`${relayPrefix}/`)) return refused(404, `Path ${path} not found`)
    return respond(parseCall(path.slice(relayPrefix.length)), received, res)
  }

  const server = await startServer({ port: options.port, handle, random, answers: faultAnswers, keepRequests })
  origin = server.url
  return {
    url: origin + relayPrefix,
    origin,
    key,
    requests: server.requests,
    faults: server.faults,
    hooks,
    accepted: () => accepted,
    job: (requestId) => jobs.get(requestId),
    doneAt: (requestId) => jobs.get(requestId)?.doneAt,
    keysUrl: origin + falKeysPath,
    lock: (on, calls = ['submit']) => {
      lockedCalls = on ? calls : []
    },
    async stop() {
      hooks.stop()
      jobs.stop()
      await server.stop()
    },
  }
}

const cancelled = (status: number, verdict: string): Sent => ({ status, body: { status: verdict } })

function uploadInitiated({ body }: Received, origin: string): Sent {
  const { file_name: name } = readBody(body) as { file_name?: string }
  const url = `${origin}/files/upload-${randomUUID()}-${name?.replace(/[^\w.-]/g, '') ?? ''}`
  return { status: 200, body: { upload_url: url, file_url: url } }
}

function readBody(body: Buffer): unknown {
  try {
    return parseMarked(body.toString('utf8'))
  } catch {
    return undefined
  }
}
