/** DashScope as the contract suite sees it: one long call with Qwen, a task to ask after with Wan. */
import { randomUUID } from 'node:crypto'
import type { Model, PictureRequest } from '../../../src/core/ports/models.ts'
import type { Task } from '../../../src/core/ports/providers.ts'
import type { Json } from '../../../src/db/json.ts'
import { qwenImage, qwenImage2, wan } from '../../../src/models/qwen.ts'
import { createDashscope, type Pace } from '../../../src/providers/dashscope/dashscope.ts'
import { type Dashscope, startDashscope } from '../../emulators/dashscope/index.ts'
import type { HarnessOptions, OpenProvider, ProviderHarness } from './harness.ts'

export interface OpenDashscope extends OpenProvider {
  emulator: Dashscope
}

/** As ever, but in a hurry. */
export const quickPace = { askMs: 700, pauseMs: { least: 20, most: 200 } }

type TaskOptions = Parameters<OpenProvider['task']>[1]

interface DashscopeOptions extends HarnessOptions {
  /** Default: quick. */
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

function routed(model: Model, prompt: string, { images = [], count = 1, id = randomUUID(), input }: TaskOptions = {}) {
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

/** Several pictures need another model than one: each with words alone, as the contract suite asks for them. */
const syncTask: OpenProvider['task'] = (prompt, options = {}) =>
  routed((options.count ?? 1) > 1 && !options.images?.length ? qwenImage2 : qwenImage, prompt, options)

/** The protocol that is older than messages; no model of ours needs it, accounts with old models do. */
function oldTask(prompt: string, { count = 1, id = randomUUID(), input }: TaskOptions = {}): Task {
  const parameters: Json = { size: '1024*1024', n: count, prompt_extend: false, watermark: false }
  return { id, endpoint: 'wan2.2-t2i-flash', images: [], input: input ?? { input: { prompt }, parameters } }
}

export const openDashscope = (options: DashscopeOptions = {}) => open(options, syncTask, /\/multimodal-generation\//)
export const openDashscopeAsync = (options: DashscopeOptions = {}) =>
  open(options, (prompt, more) => routed(wan, prompt, more), /\/image-generation\//)
export const openDashscopeOld = (options: DashscopeOptions = {}) => open(options, oldTask, /\/text2image\//)

export const dashscopeHarness: ProviderHarness = { name: 'dashscope', open: openDashscope }
export const dashscopeAsyncHarness: ProviderHarness = { name: 'dashscope async', open: openDashscopeAsync }
