/** The provider kling with its emulator. */
import { randomUUID } from 'node:crypto'
import type { PictureRequest } from '../../../src/core/ports/models.ts'
import type { Task } from '../../../src/core/ports/providers.ts'
import { kling3, type kling21 } from '../../../src/models/kling.ts'
import { createKling } from '../../../src/providers/kling/kling.ts'
import { type Kling, startKling } from '../../emulators/kling/index.ts'
import type { HarnessOptions, OpenProvider, ProviderHarness } from './harness.ts'

export interface OpenKling extends OpenProvider {
  emulator: Kling
}

/** Short timeouts and pauses. */
const quickPace = { pollTimeoutMs: 700, pauseMs: { least: 20, most: 200 } }

type TaskOptions = Parameters<OpenProvider['task']>[1]

export async function openKling(
  { wrongKey, workMs, picture }: HarnessOptions = {},
  givenKey?: string,
): Promise<OpenKling> {
  const emulator = await startKling({ workMs, picture })
  const key = givenKey ?? (wrongKey ? 'ak-emulated-kling-0001:sk-another-secret-0002' : emulator.key)
  const settings = { baseUrl: emulator.baseUrl, key, timeoutMs: 60_000, concurrency: 5 }
  const createAnother = () => createKling(settings, quickPace)
  const provider = createAnother()
  return {
    provider,
    createAnother,
    emulator,
    baseUrl: emulator.baseUrl,
    key: key.split(':')[1] ?? key,
    task: klingTask(kling3),
    requests: emulator.requests,
    faults: emulator.faults,
    phases: {
      submit: { method: 'POST', path: /^\/v1\/images\// },
      poll: { method: 'GET', path: /^\/v1\/images\// },
      download: { method: 'GET', path: /^\/kling-result\// },
    },
    accepted: emulator.accepted,
    async close() {
      await provider.close?.()
      await emulator.stop()
    },
  }
}

export const klingTask =
  (model: typeof kling3 | typeof kling21) =>
  (prompt: string, { images = [], count = 1, id = randomUUID(), input }: TaskOptions = {}): Task => {
    const route = model.routes.find(
      ({ takes }) => images.length >= takes.images.min && images.length <= takes.images.max,
    )
    if (!route) throw new Error(`${model.id} does not take ${images.length} pictures`)
    const size = { aspect: '1:1', width: 1024, height: 1024 }
    const request: PictureRequest = { prompt, model: model.id, ...size, count, images: images.length }
    const refs = images.map((_, at) => ({ $image: at }))
    return { id, endpoint: route.endpoint, images, count, input: input ?? route.input(request, refs) }
  }

export const klingHarness: ProviderHarness = { name: 'kling', open: (options) => openKling(options) }
