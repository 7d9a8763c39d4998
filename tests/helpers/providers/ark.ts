/** The provider Ark with its emulator. */
import { randomUUID } from 'node:crypto'
import type { Task } from '../../../src/core/ports/providers.ts'
import { createLog } from '../../../src/log.ts'
import { seedream } from '../../../src/models/seedream.ts'
import { ark } from '../../../src/providers/ark/ark.ts'
import { type Ark, startArk } from '../../emulators/ark/index.ts'
import type { HarnessOptions, OpenProvider, ProviderHarness } from './harness.ts'

export interface OpenArk extends OpenProvider {
  emulator: Ark
}

export async function openArk({ wrongKey, workMs, picture }: HarnessOptions = {}): Promise<OpenArk> {
  const emulator = await startArk({ workMs, picture })
  const key = wrongKey ? 'ark-not-the-key-0002' : emulator.key
  const settings = { baseUrl: emulator.baseUrl, key, timeoutMs: 60_000, concurrency: 5 }
  const provider = ark.create(settings, { log: createLog('silent') })
  return {
    provider,
    createAnother: () => ark.create(settings, { log: createLog('silent') }),
    emulator,
    baseUrl: emulator.baseUrl,
    key,
    task: taskOf,
    requests: emulator.requests,
    faults: emulator.faults,
    phases: {
      submit: { method: 'POST', path: /\/images\/generations$/ },
      download: { method: 'GET', path: /^\/ark-content\// },
    },
    accepted: emulator.accepted,
    async close() {
      await provider.close?.()
      await emulator.stop()
    },
  }
}

const taskOf: OpenProvider['task'] = (prompt, { images = [], count = 1, id = randomUUID(), input } = {}): Task => {
  const [route] = seedream.routes
  if (!route) throw new Error('no route')
  const request = {
    prompt,
    model: seedream.id,
    aspect: '1:1',
    width: 2048,
    height: 2048,
    count,
    images: images.length,
  }
  const refs = images.map((_, at) => ({ $image: at }))
  return { id, endpoint: route.endpoint, images, input: input ?? route.input(request, refs) }
}

export const arkHarness: ProviderHarness = { name: 'ark', open: openArk }
