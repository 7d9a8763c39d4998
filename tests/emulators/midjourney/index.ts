/**
 * midjourney-proxy on a local port, in two kinds: 'plain' as novicezk's, with one picture of a grid and without a list; 'full' as
 * trueai-org's, with four addresses, cancellation and a list of tasks. Parameters are checked strictly.
 *
 * Words in a prompt: 'nsfw' has a banned word, 'nsfwout' is stopped while it is drawn, 'badflag' is refused by Midjourney, 'late' takes
 * too long, 'noaccount' finds no account, 'modal' waits for a form, 'queued' is accepted into the queue.
 */
import sharp from 'sharp'
import { z } from 'zod'
import type { Answer, Fault } from '../faults.ts'
import { createLinks } from '../links.ts'
import { picture } from '../pictures.ts'
import { type EmulatorServer, type Received, type Sent, startServer } from '../server.ts'

export interface MidjourneyOptions {
  kind?: 'plain' | 'full'
  port?: number
  workMs?: number
  /** Makes the bytes of each picture, or of the grid. Default: real pictures. */
  picture?: () => Promise<Buffer>
  random?: () => number
  keepRequests?: number
}

interface MidjourneyTask {
  id: string
  action: 'IMAGINE' | 'BLEND'
  prompt: string
  /** Of the pictures of the request. */
  images: number
  dimensions?: string
  state?: string
  at: number
  cancelled?: boolean
}

export interface Midjourney extends EmulatorServer {
  /** The address to configure a client with. */
  baseUrl: string
  key: string
  /** Number of tasks that are, or will be, drawn. */
  accepted(): number
  tasks: MidjourneyTask[]
  switches: {
    /** The queues of all accounts are full. */
    full: boolean
    /** The account of a relay has no credit left. */
    noQuota: boolean
  }
  /** Forgets all tasks, as a proxy that keeps them in memory does when it restarts. */
  forget(): void
}

const dataUrl = z.string().regex(/^data:image\/(png|jpeg|webp);base64,[A-Za-z0-9+/]+={0,2}$/, 'is no data URL')
const common = { state: z.string().max(255).optional(), notifyHook: z.string().max(2_000).optional() }
const imagineShape = z.strictObject({ ...common, prompt: z.string().min(1), base64Array: z.array(dataUrl).optional() })
const blendShape = z.strictObject({
  ...common,
  base64Array: z.array(dataUrl).min(2).max(5),
  dimensions: z.enum(['PORTRAIT', 'SQUARE', 'LANDSCAPE']).default('SQUARE'),
})

const answer = (code: number, description: string, result?: string, properties: object = {}): Sent => ({
  status: 200,
  body: { code, description, result: result ?? null, properties },
})
const plain = (status: number, body: object, headers: Record<string, string> = {}): Answer => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
})
const faultAnswers = {
  '429': ({ retryAfterSeconds = 1 }: Fault) =>
    plain(429, { code: 30, description: 'rate limit' }, { 'retry-after': String(retryAfterSeconds) }),
  '500': () => plain(500, { timestamp: 1, status: 500, error: 'Internal Server Error', path: '/mj' }),
  '503': () => plain(503, { timestamp: 1, status: 503, error: 'Service Unavailable', path: '/mj' }),
  gone: () => plain(404, { timestamp: 1, status: 404, error: 'Not Found', path: '/mj' }),
}

export async function startMidjourney(options: MidjourneyOptions = {}): Promise<Midjourney> {
  const { kind = 'plain', workMs = 0 } = options
  const key = 'mj-emulated-secret-0001'
  const links = createLinks('/attachments', 'png')
  const tasks: MidjourneyTask[] = []
  let forgotten = 0
  const switches: Midjourney['switches'] = { full: false, noQuota: false }

  function submit(action: MidjourneyTask['action'], { body }: Received): Sent {
    const parsed = (action === 'IMAGINE' ? imagineShape : blendShape).safeParse(jsonIn(body))
    if (!parsed.success) return answer(4, `参数错误: ${parsed.error.issues[0]?.message}`)
    const {
      prompt = '',
      base64Array = [],
      dimensions,
      state,
    } = parsed.data as Partial<z.output<typeof imagineShape>> & Partial<z.output<typeof blendShape>>
    const words = wordsIn(prompt)
    if (switches.noQuota) return answer(4, 'quota_not_enough')
    if (switches.full)
      return kind === 'plain' ? answer(23, '队列已满，请稍后尝试') : answer(9, '提交失败，队列已满，请稍后重试')
    if (words.has('nsfw')) return answer(24, '可能包含敏感词', undefined, { promptEn: prompt, bannedWord: 'nsfw' })
    if (words.has('noaccount')) return answer(3, '无可用的账号实例')
    const task = {
      id: `17${String(Date.now())}${tasks.length}`,
      action,
      prompt,
      images: base64Array.length,
      dimensions,
      state,
      at: Date.now(),
    }
    tasks.push(task)
    return words.has('queued')
      ? answer(22, '排队中，前面还有1个任务', task.id, { numberOfQueues: 1 })
      : answer(1, '提交成功', task.id)
  }

  function shown(task: MidjourneyTask) {
    const { id, action, prompt, state, at } = task
    const about = { id, action, prompt, promptEn: prompt, description: `/imagine ${prompt}`, state, submitTime: at }
    const words = wordsIn(prompt)
    const age = Date.now() - at
    const rest = (status: string, progress: string, more: object = {}) => ({ ...about, status, progress, ...more })
    const failed = (failReason: string) => rest('FAILURE', '100%', { failReason, imageUrl: null })
    if (task.cancelled) return rest('CANCEL', '0%')
    if (age < workMs / 2) return rest(kind === 'plain' ? 'SUBMITTED' : 'NOT_START', kind === 'plain' ? '0%' : '')
    if (words.has('modal')) return rest('MODAL', '0%')
    if (age < workMs) return rest('IN_PROGRESS', '46%', { imageUrl: link(() => picture(128, 128, 'png', 1)) })
    if (words.has('nsfwout')) return failed('[Moderated content] The prompt may violate our community standards')
    if (words.has('badflag')) return failed('[Invalid parameter] Unrecognized parameter(s): `--foo`')
    if (words.has('late')) return failed('任务超时')
    const size = sizeOf(prompt)
    const whole = options.picture ?? (() => gridOf(size))
    if (kind === 'plain') return rest('SUCCESS', '100%', { imageUrl: link(whole), failReason: null })
    const imageUrls = [0, 1, 2, 3].map((at) => ({
      url: link(options.picture ?? (() => cell(size, at))),
      thumbnail: '',
    }))
    return rest('SUCCESS', '100%', { imageUrl: link(whole), imageUrls, buttons: [] })
  }

  const link = (make: () => Promise<Buffer>) =>
    server.url + links.add((signature) => ({ ex: '6a', hm: signature }), make, 'image/png')

  async function handle(received: Received): Promise<Sent> {
    const file = await links.serve(received)
    if (file) return file
    const { method, path, headers } = received
    if (headers['mj-api-secret'] !== key && headers.authorization !== `Bearer sk-${key}`) {
      return kind === 'plain' ? { status: 401 } : { status: 401, body: 'Unauthorized' }
    }
    const known = tasks.slice(forgotten)
    if (method === 'POST' && path === '/mj/submit/imagine') return submit('IMAGINE', received)
    if (method === 'POST' && path === '/mj/submit/blend') return submit('BLEND', received)
    if (method === 'GET' && path === '/mj/task/queue' && kind === 'plain') return { status: 200, body: [] }
    if (method === 'GET' && path === '/mj/task/list' && kind === 'full') {
      return { status: 200, body: known.slice(-100).map(shown) }
    }
    const [, id, what] = /^\/mj\/task\/([^/]+)\/(fetch|cancel)$/.exec(path) ?? []
    const task = known.find((each) => each.id === id)
    if (method === 'GET' && what === 'fetch') {
      return task ? { status: 200, body: shown(task) } : { status: kind === 'plain' ? 200 : 204 }
    }
    if (method === 'POST' && what === 'cancel' && kind === 'full' && task) {
      task.cancelled = true
      return answer(1, '成功', task.id)
    }
    return { status: 404, body: { timestamp: 1, status: 404, error: 'Not Found', path } }
  }

  const { port, random, keepRequests } = options
  const server = await startServer({ port, random, keepRequests, answers: faultAnswers, handle })
  return {
    ...server,
    baseUrl: server.url,
    key,
    accepted: () => tasks.length,
    tasks,
    switches,
    forget: () => {
      forgotten = tasks.length
    },
  }
}

const wordsIn = (prompt: string) => new Set(prompt.toLowerCase().match(/\w+/g))

function sizeOf(prompt: string): [number, number] {
  const [, across = '1', down = '1'] = /--ar (\d+):(\d+)/.exec(prompt) ?? []
  const width = Math.round((512 * Math.sqrt(Number(across) / Number(down))) / 2) * 2
  return [width, Math.round((width * Number(down)) / Number(across) / 2) * 2]
}

const cell = ([width, height]: [number, number], at: number) => picture(width, height, 'png', at)

/** Four pictures in two rows. */
async function gridOf(size: [number, number]): Promise<Buffer> {
  const [width, height] = size
  const cells = await Promise.all([0, 1, 2, 3].map((at) => cell(size, at)))
  const placed = cells.map((input, at) => ({ input, left: (at % 2) * width, top: Math.floor(at / 2) * height }))
  const background = { r: 0, g: 0, b: 0 }
  return sharp({ create: { width: width * 2, height: height * 2, channels: 3, background } })
    .composite(placed)
    .png()
    .toBuffer()
}

function jsonIn(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
