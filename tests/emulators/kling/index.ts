/**
 * Kling's image API on a local port. Tokens and parameters are checked strictly. Only pictures that are drawn are billed.
 *
 * Words in a prompt: 'nsfw' is refused, 'nsfwout' fails the task for its content, 'broken' fails it for another reason, 'onefails' draws
 * one picture less.
 */
import { randomUUID } from 'node:crypto'
import { errors as joseErrors, jwtVerify } from 'jose'
import type { Answer, Fault } from '../faults.ts'
import { createLinks } from '../links.ts'
import { picture } from '../pictures.ts'
import { type EmulatorServer, type Received, type Sent, startServer } from '../server.ts'
import { type KlingBody, type TaskKind, taskShapes } from './schemas.ts'

export interface KlingOptions {
  port?: number
  workMs?: number
  /** Makes the bytes of each picture. Default: real pictures of the requested ratio. */
  picture?: () => Promise<Buffer>
  random?: () => number
  keepRequests?: number
}

interface KlingTask {
  id: string
  kind: TaskKind
  body: KlingBody
  at: number
}

export interface Kling extends EmulatorServer {
  /** The address to configure a client with. */
  baseUrl: string
  /** 'access:secret', as fluxbot is configured. */
  key: string
  /** Number of tasks that are, or will be, billed. */
  accepted(): number
  tasks: KlingTask[]
  switches: {
    /** The package of the account is used up. */
    usedUp: boolean
    /** All parallel slots of the account are taken. */
    full: boolean
    /** The list does not name the ids that clients give. */
    listsNoIds: boolean
  }
  /** Forgets all tasks, as Kling does after 30 days. */
  expire(): void
}

const access = 'ak-emulated-kling-0001'
const secret = 'sk-emulated-kling-secret-0001'
/** A key of the newer kind, which is sent as it is. */
const plainKey = 'plain-emulated-kling-0001'

const fault = (status: number, code: number, message: string): Sent => ({
  status,
  body: { code, message, request_id: randomUUID() },
})
const plain = (status: number, code: number, message: string, headers: Record<string, string> = {}): Answer => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify({ code, message, request_id: randomUUID() }),
})
const faultAnswers = {
  '429': ({ retryAfterSeconds = 1 }: Fault) =>
    plain(429, 1302, 'The request is too fast', { 'retry-after': String(retryAfterSeconds) }),
  '500': () => plain(500, 5000, 'Internal error'),
  '503': () => plain(503, 5001, 'The server is temporarily unavailable'),
  gone: () => plain(404, 1203, 'The requested resource does not exist'),
}

export async function startKling(options: KlingOptions = {}): Promise<Kling> {
  const { workMs = 0 } = options
  const links = createLinks('/kling-result', 'png')
  const tasks: KlingTask[] = []
  let forgotten = 0
  const switches: Kling['switches'] = { usedUp: false, full: false, listsNoIds: false }

  async function tokenRefusal(authorization = ''): Promise<Sent | undefined> {
    if (authorization === '') return fault(401, 1001, 'Authorization is empty')
    const token = authorization.replace(/^Bearer /, '')
    if (token === plainKey) return undefined
    try {
      const { payload } = await jwtVerify(token, new TextEncoder().encode(secret), {
        algorithms: ['HS256'],
        issuer: access,
        requiredClaims: ['exp', 'nbf'],
      })
      return Number(payload.exp) - Date.now() / 1000 > 1_800 ? fault(401, 1002, 'The token lives too long') : undefined
    } catch (error) {
      if (error instanceof joseErrors.JWTExpired) return fault(401, 1004, 'Authorization has expired')
      return fault(401, 1000, 'Authentication failed')
    }
  }

  function submit(kind: TaskKind, received: Received): Sent {
    const parsed = taskShapes[kind].safeParse(jsonIn(received))
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      const name = issue?.code === 'unrecognized_keys' ? issue.keys[0] : issue?.path.join('.')
      return fault(400, 1201, `Invalid parameter ${name}: ${issue?.message}`)
    }
    const body = parsed.data as KlingBody
    if (switches.usedUp) return fault(429, 1102, 'The resource package is used up')
    if (switches.full) return fault(429, 1303, 'Parallel task over the resource package limit')
    if (wordsIn(body).has('nsfw')) return fault(400, 1301, 'The request contains sensitive content')
    const task = { id: randomUUID(), kind, body, at: Date.now() }
    tasks.push(task)
    return {
      status: 200,
      body: { code: 0, message: 'SUCCEED', request_id: randomUUID(), data: shown(task, 'submitted') },
    }
  }

  function shown({ id, body, at }: KlingTask, status: string, rest: object = {}) {
    return {
      task_id: id,
      task_status: status,
      ...(!switches.listsNoIds && { task_info: { external_task_id: body.external_task_id } }),
      created_at: at,
      updated_at: Date.now(),
      ...rest,
    }
  }

  function look(task: KlingTask): object {
    if (Date.now() - task.at < workMs) return shown(task, 'processing')
    const words = wordsIn(task.body)
    if (words.has('nsfwout'))
      return shown(task, 'failed', { task_status_msg: 'Failure to pass the risk control system' })
    if (words.has('broken')) return shown(task, 'failed', { task_status_msg: 'Service busy, please try again later' })
    const { n, aspect_ratio: ratio } = task.body
    const images = Array.from({ length: n - (words.has('onefails') ? 1 : 0) }, (_, index) => {
      const make = options.picture ?? (() => draw(ratio, index))
      return { index, url: server.url + links.add((signature) => ({ 'x-kcdn-pid': signature }), make, 'image/png') }
    })
    return shown(task, 'succeed', { task_status_msg: '', final_unit_deduction: String(n), task_result: { images } })
  }

  async function handle(received: Received): Promise<Sent> {
    const link = await links.serve(received)
    if (link) return link
    const { method, path, query, headers } = received
    const refusal = await tokenRefusal(headers.authorization)
    if (refusal) return refusal
    const [, kind = '', id] = /^\/v1\/images\/([a-z0-9-]+)(?:\/([^/]+))?$/.exec(path) ?? []
    if (!(kind in taskShapes)) return fault(404, 1202, 'The requested method is invalid')
    if (method === 'POST' && id === undefined) return submit(kind as TaskKind, received)
    const ok = (data: unknown) => ({
      status: 200,
      body: { code: 0, message: 'SUCCEED', request_id: randomUUID(), data },
    })
    const own = tasks.slice(forgotten).filter((task) => task.kind === kind)
    if (method === 'GET' && id === undefined) {
      const [page, size] = [Number(query.get('pageNum') ?? 1), Number(query.get('pageSize') ?? 30)]
      if (!(size >= 1 && size <= 500)) return fault(400, 1201, 'Invalid parameter pageSize')
      return ok(
        own
          .reverse()
          .slice((page - 1) * size, page * size)
          .map(look),
      )
    }
    const task = own.find((each) => each.id === id)
    return method === 'GET' && task ? ok(look(task)) : fault(404, 1203, 'The requested resource does not exist')
  }

  const { port, random, keepRequests } = options
  const server = await startServer({ port, random, keepRequests, answers: faultAnswers, handle })
  return {
    ...server,
    baseUrl: server.url,
    key: `${access}:${secret}`,
    accepted: () => tasks.filter(({ body }) => !wordsIn(body).has('nsfwout') && !wordsIn(body).has('broken')).length,
    tasks,
    switches,
    expire: () => {
      forgotten = tasks.length
    },
  }
}

const wordsIn = ({ prompt = '' }: KlingBody) => new Set(prompt.toLowerCase().match(/\w+/g))

function draw(ratio: string, seed: number): Promise<Buffer> {
  const [across = 1, down = 1] = ratio === 'auto' ? [] : ratio.split(':').map(Number)
  const width = Math.round(1024 * Math.sqrt(across / down))
  return picture(width, Math.round((width * down) / across), 'png', seed)
}

function jsonIn({ body }: Received): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
