/**
 * fal.ai on a local port: queue, files, storage and the keys of its webhooks on one origin. Words in a prompt decide what
 * becomes of it: nsfw (refused), nsfwflag (all flagged), nsfwfirst (the first flagged), datauri, nothing, or the name of
 * an infrastructure error like runner_server_error. Nothing here knows a test runner, so it also runs in a process of its
 * own.
 */
import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Faults } from '../faults.ts'
import { type Received, type Sent, startServer } from '../server.ts'
import { faultAnswers, inProgress, locked, noKey, refused, unknownRequest, wrongKey } from './errors.ts'
import { parseMarked, stringifyMarked } from './exact.ts'
import { createFiles } from './files.ts'
import { createJobs, type Job, type Jobs } from './jobs.ts'
import { outcomeOf } from './outcome.ts'
import { type Call, readCall } from './paths.ts'
import type { FalEndpoint } from './schemas.ts'
import { sendStatuses } from './stream.ts'
import { createHooks, type Hooks } from './webhooks.ts'

export interface FalOptions {
  port?: number
  key?: string
  /** Default 0. */
  workMs?: number | ((endpoint: FalEndpoint) => number)
  /** Requests at the same time; the others wait. Default: no limit. */
  concurrency?: number
  /** Whether webhooks are called. Default true. */
  webhooks?: boolean
  /** false: as a relay without streams, 404. Default true. */
  stream?: boolean
  /** Whether logs show a progress bar. Default true. */
  bars?: boolean
  /** As if behind a relay: everything is below this path. */
  relayPrefix?: string
  /** What addresses in answers begin with. Default: where this is. The real fal names itself even behind a relay. */
  publicUrl?: string
  random?: () => number
  /** Makes the bytes of each picture; default: real pictures of the asked size. */
  picture?: () => Promise<Buffer>
  /** What stands where a relay's own keys would be; fal's are then at `keysUrl` alone. */
  relayKeys?: Sent
  /** For long runs: remember only about this many requests and finished jobs. */
  keepRequests?: number
}

export interface FalEmulator {
  /** What a provider is set up with. */
  url: string
  origin: string
  key: string
  requests: Received[]
  faults: Faults
  hooks: Hooks
  /** Submissions that got an id, whether or not anybody was told. */
  accepted(): number
  job(requestId: string): Job | undefined
  /** Wall clock, ms. */
  doneAt(requestId: string): number | undefined
  /** Where fal itself publishes the keys of its webhooks. */
  keysUrl: string
  /** While the account is locked nothing is taken; what is there can be asked after, unless `calls` says otherwise. */
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
  let closed: readonly Call['what'][] = []
  let origin = ''

  function submit({ body, query }: Received, endpoint: FalEndpoint): Sent {
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

  async function answer(call: Call, received: Received, res: ServerResponse): Promise<Sent | 'streamed'> {
    const { method, query } = received
    if (call.what === 'subPath') return refused(405, 'Method Not Allowed')
    if (call.what === 'unknown') return refused(404, `Path ${received.path} not found`)
    if (method !== { submit: 'POST', cancel: 'PUT', status: 'GET', stream: 'GET', result: 'GET' }[call.what]) {
      return refused(405, 'Method Not Allowed')
    }
    if (closed.includes(call.what)) return locked
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
    if (path === '/storage/upload/initiate') return initiated(received, origin)
    if (!path.startsWith(`${relayPrefix}/`)) return refused(404, `Path ${path} not found`)
    return answer(readCall(path.slice(relayPrefix.length)), received, res)
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
      closed = on ? calls : []
    },
    async stop() {
      hooks.stop()
      jobs.stop()
      await server.stop()
    },
  }
}

const cancelled = (status: number, verdict: string): Sent => ({ status, body: { status: verdict } })

function initiated({ body }: Received, origin: string): Sent {
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
