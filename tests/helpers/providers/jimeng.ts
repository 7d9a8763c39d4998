/** The provider jimeng with its emulator. */
import { randomUUID } from 'node:crypto'
import type { Model, PictureRequest } from '../../../src/core/ports/models.ts'
import type { Task } from '../../../src/core/ports/providers.ts'
import { jimeng31 } from '../../../src/models/jimeng.ts'
import { createJimeng } from '../../../src/providers/jimeng/jimeng.ts'
import { type Jimeng, startJimeng } from '../../emulators/jimeng/index.ts'
import type { HarnessOptions, OpenProvider, ProviderHarness } from './harness.ts'

export interface OpenJimeng extends OpenProvider {
  emulator: Jimeng
}

/** Short timeouts and pauses. */
export const quickPace = { pollTimeoutMs: 700, pauseMs: { least: 20, most: 200 } }

type TaskOptions = Parameters<OpenProvider['task']>[1]

export async function openJimeng({ wrongKey, workMs, picture }: HarnessOptions = {}): Promise<OpenJimeng> {
  const emulator = await startJimeng({ workMs, picture })
  const key = wrongKey ? 'AKemulatedjimeng0001:b3RoZXIgc2VjcmV0IGtleQ==' : emulator.key
  const settings = { baseUrl: emulator.baseUrl, key, timeoutMs: 60_000, concurrency: 5 }
  const createAnother = () => createJimeng(settings, quickPace)
  const provider = createAnother()
  return {
    provider,
    createAnother,
    emulator,
    baseUrl: emulator.baseUrl,
    key: key.slice(key.indexOf(':') + 1),
    task: jimengTask(jimeng31),
    requests: emulator.requests,
    faults: emulator.faults,
    phases: {
      submit: { method: 'POST', path: /SubmitTask$/ },
      poll: { method: 'POST', path: /GetResult$/ },
      download: { method: 'GET', path: /^\/jimeng-result\// },
    },
    accepted: emulator.accepted,
    async close() {
      await provider.close?.()
      await emulator.stop()
    },
  }
}

export const jimengTask =
  (model: Model, aspect = '1:1') =>
  (prompt: string, { images = [], id = randomUUID(), input }: TaskOptions = {}): Task => {
    const route = model.routes.find(
      ({ takes }) => images.length >= takes.images.min && images.length <= takes.images.max,
    )
    if (!route) throw new Error(`${model.id} does not take ${images.length} pictures`)
    const [width, height] = route.takes.aspects[aspect] ?? [0, 0]
    const size = { aspect, width, height }
    const request: PictureRequest = { prompt, model: model.id, ...size, count: 1, images: images.length }
    const refs = images.map((_, at) => ({ $image: at }))
    return { id, endpoint: route.endpoint, images, input: input ?? route.input(request, refs) }
  }

export const jimengHarness: ProviderHarness = { name: 'jimeng', open: openJimeng }
