/** The provider openai with its emulator: answers in base64, answers with addresses, and chat completions. */
import { randomUUID } from 'node:crypto'
import type { Task } from '../../../src/core/ports/providers.ts'
import type { Json } from '../../../src/db/json.ts'
import { createLog } from '../../../src/log.ts'
import { openai } from '../../../src/providers/openai/openai.ts'
import { type OpenAiImages, startOpenAiImages } from '../../emulators/openai-images/index.ts'
import type { HarnessOptions, OpenProvider, ProviderHarness } from './harness.ts'

export interface OpenOpenAi extends OpenProvider {
  emulator: OpenAiImages
}

type TaskOptions = Parameters<OpenProvider['task']>[1]

export async function openOpenAi(
  task: OpenProvider['task'] = imageTask('gpt-image-2'),
  { wrongKey, workMs, picture }: HarnessOptions = {},
): Promise<OpenOpenAi> {
  const emulator = await startOpenAiImages({ workMs, picture })
  const key = wrongKey ? 'sk-images-another-0002' : emulator.key
  const settings = { baseUrl: emulator.baseUrl, key, timeoutMs: 60_000, concurrency: 5 }
  const createAnother = () => openai.create(settings, { log: createLog('silent') })
  const provider = createAnother()
  return {
    provider,
    createAnother,
    emulator,
    baseUrl: emulator.baseUrl,
    key,
    task,
    requests: emulator.requests,
    faults: emulator.faults,
    phases: { submit: { method: 'POST', path: /^\/v1\// } },
    accepted: emulator.accepted,
    async close() {
      await provider.close?.()
      await emulator.stop()
    },
  }
}

export const imageTask =
  (model: string) =>
  (prompt: string, { images = [], count = 1, id = randomUUID(), input }: TaskOptions = {}): Task => {
    const body = { model, prompt, n: count, size: '1024x1024' }
    const call = images.length > 0 ? 'edits' : 'generations'
    const files: Record<string, Json> = images.length > 0 ? { 'image[]': images.map((_, at) => ({ $image: at })) } : {}
    return { id, endpoint: `${call}/${model}`, images, input: input ?? { ...body, ...files } }
  }

export const chatTask =
  (model: string) =>
  (prompt: string, { images = [], id = randomUUID(), input }: TaskOptions = {}): Task => {
    const pictures = images.map((_, at) => ({ type: 'image_url', image_url: { url: { $image: at } } }))
    const content = [{ type: 'text', text: prompt }, ...pictures]
    return { id, endpoint: `chat/${model}`, images, input: input ?? { model, messages: [{ role: 'user', content }] } }
  }

const download = { method: 'GET', path: /^\/relay-files\// }

export const openAiHarness: ProviderHarness = { name: 'openai', open: (options) => openOpenAi(undefined, options) }
export const openAiLinksHarness: ProviderHarness = {
  name: 'openai links',
  async open(options) {
    const opened = await openOpenAi(imageTask('relay-image'), options)
    return { ...opened, phases: { ...opened.phases, download } }
  },
}
export const openAiChatHarness: ProviderHarness = {
  name: 'openai chat',
  open: (options) => openOpenAi(chatTask('chat-markdown'), options),
}
