/** The provider fal with its emulator: with event streams, and behind a relay that has none. */
import { randomUUID } from 'node:crypto'
import { afterEach } from 'vitest'
import type { ImageFile } from '../../../src/core/ports/images.ts'
import type { PictureRequest, Route } from '../../../src/core/ports/models.ts'
import type { ProviderContext, Task } from '../../../src/core/ports/providers.ts'
import { fluxDev } from '../../../src/models/flux-dev.ts'
import { fal } from '../../../src/providers/fal/fal.ts'
import { type FalOptions, startFal } from '../../emulators/fal/index.ts'
import { keepLog } from '../log.ts'
import type { OpenProvider, ProviderHarness } from './harness.ts'

export const falHarness: ProviderHarness = harness('fal')
/** The endpoint whose result is one picture. It has no words, so the picture's address says what should happen. */
export const falEnlargingHarness: ProviderHarness = harness(
  'fal enlarging',
  {},
  (prompt, { id = randomUUID() } = {}) => {
    const image_url = `https://pictures.example/${prompt.replaceAll(' ', '-')}.png`
    return { id, endpoint: 'fal-ai/clarity-upscaler', input: { image_url, upscale_factor: 2 }, images: [] }
  },
)
export const falPollingHarness: ProviderHarness = harness('fal polling', { stream: false })
/** Its results come with the calls. They are polled for if no call comes, which is one of the troubles. */
export const falCalledHarness: ProviderHarness = { ...harness('fal that calls', {}, falTask, false), called: true }

function harness(
  name: string,
  emulation: FalOptions = {},
  task: OpenProvider['task'] = falTask,
  polls = true,
): ProviderHarness {
  return {
    name,
    async open({ wrongKey, webhookUrl, ...options } = {}) {
      const emulator = await startFal({ ...emulation, ...options })
      const key = wrongKey ? 'wrong-id:wrong-secret' : emulator.key
      const createAnother = () => createFal(emulator.url, { key, webhookUrl })
      const provider = createAnother()
      const { switches } = emulator.hooks
      return {
        provider,
        createAnother,
        baseUrl: emulator.url,
        key,
        task,
        requests: emulator.requests,
        faults: emulator.faults,
        phases: {
          submit: { method: 'POST', path: /^\/fal-ai\// },
          ...(polls && {
            poll: { method: 'GET', path: /\/requests\/[^/]+\/status/ },
            result: { method: 'GET', path: /\/requests\/[^/]+$/ },
          }),
          download: { method: 'GET', path: /^\/files\// },
        },
        hooks: {
          lost: () => {
            switches.on = false
          },
          twice: () => {
            switches.copies = 2
          },
          forged: () => {
            switches.forged = true
          },
        },
        accepted: () => emulator.accepted(),
        async close() {
          await provider.close?.()
          await emulator.stop()
        },
      }
    },
  }
}

interface FalSettings {
  key?: string
  webhookUrl?: ProviderContext['webhookUrl']
}

export function createFal(baseUrl: string, { key = 'key-id:key-secret', webhookUrl }: FalSettings = {}) {
  return fal.create({ baseUrl, key, timeoutMs: 60_000, concurrency: 5 }, { log: keepLog(), webhookUrl })
}

/** For the tests of one file: opens providers with an emulator each, and closes them after the test. */
export function falFixture() {
  const closing: (() => unknown)[] = []
  afterEach(async () => {
    for (const close of closing.splice(0)) await close()
  })

  return {
    async open(options: FalOptions = {}, settings: FalSettings = {}) {
      const emulator = await startFal(options)
      const provider = createFal(emulator.url, { key: emulator.key, ...settings })
      closing.push(() => provider.close?.(), emulator.stop)
      const requestsTo = (path: RegExp) => emulator.requests.filter((request) => path.test(request.path))
      return { emulator, provider, requestsTo }
    },
    /** Closes something else before the emulators. */
    beforeClose: (close: () => unknown) => void closing.unshift(close),
  }
}

interface TaskOptions {
  images?: readonly ImageFile[]
  count?: number
  id?: string
  input?: Task['input']
  route?: Route
  request?: Partial<PictureRequest>
}

/** A task as the model flux-dev maps it. */
export function falTask(prompt: string, options: TaskOptions = {}): Task {
  const { images = [], count = 1, id = randomUUID(), request } = options
  const route = options.route ?? fluxDev.routes[Math.min(images.length, 1)]
  if (!route) throw new Error('flux-dev has no such route')
  const size = images.length > 0 ? { aspect: 'auto', width: 0, height: 0 } : { aspect: '1:1', width: 512, height: 512 }
  const wanted = { prompt, model: 'flux-dev', ...size, count, images: images.length, ...request }
  const refs = images.map((_, at) => ({ $image: at }))
  return { id, endpoint: route.endpoint, input: options.input ?? route.input(wanted, refs), images }
}
