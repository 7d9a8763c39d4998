import OpenAI, { toFile } from 'openai'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type OpenAiImages, startOpenAiImages } from './openai-images/index.ts'
import { picture } from './pictures.ts'

let emulator: OpenAiImages
beforeAll(async () => {
  emulator = await startOpenAiImages()
})
afterAll(() => emulator.stop())

const client = (apiKey = emulator.key) => new OpenAI({ apiKey, baseURL: emulator.baseUrl, maxRetries: 0 })
const wanted = { model: 'gpt-image-2', prompt: 'a cat' }
const sizeOf = async (base64 = '') => {
  const { width, height, format } = await sharp(Buffer.from(base64, 'base64')).metadata()
  return [width, height, format]
}

describe('the emulator of the images API with the official openai client', () => {
  it('draws in base64, as many pictures as asked for, and counts tokens', async () => {
    const { data, usage } = await client().images.generate({ ...wanted, n: 2, size: '1536x1024' as '1024x1024' })
    expect(data).toHaveLength(2)
    expect(await sizeOf(data?.[0]?.b64_json)).toEqual([1536, 1024, 'png'])
    expect(usage).toMatchObject({ input_tokens: 12, output_tokens: 2112 })
  })

  it('edits several pictures of a form', async () => {
    const png = await picture(64, 64, 'png')
    const image = [await toFile(png, 'a.png', { type: 'image/png' }), await toFile(png, 'b.png', { type: 'image/png' })]
    const { data } = await client().images.edit({
      ...wanted,
      image,
      output_format: 'webp',
    } as OpenAI.ImageEditParams & { stream: false })
    expect(await sizeOf(data?.[0]?.b64_json)).toEqual([1024, 1024, 'webp'])
    expect(emulator.bodies.at(-1)).toMatchObject({ images: [png, png] })
  })

  it('streams previews and then the picture', async () => {
    const stream = await client().images.generate({ ...wanted, stream: true, partial_images: 2 })
    const types: string[] = []
    for await (const event of stream) types.push(event.type)
    expect(types).toEqual([
      'image_generation.partial_image',
      'image_generation.partial_image',
      'image_generation.completed',
    ])
  })

  it('answers chat completions with a picture', async () => {
    const { choices } = await client().chat.completions.create({
      model: 'chat-markdown',
      messages: [{ role: 'user', content: [{ type: 'text', text: 'a cat' }] }],
    })
    expect(choices[0]?.message.content).toMatch(/!\[image\]\(data:image\/png;base64,/)
  })

  it.each([
    [{ size: '1000x1000' }, 'size'],
    [{ size: '512x512' }, 'size'],
    [{ size: '3840x512' }, 'size'],
    [{ n: 11 }, 'n'],
    [{ background: 'transparent' }, 'background'],
    [{ seed: 7 }, 'seed'],
    [{ response_format: 'url' }, 'response_format'],
  ])('refuses %j and names the parameter', async (more, param) => {
    const work = client().images.generate({ ...wanted, ...more } as OpenAI.ImageGenerateParams)
    await expect(work).rejects.toMatchObject({ status: 400, param })
  })

  it('refuses keys, models and content as OpenAI does', async () => {
    await expect(client('sk-other').images.generate(wanted)).rejects.toBeInstanceOf(OpenAI.AuthenticationError)
    await expect(client().images.generate({ ...wanted, model: 'dall-e-3' })).rejects.toMatchObject({
      code: 'model_not_found',
    })
    await expect(client().images.generate({ ...wanted, prompt: 'nsfw' })).rejects.toMatchObject({
      status: 400,
      code: 'moderation_blocked',
      type: 'image_generation_user_error',
    })
  })
})
