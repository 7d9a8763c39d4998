/** The provider Cloudflare with its emulator: for JSON responses, for bytes, and for requests as forms. */
import { randomUUID } from 'node:crypto'
import { afterEach } from 'vitest'
import type { ImageProvider, Task } from '../../../src/core/ports/providers.ts'
import { createLog } from '../../../src/log.ts'
import { cloudflareModels } from '../../../src/models/cloudflare.ts'
import { cloudflare } from '../../../src/providers/cloudflare/cloudflare.ts'
import { type CloudflareOptions, startCloudflare } from '../../emulators/cloudflare/index.ts'
import type { OpenProvider, ProviderHarness } from './harness.ts'

export const cloudflareHarness = harness('cloudflare', 'cf-schnell')
export const cloudflareBytesHarness = harness('cloudflare bytes', 'cf-phoenix')
export const cloudflareFormHarness = harness('cloudflare form', 'cf-flux-2-klein')

/** `model`: for tasks without pictures. Tasks with pictures go to a model that takes them. */
function harness(name: string, model: string): ProviderHarness {
  return {
    name,
    async open({ wrongKey, workMs, picture } = {}) {
      const emulator = await startCloudflare({ workMs, picture })
      const key = wrongKey ? 'cf-another-token-9b2e' : emulator.token
      const settings = { baseUrl: emulator.baseUrl, key, timeoutMs: 60_000, concurrency: 5, steps: 4 }
      const createAnother = () => cloudflare.create(settings, { log: createLog('silent') })
      const provider = createAnother()
      return {
        provider,
        createAnother,
        baseUrl: emulator.baseUrl,
        key,
        task: (prompt, { images = [], id = randomUUID(), input } = {}) => ({
          ...cloudflareTask(images.length > 0 ? 'cf-flux-2-klein' : model, { prompt }, images),
          id,
          ...(input !== undefined && { input }),
        }),
        requests: emulator.requests,
        faults: emulator.faults,
        phases: { submit: { method: 'POST', path: /\/ai\/run\// } },
        accepted: emulator.accepted,
        close: async () => {
          await provider.close?.()
          await emulator.stop()
        },
      } satisfies OpenProvider
    },
  }
}

export interface CloudflareSettings {
  baseUrl?: string
  key?: string
  timeoutMs?: number
  steps?: number
}

/** For the tests of one file: opens emulators and providers, and closes them after the test. */
export function cloudflareFixture() {
  const closing: (() => Promise<void> | undefined)[] = []
  afterEach(async () => {
    for (const close of closing.splice(0)) await close()
  })

  function create(settings: CloudflareSettings): ImageProvider {
    const all = { baseUrl: '', timeoutMs: 30_000, concurrency: 5, ...settings }
    const provider = cloudflare.create(all, { log: createLog('silent') })
    closing.unshift(() => provider.close?.())
    return provider
  }

  return {
    create,
    async open(options: CloudflareOptions = {}, settings: CloudflareSettings = {}) {
      const emulator = await startCloudflare(options)
      closing.push(emulator.stop)
      const provider = create({ baseUrl: emulator.baseUrl, key: emulator.token, ...settings })
      return { emulator, provider }
    },
    /** Closes something else after the providers. */
    afterwards: (close: () => Promise<void>) => void closing.push(close),
  }
}

/** A task as the model with this id maps it. */
export function cloudflareTask(
  id: string,
  params: { prompt: string } & Partial<Parameters<(typeof cloudflareModels)[number]['routes'][number]['input']>[0]>,
  images: Task['images'] = [],
): Task {
  const route = cloudflareModels.find((model) => model.id === id)?.routes[0]
  if (!route) throw new Error(`no model ${id}`)
  const [width, height] = route.takes.aspects['1:1'] ?? [1024, 1024]
  const request = { model: id, aspect: '1:1', width, height, count: 1, images: images.length, ...params }
  const refs = images.map((_, at) => ({ $image: at }))
  return { id: randomUUID(), endpoint: route.endpoint, input: route.input(request, refs), images }
}
