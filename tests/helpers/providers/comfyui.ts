/** The provider ComfyUI with its emulator, behind a proxy that requires a key. */
import { randomUUID } from 'node:crypto'
import { afterEach, expect, vi } from 'vitest'
import type { ImageFile } from '../../../src/core/ports/images.ts'
import type { PictureRequest } from '../../../src/core/ports/models.ts'
import type { ImageProvider, Progress, Task } from '../../../src/core/ports/providers.ts'
import type { Json } from '../../../src/db/json.ts'
import { createLog } from '../../../src/log.ts'
import { comfyuiModels } from '../../../src/models/comfyui.ts'
import { createComfyui } from '../../../src/providers/comfyui/comfyui.ts'
import { type Comfyui, type ComfyuiOptions, startComfyui } from '../../emulators/comfyui/index.ts'
import { keepLog } from '../log.ts'
import type { ProviderHarness } from './harness.ts'

/** Short timeouts and pauses. */
export const quickPace = {
  callTimeoutMs: 700,
  busyTimeoutMs: 500,
  submitTimeoutMs: 700,
  pollMs: 100,
  recheckMs: 100,
  idleMs: 5_000,
}

export const comfyuiHarness: ProviderHarness = {
  name: 'comfyui',
  async open({ wrongKey, workMs, picture } = {}) {
    const emulator = await startComfyui({ auth: 'comfy-proxy-key-4c1d', workMs, picture })
    const key = wrongKey ? 'comfy-other-key-9b2e' : 'comfy-proxy-key-4c1d'
    const createAnother = () => createComfyui({ baseUrl: emulator.url, key }, { log: createLog('silent') }, quickPace)
    const provider = createAnother()
    return {
      provider,
      createAnother,
      baseUrl: emulator.url,
      key,
      task: (prompt, { images = [], count = 1, id, input } = {}) => ({
        ...comfyuiTask('comfy-dev', { prompt, count }, images),
        ...(id !== undefined && { id }),
        ...(input !== undefined && { input }),
      }),
      requests: emulator.requests,
      faults: emulator.faults,
      phases: {
        submit: { method: 'POST', path: /^\/prompt$/ },
        poll: { method: 'GET', path: /^\/queue$/ },
        result: { method: 'GET', path: /^\/history\// },
        download: { method: 'GET', path: /^\/view$/ },
      },
      accepted: emulator.accepted,
      close: async () => {
        await provider.close?.()
        await emulator.stop()
      },
    }
  },
}

/** Timeouts that a busy machine does not reach. */
const patientPace = { ...quickPace, callTimeoutMs: 10_000, busyTimeoutMs: 10_000, submitTimeoutMs: 10_000 }

type Pending = Extract<Progress, { state: 'pending' }>
type Done = Extract<Progress, { state: 'done' }>

const signal = () => AbortSignal.timeout(20_000)

/** For the tests of one file: opens emulators and providers, and closes them after the test. */
export function comfyuiFixture() {
  const closing: (() => Promise<unknown> | undefined)[] = []
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })

  return {
    async open(options?: ComfyuiOptions): Promise<Comfyui> {
      const emulator = await startComfyui(options)
      closing.push(() => emulator.stop())
      return emulator
    },
    /** One provider for all these emulators, or for a configured address. Only what a test names times out soon. */
    createProvider(
      emulators: readonly Comfyui[] | string,
      { key, ...pace }: { key?: string } & Partial<typeof quickPace> = {},
    ): ImageProvider {
      const baseUrl = typeof emulators === 'string' ? emulators : emulators.map(({ url }) => url).join(', ')
      const provider = createComfyui({ baseUrl, key }, { log: keepLog() }, { ...patientPace, ...pace })
      closing.push(() => provider.close?.())
      return provider
    },
  }
}

export async function begin(provider: ImageProvider, task: Task): Promise<Pending> {
  const started = await provider.start(task, signal())
  if (started.state !== 'pending') throw new Error('expected a pending run')
  return started
}

/** Starts the task, or goes on `from` there, and checks it until it is done. `seen`: the progress before the end. */
export async function finish(
  provider: ImageProvider,
  task: Task,
  from?: Progress,
): Promise<Done & { seen: Pending[] }> {
  const seen: Pending[] = []
  let progress = from ?? (await provider.start(task, signal()))
  while (progress.state === 'pending') {
    seen.push(progress)
    progress = await provider.check!(progress.ticket, task, signal())
  }
  return { ...progress, seen }
}

/** A graph as the emulator received it. */
export type SentGraph = Record<string, { class_type: string; inputs: Record<string, Json> }>

export const bodies = (emulator: Comfyui, path = '/prompt') =>
  emulator.requests
    .filter((each) => each.method === 'POST' && each.path === path)
    .map(({ body }) => JSON.parse(body.toString('utf8')) as { prompt: SentGraph } & Record<string, Json>)

/** The first submitted graph. */
export const sentGraph = (emulator: Comfyui) => bodies(emulator)[0]!.prompt

/** Resolves once the emulator runs the graph with this id. */
export const running = (emulator: Comfyui, id: string) =>
  vi.waitFor(() => expect(emulator.work.running()?.id).toBe(id), { timeout: 60_000 })

/** The task with other inputs in one node; an undefined input is removed. */
export function changed(task: Task, node: string, inputs: Record<string, Json | undefined>, classType?: string): Task {
  const graph = structuredClone(task.input) as unknown as SentGraph
  const old = graph[node]!
  const merged = JSON.parse(JSON.stringify({ ...old.inputs, ...inputs })) as SentGraph[string]['inputs']
  graph[node] = { class_type: classType ?? old.class_type, inputs: merged }
  return { ...task, input: graph as unknown as Json }
}

/** A task as the model with this id maps it; 256 × 256 unless `params` says otherwise. */
export function comfyuiTask(
  model: string,
  params: Partial<PictureRequest> = {},
  images: readonly ImageFile[] = [],
): Task {
  const routes = comfyuiModels.find(({ id }) => id === model)?.routes ?? []
  const route = routes.find(({ takes }) => images.length >= takes.images.min && images.length <= takes.images.max)
  if (!route) throw new Error(`no route of ${model} for ${images.length} pictures`)
  const size = { aspect: '256x256', width: 256, height: 256, count: 1, images: images.length }
  const request = { prompt: 'a cute cat', model, ...size, ...params }
  const refs = images.map((_, at) => ({ $image: at }))
  return { id: randomUUID(), endpoint: route.endpoint, input: route.input(request, refs), images }
}
