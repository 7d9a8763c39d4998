/** ComfyUI for the shared suites, behind a proxy that wants a key. */
import { randomUUID } from 'node:crypto'
import type { ImageFile } from '../../../src/core/ports/images.ts'
import type { PictureRequest } from '../../../src/core/ports/models.ts'
import type { Task } from '../../../src/core/ports/providers.ts'
import { createLog } from '../../../src/log.ts'
import { comfyuiModels } from '../../../src/models/comfyui.ts'
import { createComfyui } from '../../../src/providers/comfyui/comfyui.ts'
import { startComfyui } from '../../emulators/comfyui/index.ts'
import type { ProviderHarness } from './harness.ts'

/** As ever, but in a hurry. */
export const quickPace = { askMs: 700, busyMs: 500, submitMs: 700, pollMs: 100, lostMs: 100, idleMs: 5_000 }

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

/** A task as the model of this id makes it; 256 × 256 unless it says otherwise. */
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
