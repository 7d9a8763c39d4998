import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createPlain, pngOf } from '../../../helpers/core.ts'
import { openService, type Service } from './service.ts'

let service: Service
/** Of the pictures that the provider was sent. */
let widths: number[]
/** Requests of earlier tests. */
let earlier: number

beforeAll(async () => {
  const start = async ({ images }: { images: readonly { width: number }[] }) => {
    widths.push(...images.map(({ width }) => width))
    return { state: 'done' as const, images: [await pngOf(64, 64)] }
  }
  const limits = { perMinute: 10_000, welcome: 10_000 }
  service = await openService({ providers: [createPlain({ start })], limits })
  await service.test.work()
})
afterAll(() => service.close())
beforeEach(async () => {
  widths = []
  earlier = (await service.generations()).length
})

async function post(path: string, body: object | FormData) {
  const form = body instanceof FormData
  const answer = await fetch(`${service.url}/v1${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${service.key}`, ...(!form && { 'content-type': 'application/json' }) },
    body: form ? body : JSON.stringify(body),
  })
  // biome-ignore lint/suspicious/noExplicitAny: any body
  return { status: answer.status, body: (await answer.json()) as any }
}

const drawn = () =>
  service.test.core.database.rows(
    sql`select request->>'aspect' as aspect, (request->>'count')::int as count from generations order by id offset ${earlier}`,
  )

const wide: [string, object][] = [
  ['aspect_ratio', { aspect_ratio: '16:9' }],
  ['image_size', { image_size: '1024x576' }],
  ['image_size in an object', { image_size: { width: 1024, height: 576 } }],
  ['image_size by its name at fal', { image_size: 'landscape_16_9' }],
  ['width and height', { width: 1024, height: 576 }],
  ['image_config', { image_config: { aspect_ratio: '16:9' } }],
  ['aspect_ratio beside a size that agrees', { aspect_ratio: '16:9', size: '1024x576' }],
  ['aspect_ratio beside a size that leaves it open', { aspect_ratio: '16:9', size: 'auto', image_size: null }],
]

describe('the shape of an image under the names of other services', () => {
  it.each(wide)('is honoured: %s', async (_, fields) => {
    const message = { messages: [{ role: 'user', content: 'a cat' }] }
    const image = `data:image/png;base64,${(await pngOf(30, 30)).toString('base64')}`
    expect((await post('/images/generations', { prompt: 'a cat', ...fields })).status).toBe(200)
    expect((await post('/images/edits', { prompt: 'a cat', image, ...fields })).status).toBe(200)
    expect((await post('/chat/completions', { ...message, ...fields })).status).toBe(200)
    expect(await drawn()).toEqual(Array(3).fill({ aspect: '16:9', count: 1 }))
  })

  it('is honoured in a form', async () => {
    const form = new FormData()
    for (const [name, text] of Object.entries({ prompt: 'night', width: '1024', height: '576', num_images: '2' })) {
      form.set(name, text)
    }
    form.set('image', new Blob([new Uint8Array(await pngOf(30, 30))]), 'a.png')
    expect((await post('/images/edits', form)).status).toBe(200)
    expect(await drawn()).toEqual([{ aspect: '16:9', count: 2 }])
  })

  it('in a chat yields to the shape in the message', async () => {
    const messages = [{ role: 'user', content: 'a cat 9:16' }]
    expect((await post('/chat/completions', { messages, aspect_ratio: '16:9' })).status).toBe(200)
    expect(await drawn()).toEqual([{ aspect: '9:16', count: 1 }])
  })

  it.each([
    [{ aspect_ratio: '7:3' }, 'aspect_ratio'],
    [{ image_size: '2K' }, 'image_size'],
    [{ image_size: 7 }, 'image_size'],
    [{ image_config: { image_size: '1K' } }, 'image_config.image_size'],
    [{ image_config: { aspect: '16:9' } }, 'image_config'],
    [{ image_config: 'wide' }, 'image_config'],
    [{ width: 1024 }, 'height'],
    [{ width: '1024', height: '576' }, 'width'],
    [{ size: '1024x1024', aspect_ratio: '16:9' }, 'aspect_ratio'],
    [{ aspect_ratio: '16:9', width: 1024, height: 1024 }, 'width'],
    [{ n: 1, num_images: 2 }, 'num_images'],
    [{ num_images: 11 }, 'num_images'],
  ])('is refused by its name where it is unclear: %j', async (fields, param) => {
    const answer = await post('/images/generations', { prompt: 'a cat', ...fields })
    expect(answer).toMatchObject({ status: 400, body: { error: { param } } })
    expect(answer.body.error.message).toContain(param)
    expect(await drawn()).toEqual([])
  })

  it('counts images by num_images', async () => {
    await post('/images/generations', { prompt: 'a cat', num_images: 2 })
    await post('/images/generations', { prompt: 'a cat', num_images: 2, n: 2 })
    expect(await drawn()).toEqual(Array(2).fill({ aspect: '1:1', count: 2 }))
  })
})

describe('without a response_format', () => {
  it.each([
    ['/images/edits', undefined, 'b64_json'],
    ['/images/edits', 'gpt-image-1', 'b64_json'],
    ['/images/edits', 'sketch', 'b64_json'],
    ['/images/edits', 'dall-e-2', 'url'],
    ['/images/generations', undefined, 'url'],
    ['/images/generations', 'gpt-image-1', 'b64_json'],
    ['/images/generations', 'sketch', 'url'],
  ])('%s with the model %s answers %s', async (path, model, format) => {
    const image = (await pngOf(30, 30)).toString('base64')
    const fields = path.endsWith('edits') ? { image } : {}
    const { body } = await post(path, { prompt: 'a cat', model, ...fields })
    expect(Object.keys(body.data[0])).toEqual([format])
    const asked = await post(path, { prompt: 'a cat', model, ...fields, response_format: 'url' })
    expect(Object.keys(asked.body.data[0])).toEqual(['url'])
  })
})

describe('base64 with line breaks', () => {
  it.each([
    ['a data URL', (text: string) => ({ image: `data:image/png;base64,${text}` })],
    ['base64 alone', (text: string) => ({ image: text })],
    ['a list', (text: string) => ({ images: [{ image_url: { url: `data:image/png;base64,${text}` } }] })],
  ])('is read in %s', async (_, fields) => {
    for (const end of ['\n', '\r\n']) {
      const lines = (await pngOf(300, 200)).toString('base64').replace(/.{76}/g, `$&${end}`)
      expect((await post('/images/edits', { prompt: 'night', ...fields(lines) })).status).toBe(200)
    }
    expect(widths).toEqual([300, 300])
  })
})
