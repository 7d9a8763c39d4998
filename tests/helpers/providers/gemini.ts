/** The provider gemini with its emulator. */
import { randomUUID } from 'node:crypto'
import type { Task } from '../../../src/core/ports/providers.ts'
import { createLog } from '../../../src/log.ts'
import { geminiImage } from '../../../src/models/gemini.ts'
import { gemini } from '../../../src/providers/gemini/gemini.ts'
import { type Gemini, startGemini } from '../../emulators/gemini/index.ts'
import type { HarnessOptions, OpenProvider, ProviderHarness } from './harness.ts'

export interface OpenGemini extends OpenProvider {
  emulator: Gemini
}

export async function openGemini({ wrongKey, workMs, picture }: HarnessOptions = {}): Promise<OpenGemini> {
  const emulator = await startGemini({ workMs, picture })
  const key = wrongKey ? 'AIza-not-the-key-0002' : emulator.key
  const settings = { baseUrl: emulator.baseUrl, key, timeoutMs: 60_000, concurrency: 5 }
  const createAnother = () => gemini.create(settings, { log: createLog('silent') })
  const provider = createAnother()
  return {
    provider,
    createAnother,
    emulator,
    baseUrl: emulator.baseUrl,
    key,
    task: taskOf,
    requests: emulator.requests,
    faults: emulator.faults,
    phases: { submit: { method: 'POST', path: /:generateContent$/ } },
    accepted: emulator.accepted,
    async close() {
      await provider.close?.()
      await emulator.stop()
    },
  }
}

const taskOf: OpenProvider['task'] = (prompt, { images = [], count = 1, id = randomUUID(), input } = {}): Task => {
  const [route] = geminiImage.routes
  if (!route) throw new Error('no route')
  const request = {
    prompt,
    model: geminiImage.id,
    aspect: '1:1',
    width: 1024,
    height: 1024,
    count,
    images: images.length,
  }
  const refs = images.map((_, at) => ({ $image: at }))
  return { id, endpoint: route.endpoint, images, count, input: input ?? route.input(request, refs) }
}

export const geminiHarness: ProviderHarness = { name: 'gemini', open: openGemini }
