/**
 * Alibaba's DashScope on a local port, with three protocols. It checks parameters strictly and bills only pictures that
 * it delivers.
 *
 * Words in a prompt: 'nsfw' is refused, 'nsfwout' is drawn and then refused, 'broken' fails inside, 'onefails' fails the
 * last of several, 'softly' reports a failure with status 200, 'paidfor' is drawn, billed and answered with status 500.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLinks } from '../links.ts'
import { picture } from '../pictures.ts'
import { type EmulatorServer, type Received, type Sent, startServer } from '../server.ts'
import { errors, faultAnswers, invalid, refuse } from './errors.ts'
import {
  type DashscopeModel,
  type DashscopePlan,
  dashscopeModels,
  type ProtocolName,
  parseDashscope,
} from './models.ts'
import { choicesOf, createTasks, type Outcome, outputOf, type Tasks } from './tasks.ts'

export interface DashscopeOptions {
  port?: number
  key?: string
  /** Key of another region, which is refused here. */
  foreignKey?: string
  workMs?: number
  /** Makes the bytes of each picture. Default: real pictures of the requested size. */
  picture?: () => Promise<Buffer>
  random?: () => number
  keepRequests?: number
}

export interface Dashscope extends EmulatorServer {
  /** The address to configure a client with. */
  baseUrl: string
  key: string
  foreignKey: string
  /** Number of requests that are, or will be, billed. */
  accepted(): number
  /** Number of pictures that are, or will be, billed. */
  billed(): number
  /** Accepted requests, parsed. */
  plans: DashscopePlan[]
  tasks: Tasks
  switches: { quotaExceeded: boolean; overloaded: boolean; overdue: boolean }
  /** Forgets links and tasks, as DashScope does after 24 hours. */
  expire(): void
}

const paths: Readonly<Record<string, ProtocolName>> = {
  '/services/aigc/text2image/image-synthesis': 'text2image',
  '/services/aigc/multimodal-generation/generation': 'multimodal',
  '/services/aigc/image-generation/generation': 'image-generation',
}

export async function startDashscope(options: DashscopeOptions = {}): Promise<Dashscope> {
  const { key = 'sk-emulated-beijing-0001', foreignKey = 'sk-emulated-singapore-0001', workMs = 0 } = options
  const links = createLinks('/dashscope-result', 'png')
  const tasks = createTasks(workMs)
  const plans: DashscopePlan[] = []
  const bills: { images: number; canceled?: boolean }[] = []
  const switches: Dashscope['switches'] = { quotaExceeded: false, overloaded: false, overdue: false }

  function stateRefusal({ prompt }: DashscopePlan): Sent | undefined {
    if (switches.overdue) return refuse(errors.overdue)
    if (switches.quotaExceeded) return refuse(errors.quota)
    if (switches.overloaded) return refuse(errors.rate)
    if (/\bnsfw\b/.test(prompt)) return refuse(errors.input)
    return undefined
  }

  function draw({ prompt, n, size: [width, height] }: DashscopePlan): Outcome {
    const { code, message } = /\bbroken\b/.test(prompt) ? errors.internal : errors.output
    const failing = /\b(nsfwout|broken)\b/.test(prompt) ? n : /\bonefails\b/.test(prompt) ? 1 : 0
    const urls = Array.from({ length: n - failing }, (_, at) => {
      const make = options.picture ?? (() => picture(width, height, 'png', at))
      return server.url + links.add(query, make, 'image/png')
    })
    return { urls, faults: Array.from({ length: failing }, () => ({ code, message })) }
  }

  async function generate(received: Received, protocol: ProtocolName): Promise<Sent> {
    const wantsTask = received.headers['x-dashscope-async'] === 'enable'
    if (protocol !== 'multimodal' && !wantsTask) return refuse(errors.notAsync)
    if (protocol === 'multimodal' && wantsTask) return refuse(errors.notSync)
    const raw = parse(received.body)
    const model = modelOf(raw, protocol)
    if ('status' in model) return model
    const parsed = parseDashscope(model, protocol, raw)
    if (!('plan' in parsed)) return refuse(invalid(parsed.message))
    const { plan } = parsed
    const forbidden = stateRefusal(plan)
    if (forbidden) return forbidden
    const outcome = draw(plan)
    const bill = { images: outcome.urls.length }
    plans.push(plan)
    bills.push(bill)
    const sent = wantsTask ? createTask(plan, protocol, outcome, bill) : await drawNow(plan, outcome)
    return /\bpaidfor\b/.test(plan.prompt) ? refuse(errors.internal) : sent
  }

  function createTask(plan: DashscopePlan, protocol: ProtocolName, outcome: Outcome, bill: object): Sent {
    const task = tasks.add(plan, protocol, outcome)
    billOf.set(task.id, bill)
    return { status: 200, body: { output: { task_status: 'PENDING', task_id: task.id }, request_id: randomUUID() } }
  }

  async function drawNow(plan: DashscopePlan, { urls, faults }: Outcome): Promise<Sent> {
    if (workMs > 0) await sleep(workMs)
    const [fault] = faults
    if (urls.length === 0 && fault) {
      const status = /\bsoftly\b/.test(plan.prompt) ? 200 : fault.code === 'InternalError' ? 500 : 400
      return refuse({ status, ...fault })
    }
    const [width, height] = plan.size
    const output = { choices: choicesOf(urls, plan.model.startsWith('wan') ? 'image' : undefined) }
    return {
      status: 200,
      body: { output, usage: { image_count: urls.length, width, height }, request_id: randomUUID() },
    }
  }

  /** Bills of the tasks, by task id. */
  const billOf = new Map<string, { canceled?: boolean }>()

  function taskStatus(id: string): Sent {
    const task = tasks.get(id)
    const status = task && tasks.status(task)
    const output = task && status ? outputOf(task, status) : { task_id: id, task_status: 'UNKNOWN' }
    const usage = status === 'SUCCEEDED' ? { usage: { image_count: task?.outcome.urls.length } } : {}
    return { status: 200, body: { request_id: randomUUID(), output, ...usage } }
  }

  function cancel(id: string): Sent {
    const task = tasks.get(id)
    if (!task || tasks.status(task) !== 'PENDING') return refuse(errors.notPending)
    task.canceled = true
    const bill = billOf.get(id)
    if (bill) bill.canceled = true
    return { status: 200, body: { request_id: randomUUID() } }
  }

  function list(): Sent {
    const data = tasks.all().map((task) => ({
      task_id: task.id,
      status: tasks.status(task),
      model_name: task.plan.model,
      start_time: task.submittedAt,
      region: 'cn-beijing',
    }))
    const page = { total: data.length, total_page: 1, page_no: 1, page_size: 10 }
    return { status: 200, body: { request_id: randomUUID(), data, ...page } }
  }

  async function route(received: Received): Promise<Sent> {
    const path = received.path.replace(/^\/api\/v1/, '')
    const call = `${received.method} ${path}`
    const protocol = paths[path]
    if (protocol && received.method === 'POST') return generate(received, protocol)
    const cancelled = /^POST \/tasks\/([^/]+)\/cancel$/.exec(call)
    if (cancelled) return cancel(cancelled[1] ?? '')
    if (/^GET \/tasks\/?$/.test(call)) return list()
    const polled = /^GET \/tasks\/([^/]+)$/.exec(call)
    return polled ? taskStatus(polled[1] ?? '') : refuse(errors.path)
  }

  const server = await startServer({
    port: options.port,
    random: options.random,
    keepRequests: options.keepRequests,
    answers: faultAnswers,
    async handle(received) {
      const link = await links.serve(received)
      if (link) return link
      if (!received.path.startsWith('/api/v1/')) return refuse(errors.path)
      return received.headers.authorization === `Bearer ${key}` ? route(received) : refuse(errors.key)
    },
  })

  const charged = () => bills.filter(({ images, canceled }) => images > 0 && !canceled)
  return {
    ...server,
    baseUrl: `${server.url}/api/v1`,
    key,
    foreignKey,
    accepted: () => charged().length,
    billed: () => charged().reduce((sum, { images }) => sum + images, 0),
    plans,
    tasks,
    switches,
    expire() {
      links.expire()
      tasks.expire()
    },
  }
}

const query = (signature: string) => ({
  Expires: '1790000000',
  OSSAccessKeyId: 'LTAIemulated0001',
  Signature: `${signature.slice(0, 26)}+/=`,
  'x-oss-process': 'image/format,png',
})

function modelOf(raw: Record<string, unknown> | undefined, protocol: ProtocolName): DashscopeModel | Sent {
  if (!raw) return refuse(invalid('Required body invalid, please check the request body format.'))
  const model = dashscopeModels[String(raw.model)]
  if (!model) return refuse({ status: 404, code: 'ModelNotFound', message: `Model can not be found: ${raw.model}` })
  if (!model.protocols.includes(protocol)) return refuse(invalid('url error, please check url!'))
  return model
}

function parse(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
