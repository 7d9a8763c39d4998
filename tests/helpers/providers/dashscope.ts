/** The provider DashScope with its emulator: one long call with Qwen, a task to poll with Wan. */
import { randomUUID } from 'node:crypto'
import { afterEach } from 'vitest'
import type { Model, PictureRequest } from '../../../src/core/ports/models.ts'
import type { Progress, Task } from '../../../src/core/ports/providers.ts'
import type { Json } from '../../../src/db/json.ts'
import { qwenImage, qwenImage2, wan } from '../../../src/models/qwen.ts'
import { createDashscope } from '../../../src/providers/dashscope/dashscope.ts'
import type { Pace } from '../../../src/providers/polling.ts'
import { type Dashscope, startDashscope } from '../../emulators/dashscope/index.ts'
import { picture } from '../../emulators/pictures.ts'
import type { HarnessOptions, OpenProvider, ProviderHarness } from './harness.ts'

export interface OpenDashscope extends OpenProvider {
  emulator: Dashscope
}

/** Short timeouts and pauses. */
export const quickPace = { pollTimeoutMs: 700, pauseMs: { least: 20, most: 200 } }

type TaskOptions = Parameters<OpenProvider['task']>[1]

interface DashscopeOptions extends HarnessOptions {
  /** Default: `quickPace`. */
  pace?: Pace | 'usual'
}

async function open(options: DashscopeOptions, task: OpenProvider['task'], submit: RegExp): Promise<OpenDashscope> {
  const { wrongKey, workMs, picture, pace = quickPace } = options
  const emulator = await startDashscope({ workMs, picture })
  const key = wrongKey ? emulator.foreignKey : emulator.key
  const settings = { baseUrl: emulator.baseUrl, key, timeoutMs: 60_000, concurrency: 5 }
  const createAnother = () => createDashscope(settings, pace === 'usual' ? undefined : pace)
  const provider = createAnother()
  const poll = { method: 'GET', path: /\/tasks\// }
  return {
    provider,
    createAnother,
    emulator,
    baseUrl: emulator.baseUrl,
    key,
    task,
    requests: emulator.requests,
    faults: emulator.faults,
    phases: {
      submit: { method: 'POST', path: submit },
      ...(submit.source.includes('multimodal') ? {} : { poll }),
      download: { method: 'GET', path: /^\/dashscope-result\// },
    },
    accepted: emulator.accepted,
    async close() {
      await provider.close?.()
      await emulator.stop()
    },
  }
}

function taskOf(model: Model, prompt: string, { images = [], count = 1, id = randomUUID(), input }: TaskOptions = {}) {
  const route = model.routes.find(({ takes }) => images.length >= takes.images.min && images.length <= takes.images.max)
  if (!route) throw new Error(`${model.id} does not take ${images.length} pictures`)
  const [width, height] = route.takes.aspects['1:1'] ?? [1024, 1024]
  const request: PictureRequest = {
    prompt,
    model: model.id,
    aspect: '1:1',
    width,
    height,
    count,
    images: images.length,
  }
  const refs = images.map((_, at) => ({ $image: at }))
  return { id, endpoint: route.endpoint, images, input: input ?? route.input(request, refs) }
}

/** A task with several pictures but without input pictures needs another model. */
const syncTask: OpenProvider['task'] = (prompt, options = {}) =>
  taskOf((options.count ?? 1) > 1 && !options.images?.length ? qwenImage2 : qwenImage, prompt, options)

/** A task for the oldest protocol. None of the built-in models uses it; accounts with old models do. */
function oldTask(prompt: string, { count = 1, id = randomUUID(), input }: TaskOptions = {}): Task {
  const parameters: Json = { size: '1024*1024', n: count, prompt_extend: false, watermark: false }
  return { id, endpoint: 'wan2.2-t2i-flash', images: [], input: input ?? { input: { prompt }, parameters } }
}

type Opener = (options: DashscopeOptions) => Promise<OpenDashscope>

const openSync: Opener = (options) => open(options, syncTask, /\/multimodal-generation\//)
const openAsync: Opener = (options) =>
  open(options, (prompt, more) => taskOf(wan, prompt, more), /\/image-generation\//)
const openOld: Opener = (options) => open(options, oldTask, /\/text2image\//)
const openers = { sync: openSync, async: openAsync, old: openOld }

export const dashscopeHarness: ProviderHarness = { name: 'dashscope', open: (options = {}) => openSync(options) }
export const dashscopeAsyncHarness: ProviderHarness = {
  name: 'dashscope async',
  open: (options = {}) => openAsync(options),
}

/** For the tests of one file: opens providers that draw small pictures, and closes them after the test. */
export function dashscopeFixture() {
  const opened: OpenDashscope[] = []
  const { signal } = new AbortController()
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((each) => each.close()))
  })

  return {
    async open(protocol: keyof typeof openers, options: DashscopeOptions = {}): Promise<OpenDashscope> {
      const dashscope = await openers[protocol]({ picture: () => picture(64, 48, 'png'), ...options })
      opened.push(dashscope)
      return dashscope
    },
    async begin({ provider }: OpenDashscope, task: Task): Promise<Extract<Progress, { state: 'pending' }>> {
      const progress = await provider.start(task, signal)
      if (progress.state !== 'pending') throw new Error('expected a pending request')
      return progress
    },
    /** Starts the task and checks it without pauses until it is done. */
    async finish({ provider }: OpenDashscope, task: Task): Promise<Extract<Progress, { state: 'done' }>> {
      let progress = await provider.start(task, signal)
      while (progress.state === 'pending') progress = await provider.check!(progress.ticket, task, signal)
      return progress
    },
    /** The JSON bodies of all submissions. */
    bodiesOf: ({ requests }: OpenDashscope) =>
      requests
        .filter(({ method, body }) => method === 'POST' && body.length > 0)
        .map(({ body }) => JSON.parse(String(body))),
  }
}
