/** The provider midjourney with its emulator, in both kinds. */
import { randomUUID } from 'node:crypto'
import type { PictureRequest } from '../../../src/core/ports/models.ts'
import type { Task } from '../../../src/core/ports/providers.ts'
import { midjourney } from '../../../src/models/midjourney.ts'
import { createMidjourney } from '../../../src/providers/midjourney/midjourney.ts'
import { type Midjourney, type MidjourneyOptions, startMidjourney } from '../../emulators/midjourney/index.ts'
import type { HarnessOptions, OpenProvider, ProviderHarness } from './harness.ts'

export interface OpenMidjourney extends OpenProvider {
  emulator: Midjourney
}

/** Short timeouts and pauses. */
const quickPace = { pollTimeoutMs: 700, pauseMs: 50, calledPauseMs: 100 }

type TaskOptions = Parameters<OpenProvider['task']>[1]

interface MidjourneyHarnessOptions extends HarnessOptions {
  key?: string
  /** Of the configured address. */
  path?: string
}

export async function openMidjourney(
  kind: MidjourneyOptions['kind'],
  { wrongKey, workMs, picture, key: givenKey, path = '', webhookUrl }: MidjourneyHarnessOptions = {},
): Promise<OpenMidjourney> {
  const emulator = await startMidjourney({ kind, workMs, picture })
  const key = givenKey ?? (wrongKey ? 'mj-another-secret-0002' : emulator.key)
  const settings = { baseUrl: emulator.baseUrl + path, key, timeoutMs: 60_000, concurrency: 5 }
  const createAnother = () => createMidjourney(settings, { webhookUrl }, quickPace)
  const provider = createAnother()
  const { switches } = emulator.hooks
  return {
    provider,
    createAnother,
    emulator,
    baseUrl: emulator.baseUrl,
    key,
    task: midjourneyTask(),
    requests: emulator.requests,
    faults: emulator.faults,
    phases: {
      submit: { method: 'POST', path: /\/submit\// },
      poll: { method: 'GET', path: /\/fetch$/ },
      download: { method: 'GET', path: /^\/attachments\// },
    },
    hooks: {
      lost: () => {
        switches.on = false
      },
      twice: () => {
        switches.copies = 2
      },
      // the proxy signs no calls, so a stranger who knew the address could send anything
      forged: () => {
        switches.forge = (task) => ['{', { ...task, id: 'none' }, { ...task, status: 'FAILURE' }]
      },
      early: () => {
        switches.early = true
      },
    },
    accepted: emulator.accepted,
    async close() {
      await provider.close?.()
      await emulator.stop()
    },
  }
}

/** `count`: pictures that are taken of the four. */
export const midjourneyTask =
  (more: Partial<PictureRequest> = {}) =>
  (prompt: string, { images = [], count = 1, id = randomUUID(), input }: TaskOptions = {}): Task => {
    const size = { aspect: '1:1', width: 1024, height: 1024 }
    const request = { prompt, model: midjourney.id, ...size, count: 4, images: images.length, ...more }
    const { continues } = request
    const route = midjourney.routes.find(({ takes }) =>
      continues
        ? takes.continues?.includes(continues.act)
        : images.length >= takes.images.min && images.length <= takes.images.max,
    )
    if (!route) throw new Error(`midjourney does not take ${images.length} pictures`)
    const refs = images.map((_, at) => ({ $image: at }))
    return { id, endpoint: route.endpoint, images, count, input: input ?? route.input(request, refs) }
  }

export const midjourneyHarness: ProviderHarness = {
  name: 'midjourney',
  open: (options) => openMidjourney('plain', options),
}
export const midjourneyFullHarness: ProviderHarness = {
  name: 'midjourney full',
  open: (options) => openMidjourney('full', options),
}
export const midjourneyCalledHarness: ProviderHarness = {
  name: 'midjourney that calls',
  called: true,
  open: (options) => openMidjourney('plain', options),
}
