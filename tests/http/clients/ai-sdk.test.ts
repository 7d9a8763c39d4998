/** The Vercel AI SDK, whose default models use the Responses API. One service, with the emulated ComfyUI for previews. */
import { createOpenAI, type OpenAIProvider } from '@ai-sdk/openai'
import { APICallError, generateObject, generateText, jsonSchema, type ModelMessage, streamText, type ToolSet } from 'ai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AppError } from '../../../src/core/errors.ts'
import { comfyuiModels } from '../../../src/models/comfyui.ts'
import { sketch } from '../../../src/models/sketch.ts'
import { createComfyui } from '../../../src/providers/comfyui/comfyui.ts'
import { type Comfyui, startComfyui } from '../../emulators/comfyui/index.ts'
import { createPlain, pngOf } from '../../helpers/core.ts'
import { keepLog } from '../../helpers/log.ts'
import { closeService, openService, type Service } from '../api/openai/service.ts'

let service: Service
let comfyui: Comfyui
let openai: OpenAIProvider
/** Number of input pictures of each request. */
const inputs: number[] = []

beforeAll(async () => {
  // its pauses end when a test has seen a preview
  comfyui = await startComfyui({ previews: true, workMs: 60_000, steps: 200 })
  const plain = createPlain({
    start: async ({ input, images }) => {
      inputs.push(images.length)
      if ((input as { prompt: string }).prompt === 'no') throw new AppError('moderated')
      return { state: 'done', images: [await pngOf(64, 48)] }
    },
  })
  const providers = [plain, createComfyui({ baseUrl: comfyui.url }, { log: keepLog() })]
  service = await openService({ providers, models: [sketch, ...comfyuiModels], limits: { welcome: 100 } })
  await service.test.work()
  openai = createOpenAI({ apiKey: service.key, baseURL: `${service.url}/v1` })
})
afterAll(async () => {
  expect(await closeService(service)).toEqual([])
  await comfyui.stop()
})

const isPng = (base64: string) => Buffer.from(base64, 'base64').subarray(1, 4).toString() === 'PNG'

/** A function, because each call has tools of its own. */
const drawing = (options: Parameters<OpenAIProvider['tools']['imageGeneration']>[0] = {}) => ({
  image_generation: openai.tools.imageGeneration(options) as unknown as ToolSet[string],
})

const imageIn = (tool: { output: unknown } | undefined) =>
  (tool?.output as { result: string } | undefined)?.result ?? ''

describe('generateText', () => {
  it('gets Markdown from the default model', async () => {
    const { text, finishReason, usage, warnings } = await generateText({ model: openai('gpt-5'), prompt: 'a cat 16:9' })
    expect(text).toMatch(/^🎨 Original prompt: a cat 16:9\n[\s\S]*!\[a cat\]\(http\S+\)$/)
    expect([finishReason, warnings]).toEqual(['stop', []])
    expect(usage).toMatchObject({ inputTokens: 2, outputTokens: Math.ceil(text.length / 4) })
  })

  it('gets the image as the result of the tool, and goes on from it in the next turn', async () => {
    const model = openai('gpt-5')
    const tools = drawing({ size: '1024x1024', quality: 'high', outputFormat: 'png' })
    const prompt: ModelMessage = { role: 'user', content: 'a cat' }
    const first = await generateText({ model, tools, messages: [prompt], system: 'You draw.' })
    const [result] = first.toolResults
    expect(result?.toolName).toBe('image_generation')
    const image = imageIn(result)
    expect(isPng(image)).toBe(true)
    const next: ModelMessage = {
      role: 'user',
      content: [
        { type: 'text', text: 'make it night' },
        { type: 'image', image, mediaType: 'image/png' },
      ],
    }
    const second = await generateText({ model, tools, messages: [prompt, ...first.response.messages, next] })
    expect(isPng(imageIn(second.toolResults[0]))).toBe(true)
    expect(inputs.slice(-2)).toEqual([0, 1])
  })

  it('gets errors with the status, and the message that says what to change', async () => {
    const failure = async (asking: Promise<unknown>) => asking.catch((thrown: unknown) => thrown)
    const model = openai('gpt-5')
    const errors = [
      await failure(generateText({ model: openai('claude'), prompt: 'a cat' })),
      await failure(generateText({ model, prompt: 'no', tools: drawing() })),
      await failure(
        generateText({ model, prompt: 'a cat', providerOptions: { openai: { previousResponseId: 'resp_1' } } }),
      ),
      await failure(generateObject({ model, prompt: 'a cat', schema: jsonSchema({ type: 'object', properties: {} }) })),
    ]
    for (const error of errors) expect(error).toBeInstanceOf(APICallError)
    expect(errors).toMatchObject([
      { statusCode: 404, message: expect.stringContaining('claude') },
      { statusCode: 400, data: { error: { code: 'content_policy_violation' } } },
      { statusCode: 400, message: expect.stringContaining("'previous_response_id'. No response is kept") },
      { statusCode: 400, message: expect.stringContaining("'text.format'") },
    ])
  })
})

describe('streamText', () => {
  it('gets the Markdown in pieces', async () => {
    const { textStream, text, finishReason } = streamText({ model: openai('gpt-5'), prompt: 'a cat' })
    const pieces: string[] = []
    for await (const piece of textStream) pieces.push(piece)
    expect(pieces.length).toBeGreaterThan(1)
    expect(pieces.join('')).toBe(await text)
    expect(await text).toMatch(/^🎨 [\s\S]*⏳ [\s\S]*!\[a cat\]\(http\S+\)$/)
    expect(await finishReason).toBe('stop')
  })

  it('gets previews of ComfyUI before the image', async () => {
    const tools = drawing({ model: 'comfy-dev', partialImages: 2 })
    const { fullStream } = streamText({ model: openai('gpt-5'), prompt: 'a cat', tools })
    const images: string[] = []
    for await (const part of fullStream) {
      expect(part.type).not.toBe('error')
      if (part.type !== 'tool-result') continue
      images.push(imageIn(part))
      comfyui.work.hurry()
    }
    expect(images.length).toBeGreaterThan(1)
    expect(images.length).toBeLessThanOrEqual(3)
    expect(images.map(isPng)).toEqual(images.map((_, at) => at === images.length - 1))
  })

  it('gets the error of a request that fails', async () => {
    const seen: unknown[] = []
    const { fullStream } = streamText({
      model: openai('gpt-5'),
      prompt: 'no',
      tools: drawing(),
      maxRetries: 0,
      onError: ({ error }) => void seen.push(error),
    })
    for await (const _ of fullStream);
    expect(JSON.stringify(seen)).toContain('content_policy_violation')
  })
})
