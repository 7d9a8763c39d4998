import { createGoogleGenerativeAI } from '@ai-sdk/google'
import { APICallError, generateText } from 'ai'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Gemini, startGemini } from './gemini/index.ts'

let emulator: Gemini
beforeAll(async () => {
  emulator = await startGemini()
})
afterAll(() => emulator.stop())

const draw = (prompt: string, { apiKey = emulator.key, model = 'gemini-nano-banana-2.1', imageConfig = {} } = {}) =>
  generateText({
    model: createGoogleGenerativeAI({ apiKey, baseURL: emulator.baseUrl })(model),
    prompt,
    maxRetries: 0,
    providerOptions: { google: { responseModalities: ['IMAGE'], imageConfig } },
  })

describe("the emulator of the Gemini API with the Vercel AI SDK's Google provider", () => {
  it('draws a picture in the size that is asked for', async () => {
    const { files } = await draw('a cat', { imageConfig: { aspectRatio: '16:9', imageSize: '2K' } })
    const { width, height, format } = await sharp(files[0]?.uint8Array).metadata()
    expect([width, height, format]).toEqual([2752, 1536, 'png'])
    expect(emulator.bodies.at(-1)?.generationConfig?.imageConfig).toEqual({ aspectRatio: '16:9', imageSize: '2K' })
  })

  it('refuses a wrong key, an unknown model and a wrong size as Google does', async () => {
    const refusal = async (asking: Promise<unknown>) => {
      const error = await asking.then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      if (!APICallError.isInstance(error)) throw new Error('expected a refusal')
      return [error.statusCode, error.message]
    }
    expect(await refusal(draw('a cat', { apiKey: 'AIza-wrong' }))).toEqual([400, expect.stringContaining('API key')])
    expect(await refusal(draw('a cat', { model: 'gemini-1' }))).toEqual([404, expect.stringContaining('gemini-1')])
    expect(await refusal(draw('a cat', { model: 'gemini-2.5-flash-image', imageConfig: { imageSize: '4K' } }))).toEqual(
      [400, expect.stringContaining('4K')],
    )
  })

  it('answers a blocked picture with its reason and without a file', async () => {
    const { files, finishReason } = await draw('nsfwout')
    expect([files, finishReason]).toEqual([[], 'content-filter'])
  })
})
