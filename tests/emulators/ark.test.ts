import OpenAI from 'openai'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Ark, startArk } from './ark/index.ts'

let ark: Ark
beforeAll(async () => {
  ark = await startArk()
})
afterAll(() => ark.stop())

const lite = { model: 'doubao-seedream-5-0-lite-260128', prompt: 'a cat', size: '2048x2048' }

interface ArkResponse {
  status: number
  body: {
    created?: number
    data?: { url?: string; b64_json?: string; size?: string; error?: { code: string } }[]
    usage?: { generated_images: number; output_tokens: number }
    error?: { code: string; message: string; param: string; type: string }
  }
}

async function post(body: object, key = ark.key, base = ark.baseUrl): Promise<ArkResponse> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const response = await fetch(`${base}/images/generations`, { method: 'POST', headers, body: JSON.stringify(body) })
  return { status: response.status, body: (await response.json()) as ArkResponse['body'] }
}

const codeOf = async (request: object) => {
  const { status, body } = await post(request)
  return [status, body.error?.code, body.error?.param]
}

describe('the emulator of Ark', () => {
  it('responds as documented', async () => {
    const { status, body } = await post(lite)
    expect(status).toBe(200)
    expect(body).toEqual({
      model: lite.model,
      created: expect.any(Number),
      data: [{ url: expect.stringContaining('X-Tos-Expires=86400'), size: '2048x2048' }],
      usage: { generated_images: 1, output_tokens: 16384, total_tokens: 16384 },
    })
    const file = await fetch(body.data?.[0]?.url ?? '')
    expect(await sharp(Buffer.from(await file.arrayBuffer())).metadata()).toMatchObject({
      format: 'jpeg',
      width: 2048,
      height: 2048,
    })
  })

  it('returns links that are valid for a day, unchanged and without the key', async () => {
    const other = await startArk()
    const { body } = await post(lite, other.key, other.baseUrl)
    const url = body.data?.[0]?.url ?? ''
    const status = async (address: string, headers = {}) => (await fetch(address, { headers })).status
    expect(await status(url.slice(0, url.lastIndexOf('&')))).toBe(403)
    expect(await status(url, { authorization: `Bearer ${other.key}` })).toBe(400)
    expect(await status(url)).toBe(200)
    other.expireLinks()
    expect(await status(url)).toBe(403)
    await other.stop()
  })

  it.each<readonly [string, object, string]>([
    ['n', { n: 1 }, 'n'],
    ['quality', { quality: 'hd' }, 'quality'],
    ['negative_prompt', { negative_prompt: 'text' }, 'negative_prompt'],
    ['seed', { seed: 1 }, 'seed'],
    ['a small size', { size: '1024x1024' }, 'size'],
    ['a large size', { size: '8192x4096' }, 'size'],
    ['a long size', { size: '16384x900' }, 'size'],
    ['a size of another model', { size: '1K' }, 'size'],
    ['one pixel', { size: '1x1' }, 'size'],
    ['a format in upper case', { image: 'data:image/PNG;base64,AAAA' }, 'image'],
    ['an image that is no URL', { image: 'cat.png' }, 'image'],
    ['15 pictures', { image: Array(15).fill('https://a.example/1') }, 'image'],
    [
      'a group of 16',
      { sequential_image_generation_options: { max_images: 16 } },
      'sequential_image_generation_options',
    ],
    [
      'a group too large for the number of input pictures',
      {
        image: Array(12).fill('https://a.example/1'),
        sequential_image_generation: 'auto',
        sequential_image_generation_options: { max_images: 4 },
      },
      'sequential_image_generation_options',
    ],
  ])('refuses %s and names the parameter', async (_, more, param) => {
    expect(await codeOf({ ...lite, ...more })).toEqual([400, 'InvalidParameter', param])
  })

  it('checks the parameters of each model', async () => {
    const pro = { ...lite, model: 'doubao-seedream-5-0-pro-260628' }
    const old = { ...lite, model: 'doubao-seedream-3-0-t2i-250415' }
    expect(await codeOf({ ...pro, stream: true })).toEqual([400, 'InvalidParameter', 'stream'])
    expect(await codeOf({ ...pro, image: Array(11).fill('https://a.example/1') })).toEqual([
      400,
      'InvalidParameter',
      'image',
    ])
    expect(await codeOf({ ...old, seed: 7, guidance_scale: 2.5 })).toEqual([200, undefined, undefined])
    expect(await codeOf({ ...lite, model: 'doubao-seedream-4-5-251128', output_format: 'png' })).toEqual([
      400,
      'InvalidParameter',
      'output_format',
    ])
    expect((await codeOf({ ...lite, model: 'dall-e-3' }))[1]).toBe('InvalidEndpointOrModel.NotFound')
    expect(await codeOf({ model: lite.model })).toEqual([400, 'MissingParameter', 'prompt'])
  })

  it('draws as many pictures as the prompt says, and bills those it delivers', async () => {
    const group = { ...lite, sequential_image_generation: 'auto' }
    const before = ark.billed()
    expect((await post(group)).body.data).toHaveLength(1)
    const limited = { ...group, prompt: '4 images of a cat', sequential_image_generation_options: { max_images: 3 } }
    expect((await post(limited)).body.data).toHaveLength(3)
    const { body } = await post({ ...group, prompt: '3 images, onefails' })
    expect(body.data?.map(({ error }) => error?.code)).toEqual([
      undefined,
      undefined,
      'OutputImageSensitiveContentDetected',
    ])
    expect(body.usage?.generated_images).toBe(2)
    expect(ark.billed() - before).toBe(6)
  })

  it('adds a watermark by default', async () => {
    await post(lite)
    await post({ ...lite, watermark: false })
    expect(ark.bodies.slice(-2).map(({ watermark }) => watermark)).toEqual([true, false])
  })

  it('refuses wrong keys, and keys of another base address', async () => {
    const wrong = await post(lite, 'ark-other')
    expect([wrong.status, wrong.body.error]).toEqual([
      401,
      {
        code: 'AuthenticationError',
        message: expect.stringContaining('Request id: '),
        param: '',
        type: 'Unauthorized',
      },
    ])
    const plan = ark.baseUrl.replace('/api/v3', '/api/plan/v3')
    expect((await post(lite, ark.key, plan)).status).toBe(401)
    expect((await post(lite, 'ark-plan-key-0001', plan)).status).toBe(200)
  })

  it('streams each picture and then the usage, and refuses a request before streaming', async () => {
    const headers = { authorization: `Bearer ${ark.key}`, 'content-type': 'application/json' }
    const send = (body: object) =>
      fetch(`${ark.baseUrl}/images/generations`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ ...body, stream: true }),
      })
    const group = { ...lite, prompt: '2 images, onefails', sequential_image_generation: 'auto' }
    const text = await (await send(group)).text()
    const events = text.trim().split('\n\n')
    expect(events.map((event) => event.split('\n')[0])).toEqual([
      'event: image_generation.partial_succeeded',
      'event: image_generation.partial_failed',
      'event: image_generation.completed',
      'data: [DONE]',
    ])
    expect(JSON.parse(events[0]?.split('data: ')[1] ?? '')).toMatchObject({
      type: 'image_generation.partial_succeeded',
      image_index: 0,
      size: '2048x2048',
    })
    const refused = await send({ ...lite, size: '1x1' })
    expect([refused.status, refused.headers.get('content-type')]).toEqual([400, 'application/json'])
  })
})

describe('the emulator of Ark with the official openai client', () => {
  const client = () => new OpenAI({ apiKey: ark.key, baseURL: ark.baseUrl, maxRetries: 0 })

  it('returns a link, and a group for an extended body', async () => {
    const one = await client().images.generate({ ...lite, response_format: 'url' } as OpenAI.ImageGenerateParams)
    expect('data' in one && one.data?.[0]?.url).toContain('/ark-content/')
    const extra = { ...lite, prompt: '2 images', watermark: false, sequential_image_generation: 'auto' }
    const two = await client().images.generate(extra as OpenAI.ImageGenerateParams)
    expect('data' in two && two.data).toHaveLength(2)
  })

  it('returns base64', async () => {
    const request = { ...lite, response_format: 'b64_json' as const }
    const response = await client().images.generate(request as OpenAI.ImageGenerateParams)
    const data = 'data' in response ? response.data?.[0]?.b64_json : undefined
    expect(await sharp(Buffer.from(data ?? '', 'base64')).metadata()).toMatchObject({ width: 2048 })
  })

  it('sends errors that the client understands', async () => {
    const n = client().images.generate({ ...lite, n: 2 } as OpenAI.ImageGenerateParams)
    await expect(n).rejects.toMatchObject({ status: 400, code: 'InvalidParameter', param: 'n' })
    const wrongKey = new OpenAI({ apiKey: 'wrong', baseURL: ark.baseUrl, maxRetries: 0 })
    await expect(wrongKey.images.generate(lite as OpenAI.ImageGenerateParams)).rejects.toBeInstanceOf(
      OpenAI.AuthenticationError,
    )
  })
})
