/** The routes that the document "Flux deployment" lists, on the service with all its routes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { models } from '../../../src/models/index.ts'
import { createPlain, pngOf } from '../../helpers/core.ts'
import { openEverything, type Service } from '../api/service.ts'

const base = '/api/v1/flux'
let service: Service
let key: string

beforeAll(async () => {
  const fal = models.filter(({ routes }) => routes.some(({ provider }) => provider === 'fal'))
  service = await openEverything({
    models: fal,
    providers: [createPlain({ name: 'fal' })],
    limits: { perMinute: 1_000 },
  })
  await service.test.work()
  key = await service.keyWith(1_000)
})
afterAll(async () => {
  expect(await service.close()).toEqual([])
})

const get = (path: string) => service.app.inject({ url: base + path, headers: { authorization: `Bearer ${key}` } })
const post = (path: string, payload: object) =>
  service.app.inject({ method: 'POST', url: base + path, headers: { authorization: `Bearer ${key}` }, payload })

async function upload(path: string, name: string, count: number) {
  const form = new FormData()
  for (let n = 0; n < count; n++) form.append(name, new Blob([Uint8Array.from(await pngOf(64, 48))]), `${n}.png`)
  const body = new Response(form)
  const headers = { authorization: `Bearer ${key}`, 'content-type': body.headers.get('content-type') ?? '' }
  const payload = Buffer.from(await body.arrayBuffer())
  return service.app.inject({ method: 'POST', url: base + path, headers, payload })
}

async function finished(asked: Awaited<ReturnType<typeof post>>): Promise<string> {
  expect([asked.statusCode, asked.json().detail]).toEqual([200, undefined])
  const status = async () => (await get(`/task/${asked.json().id}`)).json().status
  await expect.poll(status).toMatch(/SUCCESS|FAILED/)
  return status()
}

describe('the documented routes', () => {
  it('answer a health check without a key', async () => {
    const health = await service.app.inject(`${base}/health`)
    expect([health.statusCode, health.json().status]).toEqual([200, 'ok'])
  })

  it('list models, with the documented families, and the settings of the person', async () => {
    const ids = (await get('/models')).json().models.map(({ id }: { id: string }) => id)
    for (const part of ['dev', 'schnell', 'kontext', 'kontext/max', 'redux', 'multi'])
      expect(ids.some((id: string) => id.startsWith('fal-ai/') && id.endsWith(part))).toBe(true)
    expect((await get('/config/user')).json()).toMatchObject({ enabled: true, default_model: expect.any(String) })
  })

  it('draw from words, from a picture and from several, and list what was drawn', async () => {
    const picture = (await upload('/upload-image', 'file', 1)).json().url
    const several = (await upload('/upload-images', 'files', 2)).json().map(({ url }: { url: string }) => url)
    const words = { prompt: 'a cat', model: 'fal-ai/flux-1/schnell' }
    expect(await finished(await post('/text-to-image', words))).toBe('SUCCESS')
    const one = { prompt: 'night', model: 'fal-ai/flux-1/dev', image_url: picture }
    expect(await finished(await post('/image-to-image', one))).toBe('SUCCESS')
    const both = { prompt: 'both', model: 'fal-ai/flux-pro/kontext/max/multi', image_urls: several }
    expect(await finished(await post('/multi-image-edit', both))).toBe('SUCCESS')
    expect((await get('/history')).json().data).toHaveLength(3)
  })
})
