/**
 * Jimeng on Volcengine's visual API, on a local port. It checks signatures and parameters strictly, and bills what it draws.
 *
 * Words in a prompt: 'nsfw' is refused, 'nsfwout' is drawn and then refused, 'broken' fails inside, 'bytes' is answered in base64.
 */
import { createHash, createHmac, randomUUID } from 'node:crypto'
import type { Answer, Fault } from '../faults.ts'
import { createLinks } from '../links.ts'
import { picture } from '../pictures.ts'
import { type EmulatorServer, type Received, type Sent, startServer } from '../server.ts'
import { bodyShape, type JimengBody } from './schemas.ts'

export interface JimengOptions {
  port?: number
  workMs?: number
  /** Makes the bytes of each picture. Default: real pictures of the requested size. */
  picture?: () => Promise<Buffer>
  random?: () => number
  keepRequests?: number
}

interface JimengTask {
  id: string
  body: JimengBody
  at: number
}

export interface Jimeng extends EmulatorServer {
  /** The address to configure a client with. */
  baseUrl: string
  /** 'access:secret', as fluxbot is configured. */
  key: string
  /** Number of tasks that are, or will be, billed. */
  accepted(): number
  tasks: JimengTask[]
  /** Options of each question for a result, parsed. */
  questions: unknown[]
  switches: {
    /** The account has not activated the service. */
    notOpen: boolean
    /** All parallel tasks of the account are taken. */
    full: boolean
  }
  /** Forgets all tasks, as Jimeng does after 12 hours. */
  expire(): void
}

const access = 'AKemulatedjimeng0001'
const secret = 'c2VjcmV0LWVtdWxhdGVkLWppbWVuZw=='

const visual = (status: number, code: number, message: string): Sent => ({
  status,
  body: { code, data: null, message, request_id: randomUUID(), status: code, time_elapsed: '12ms' },
})
const gateway = (status: number, code: string, message: string): Sent => ({
  status,
  body: { ResponseMetadata: { RequestId: randomUUID(), Service: 'cv', Error: { Code: code, Message: message } } },
})
const plain = (status: number, code: number, message: string, headers: Record<string, string> = {}): Answer => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify({ code, data: null, message, request_id: randomUUID() }),
})
const faultAnswers = {
  '429': ({ retryAfterSeconds = 1 }: Fault) =>
    plain(429, 50429, 'Request Has Reached API Limit, Please Try Later', { 'retry-after': String(retryAfterSeconds) }),
  '500': () => plain(500, 50500, 'Internal Error'),
  '503': () => plain(500, 50501, 'Internal RPC Error'),
  gone: () => plain(404, 50404, 'not found'),
}

export async function startJimeng(options: JimengOptions = {}): Promise<Jimeng> {
  const { workMs = 0 } = options
  const links = createLinks('/jimeng-result', 'jpeg')
  const tasks: JimengTask[] = []
  let forgotten = 0
  const questions: unknown[] = []
  const switches: Jimeng['switches'] = { notOpen: false, full: false }

  function submit(json: unknown): Sent {
    const parsed = bodyShape.safeParse(json)
    if (!parsed.success) return visual(400, 50200, `Parameter error: ${parsed.error.issues[0]?.message}`)
    const body = parsed.data
    if (switches.full) return visual(429, 50430, 'Request Has Reached API Concurrent Limit, Please Try Later')
    if (wordsIn(body).has('nsfw')) return visual(400, 50412, 'Text Risk Not Pass')
    const task = { id: randomUUID(), body, at: Date.now() }
    tasks.push(task)
    return done({ task_id: task.id })
  }

  async function result(json: unknown): Promise<Sent> {
    const { req_key: model, task_id: id, req_json: text = '{}' } = json as Record<string, string | undefined>
    const wanted = JSON.parse(text) as { return_url?: boolean }
    questions.push(wanted)
    const task = tasks.slice(forgotten).find((each) => each.id === id && each.body.req_key === model)
    if (!task) return done({ status: 'not_found' })
    const age = Date.now() - task.at
    if (age < workMs) return done({ status: age < workMs / 2 ? 'in_queue' : 'generating' })
    const words = wordsIn(task.body)
    if (words.has('nsfwout')) return visual(400, 50511, 'Post Img Risk Not Pass')
    if (words.has('broken')) return visual(500, 50500, 'Internal Error')
    const { width = 2048, height = 2048 } = task.body
    const make = options.picture ?? (() => picture(width, height, 'jpeg', 'seed' in task.body ? task.body.seed : 0))
    if (wanted.return_url && !words.has('bytes')) {
      const url = server.url + links.add((signature) => ({ 'x-signature': signature }), make, 'image/jpeg')
      return done({ status: 'done', image_urls: [url], binary_data_base64: [] })
    }
    return done({ status: 'done', image_urls: null, binary_data_base64: [(await make()).toString('base64')] })
  }

  /** Both actions are calls of one path. */
  const labelOf = ({ path, query }: Received) => path + (query.get('Action') ?? '')

  async function handle(received: Received): Promise<Sent> {
    const link = await links.serve(received)
    if (link) return link
    const refusal = signatureRefusal(received)
    if (refusal) return refusal
    if (switches.notOpen) return visual(400, 50400, 'Access Denied')
    const { query, body } = received
    if (query.get('Version') !== '2022-08-31') return gateway(404, 'InvalidActionOrVersion', 'no such version')
    const json = parse(body)
    if (query.get('Action') === 'CVSync2AsyncSubmitTask') return submit(json)
    if (query.get('Action') === 'CVSync2AsyncGetResult') return result(json)
    return gateway(404, 'InvalidActionOrVersion', 'Could not find operation')
  }

  const { port, random, keepRequests } = options
  const server = await startServer({ port, random, keepRequests, answers: faultAnswers, labelOf, handle })
  return {
    ...server,
    baseUrl: server.url,
    key: `${access}:${secret}`,
    accepted: () => tasks.filter(({ body }) => !wordsIn(body).has('broken')).length,
    tasks,
    questions,
    switches,
    expire: () => {
      forgotten = tasks.length
    },
  }
}

const done = (data: object): Sent => ({
  status: 200,
  body: { code: 10000, data, message: 'Success', request_id: randomUUID(), status: 10000, time_elapsed: '12ms' },
})

/** Checks what the client says it has signed, whichever headers that are; host, time and body must be among them. */
function signatureRefusal({ method, path, query, headers, body }: Received): Sent | undefined {
  const parts =
    /^HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/cn-north-1\/cv\/request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/
  const [, id, day, names = '', signature] = parts.exec(headers.authorization ?? '') ?? []
  if (id === undefined) return gateway(401, 'MissingAuthenticationToken', 'The request has no valid signature')
  if (id !== access) return gateway(401, 'InvalidAccessKey', `The access key ${id} is not valid`)
  const [time, hash] = [String(headers['x-date'] ?? ''), createHash('sha256').update(body).digest('hex')]
  const at = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  if (!(Math.abs(Date.now() - at) < 15 * 60_000)) return gateway(403, 'SignatureExpired', 'The request is too old')
  const signed = names.split(';')
  const isComplete = ['host', 'x-date', 'x-content-sha256'].every((name) => signed.includes(name))
  const params = [...query].map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).sort()
  const lines = signed.map((name) => `${name}:${String(headers[name] ?? '').trim()}`)
  const canonical = [method, path, params.join('&'), ...lines, '', names, hash].join('\n')
  const scope = `${day}/cn-north-1/cv/request`
  const text = ['HMAC-SHA256', time, scope, createHash('sha256').update(canonical).digest('hex')].join('\n')
  const keyed = [...scope.split('/'), text].reduce<string | Buffer>(
    (from, part) => createHmac('sha256', from).update(part).digest(),
    secret,
  )
  const isRight =
    keyed.toString('hex') === signature && headers['x-content-sha256'] === hash && time.startsWith(day ?? '-')
  if (isComplete && isRight) return undefined
  return gateway(
    403,
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the one you provided',
  )
}

const wordsIn = ({ prompt }: JimengBody) => new Set(prompt.toLowerCase().match(/\w+/g))

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
