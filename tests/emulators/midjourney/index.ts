/**
 * midjourney-proxy on a local port, in two kinds: 'plain' as novicezk's, with one picture of a grid and without a list, where tasks are
 * changed by the number of a picture; 'full' as trueai-org's, with four addresses, cancellation, a list of tasks, and the buttons that
 * Midjourney has below a result, also under paths that name a speed. Parameters are checked strictly.
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
import { type Action, buttonsOf, changeable, pressed } from './buttons.ts'
import { createHooks, type Hooks } from './hooks.ts'

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
  action: Action
  prompt: string
  /** Id of the task that it continues, and the number of the picture there. */
  parent?: string
  index?: number
  /** Of the pictures of the request. */
  images: number
  dimensions?: string
  state?: string
  notifyHook?: string
  at: number
  cancelled?: boolean
}

interface Stage {
  status: string
  progress: string
  failReason?: string
}

export interface Midjourney extends EmulatorServer {
  /** The address to configure a client with. */
  baseUrl: string
  key: string
  /** Number of tasks that are, or will be, drawn. */
  accepted(): number
  tasks: MidjourneyTask[]
  hooks: Hooks
  switches: {
    /** The queues of all accounts are full. */
    full: boolean
    /** The account of a relay has no credit left. */
    noQuota: boolean
    /** The newest task gets no further than its first preview. */
    held: boolean
    /** The account asks for new words before it varies a picture. */
    remix: boolean
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

const changeShape = z.strictObject({
  ...common,
  taskId: z.string().min(1),
  action: z.enum(['UPSCALE', 'VARIATION', 'REROLL']),
  index: z.number().int().min(1).max(4).optional(),
})
const actionShape = z.strictObject({
  ...common,
  taskId: z.string().min(1),
  customId: z.string().min(1),
  enableRemix: z.boolean().optional(),
})
const describeShape = z.strictObject({ ...common, base64: dataUrl })

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
  const hooks = createHooks()
  let forgotten = 0
  const switches: Midjourney['switches'] = { full: false, noQuota: false, held: false, remix: false }

  const wrong = ({ error }: { error: z.ZodError }) => answer(4, `参数错误: ${error.issues[0]?.message}`)

  /** undefined: the task is accepted. */
  function refusal(): Sent | undefined {
    if (switches.noQuota) return answer(4, 'quota_not_enough')
    if (!switches.full) return undefined
    return kind === 'plain' ? answer(23, '队列已满，请稍后尝试') : answer(9, '提交失败，队列已满，请稍后重试')
  }

  async function accept(task: Pick<MidjourneyTask, 'action' | 'prompt'> & Partial<MidjourneyTask>): Promise<Sent> {
    const accepted = { images: 0, ...task, id: `17${String(Date.now())}${tasks.length}`, at: Date.now() }
    tasks.push(accepted)
    if (accepted.notifyHook)
      await hooks.watch(accepted.notifyHook, { stage: () => stageOf(accepted), body: () => shown(accepted) })
    return wordsIn(task.prompt).has('queued')
      ? answer(22, '排队中，前面还有1个任务', accepted.id, { numberOfQueues: 1 })
      : answer(1, '提交成功', accepted.id)
  }

  async function submit(action: 'IMAGINE' | 'BLEND', { body }: Received): Promise<Sent> {
    const parsed = (action === 'IMAGINE' ? imagineShape : blendShape).safeParse(jsonIn(body))
    if (!parsed.success) return wrong(parsed)
    const {
      prompt = '',
      base64Array = [],
      dimensions,
      state,
      notifyHook,
    } = parsed.data as Partial<z.output<typeof imagineShape>> & Partial<z.output<typeof blendShape>>
    const words = wordsIn(prompt)
    const refused = refusal()
    if (refused) return refused
    if (words.has('nsfw')) return answer(24, '可能包含敏感词', undefined, { promptEn: prompt, bannedWord: 'nsfw' })
    if (words.has('noaccount')) return answer(3, '无可用的账号实例')
    return accept({ action, prompt, images: base64Array.length, dimensions, state, notifyHook })
  }

  const gone = '关联任务不存在或已失效'
  const known = () => tasks.slice(forgotten)
  const isDone = (task: MidjourneyTask) => stageOf(task).status === 'SUCCESS'

  async function change({ body }: Received): Promise<Sent> {
    const parsed = changeShape.safeParse(jsonIn(body))
    if (!parsed.success) return wrong(parsed)
    const { taskId, action, index, state, notifyHook } = parsed.data
    if (action !== 'REROLL' && index === undefined) return answer(4, 'index错误')
    const parent = known().find(({ id }) => id === taskId)
    if (!parent) return answer(3, gone)
    if (!isDone(parent)) return answer(4, '关联任务状态错误')
    if (!changeable.has(parent.action)) return answer(4, '关联任务不允许执行变化')
    const refused = refusal()
    if (refused) return refused
    const before = known().find((task) => task.action === 'UPSCALE' && task.parent === taskId && task.index === index)
    if (action === 'UPSCALE' && before) {
      const { status, imageUrl }: { status: string; imageUrl?: string | null } = shown(before)
      return answer(21, '任务已存在', before.id, { status, imageUrl })
    }
    return accept({ action, index, parent: taskId, prompt: parent.prompt, state, notifyHook })
  }

  async function press({ body }: Received): Promise<Sent> {
    const parsed = actionShape.safeParse(jsonIn(body))
    if (!parsed.success) return wrong(parsed)
    const { taskId, customId, state, notifyHook } = parsed.data
    const parent = known().find(({ id }) => id === taskId)
    if (!parent) return { ...answer(3, gone), status: 404 }
    if (!isDone(parent)) return answer(4, '关联任务状态错误')
    if (!buttonsOf(parent).some((button) => button.customId === customId)) return answer(4, '操作不存在')
    const refused = refusal()
    if (refused) return refused
    if (switches.remix && customId.includes('::variation::')) {
      return answer(21, 'Waiting for window confirm', taskId, { remix: true })
    }
    return accept({ ...pressed(customId), parent: taskId, prompt: parent.prompt, state, notifyHook })
  }

  async function describe({ body }: Received): Promise<Sent> {
    const parsed = describeShape.safeParse(jsonIn(body))
    if (!parsed.success) return wrong(parsed)
    const { base64: _file, ...own } = parsed.data
    return refusal() ?? accept({ action: 'DESCRIBE', prompt: '', images: 1, ...own })
  }

  function stageOf(task: MidjourneyTask): Stage {
    const words = wordsIn(task.prompt)
    const age = Date.now() - task.at
    const failed = (failReason: string) => ({ status: 'FAILURE', progress: '100%', failReason })
    if (task.cancelled) return { status: 'CANCEL', progress: '0%' }
    if (age < workMs / 2)
      return kind === 'plain' ? { status: 'SUBMITTED', progress: '0%' } : { status: 'NOT_START', progress: '' }
    if (words.has('modal')) return { status: 'MODAL', progress: '0%' }
    if (age < workMs || (switches.held && task === tasks.at(-1))) return { status: 'IN_PROGRESS', progress: '46%' }
    if (words.has('nsfwout')) return failed('[Moderated content] The prompt may violate our community standards')
    if (words.has('badflag')) return failed('[Invalid parameter] Unrecognized parameter(s): `--foo`')
    if (words.has('late')) return failed('任务超时')
    return { status: 'SUCCESS', progress: '100%' }
  }

  function shown(task: MidjourneyTask) {
    const { id, action, prompt, state, notifyHook, at, parent: parentId } = task
    // both proxies show the address to all who may read the task
    const properties = { notifyHook }
    const about = {
      id,
      action,
      prompt,
      promptEn: prompt,
      description: `/imagine ${prompt}`,
      state,
      submitTime: at,
      parentId,
      properties,
    }
    const { status, progress, failReason } = stageOf(task)
    const rest = (more: object = {}) => ({ ...about, status, progress, ...more })
    if (status === 'IN_PROGRESS') return rest({ imageUrl: link(() => picture(128, 128, 'png', 1)) })
    if (status === 'FAILURE') return rest({ failReason, imageUrl: null })
    if (status !== 'SUCCESS') return rest()
    if (action === 'DESCRIBE') return rest({ properties: { ...properties, finalPrompt: described } })
    const size = sizeOf(prompt)
    const isOne = action === 'UPSCALE'
    const whole = options.picture ?? (() => (isOne ? cell(size, (task.index ?? 1) - 1) : gridOf(size)))
    if (kind === 'plain') return rest({ imageUrl: link(whole), failReason: null })
    const imageUrls = (isOne ? [(task.index ?? 1) - 1] : [0, 1, 2, 3]).map((at) => ({
      url: link(options.picture ?? (() => cell(size, at))),
      thumbnail: '',
    }))
    return rest({ imageUrl: link(whole), imageUrls, buttons: buttonsOf(task) })
  }

  const link = (make: () => Promise<Buffer>) =>
    server.url + links.add((signature) => ({ ex: '6a', hm: signature }), make, 'image/png')

  async function handle(received: Received): Promise<Sent> {
    const file = await links.serve(received)
    if (file) return file
    const { method, headers } = received
    const path = kind === 'full' ? received.path.replace(/^\/mj-(fast|relax|turbo)(?=\/mj\/)/, '') : received.path
    if (headers['mj-api-secret'] !== key && headers.authorization !== `Bearer sk-${key}`) {
      return kind === 'plain' ? { status: 401 } : { status: 401, body: 'Unauthorized' }
    }
    if (method === 'POST' && path === '/mj/submit/imagine') return submit('IMAGINE', received)
    if (method === 'POST' && path === '/mj/submit/blend') return submit('BLEND', received)
    if (method === 'POST' && path === '/mj/submit/describe') return describe(received)
    if (method === 'POST' && path === '/mj/submit/change' && kind === 'plain') return change(received)
    if (method === 'POST' && path === '/mj/submit/action' && kind === 'full') return press(received)
    if (method === 'GET' && path === '/mj/task/queue' && kind === 'plain') return { status: 200, body: [] }
    if (method === 'GET' && path === '/mj/task/list' && kind === 'full') {
      return { status: 200, body: known().slice(-100).map(shown) }
    }
    const [, id, what] = /^\/mj\/task\/([^/]+)\/(fetch|cancel)$/.exec(path) ?? []
    const task = known().find((each) => each.id === id)
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
    hooks,
    switches,
    async stop() {
      hooks.stop()
      await server.stop()
    },
    forget: () => {
      forgotten = tasks.length
    },
  }
}

const described = [
  '1️⃣ a blue square on a white wall, minimalism --ar 1:1',
  '2️⃣ a flat blue shape --ar 1:1',
  '3️⃣ blue, by a painter --ar 1:1',
  '4️⃣ a tile of blue glass --ar 1:1',
].join('\n\n')

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
