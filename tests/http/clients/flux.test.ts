/** The examples of the document "FLUX in Open WebUI", and what its client relies on, against fal's emulator. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { models } from '../../../src/models/index.ts'
import { sketch } from '../../../src/models/sketch.ts'
import { startFal } from '../../emulators/fal/index.ts'
import { createPlain, pngOf } from '../../helpers/core.ts'
import { createFal } from '../../helpers/providers/fal.ts'
import { openService, type Service } from '../api/flux/service.ts'

/** The document's table. */
const documented = [
  'fal-ai/flux-1/dev',
  'fal-ai/flux-1/dev/image-to-image',
  'fal-ai/flux-1/dev/redux',
  'fal-ai/flux-1/schnell',
  'fal-ai/flux-1/schnell/redux',
  'fal-ai/flux-pro/kontext',
  'fal-ai/flux-pro/kontext/max',
  'fal-ai/flux-pro/kontext/max/multi',
  'fal-ai/flux-pro/kontext/max/text-to-image',
  'fal-ai/flux-pro/kontext/multi',
  'fal-ai/flux-pro/kontext/text-to-image',
]

const bases = ['/api/flux', '/api/v1/flux']

let service: Service
let fal: Awaited<ReturnType<typeof startFal>>
let provider: ReturnType<typeof createFal>

beforeAll(async () => {
  fal = await startFal()
  provider = createFal(fal.url, { key: fal.key })
  service = await openService({
    providers: [provider, createPlain()],
    models: models.filter(({ id, routes }) => id === sketch.id || routes.some((route) => route.provider === 'fal')),
    limits: { perMinute: 10_000, welcome: 10_000 },
  })
  await service.test.work()
})
afterAll(async () => {
  expect(await service.close()).toEqual([])
  await provider.close?.()
  await fal.stop()
})

/** The document's client: it asks, then polls the task every few seconds until it has ended. */
async function drawn(how: string, body: object, base = '/api/flux') {
  const asked = await service.call(`POST ${base}/${how}`, { body })
  expect([asked.status, asked.body.detail]).toEqual([200, undefined])
  expect(['PENDING', 'IN_QUEUE', 'IN_PROGRESS', 'SUCCESS']).toContain(asked.body.status)
  const task = async () => (await service.call(`GET ${base}/task/${asked.body.id}`)).body
  await expect.poll(async () => (await task()).status).toMatch(/SUCCESS|FAILED/)
  return { asked: asked.body, task: await task() }
}

const uploaded = async (base = '/api/flux') => {
  const form = new FormData()
  form.append('file', new Blob([Uint8Array.from(await pngOf(64, 48))], { type: 'image/png' }), 'input.png')
  const { status, body } = await service.call(`POST ${base}/upload-image`, { body: form })
  expect(status).toBe(200)
  return body.url as string
}

const lastSubmission = () => {
  const request = fal.requests.findLast(({ method, path }) => method === 'POST' && path.startsWith('/fal-ai/'))
  return { path: request?.path, body: JSON.parse(String(request?.body ?? '{}')) }
}

/** What the page sends with every model: the columns of the document's table of tasks. */
const everything = {
  num_images: 1,
  aspect_ratio: '1:1',
  guidance_scale: 3.5,
  num_inference_steps: 28,
  seed: 42,
  safety_tolerance: '2',
}

describe.each(bases)('the client of %s', (base) => {
  it('lists the documented ids', async () => {
    const { body } = await service.call(`GET ${base}/models`)
    const ids = body.models.map(({ id }: { id: string }) => id)
    expect(ids).toEqual(expect.arrayContaining(documented))
    const user = (await service.call(`GET ${base}/config/user`)).body
    expect(user).toMatchObject({
      enabled: true,
      timeout: expect.any(Number),
      max_concurrent_tasks: expect.any(Number),
      default_model: expect.any(String),
    })
    expect(Object.keys(user.model_credits)).toEqual(expect.arrayContaining(documented))
    expect(ids).toContain(user.default_model)
    expect((await service.call(`GET ${base}/health`, { key: null })).status).toBe(200)
  })

  it('draws from words', async () => {
    const { task } = await drawn('text-to-image', { model: 'fal-ai/flux-1/dev', prompt: 'a cat', ...everything }, base)
    expect(task).toMatchObject({
      status: 'SUCCESS',
      task_type: 'text_to_image',
      model: 'fal-ai/flux-1/dev',
      prompt: 'a cat',
      request_id: task.id,
      user_id: service.userId,
      num_images: 1,
      aspect_ratio: '1:1',
      guidance_scale: 3.5,
      num_inference_steps: 28,
      input_image_url: null,
      uploaded_image_url: null,
      retry_count: 0,
      error_message: null,
      generation_time: expect.any(Number),
      created_at: expect.any(String),
      updated_at: expect.any(String),
      completed_at: expect.any(String),
    })
    expect(task.cloud_image_url).toBe(task.image_url)
    expect((await fetch(task.image_url)).status).toBe(200)
  })

  it('sends a picture ahead, draws from it, and is shown it again', async () => {
    const image = await uploaded(base)
    const body = { model: 'fal-ai/flux-1/dev/image-to-image', prompt: 'night', image_url: image, strength: 0.95 }
    const { task } = await drawn('image-to-image', { ...body, ...everything }, base)
    expect(task).toMatchObject({ status: 'SUCCESS', task_type: 'image_to_image', strength: 0.95 })
    expect(task.uploaded_image_url).toBe(task.input_image_url)
    expect((await fetch(task.input_image_url)).headers.get('content-type')).toBe('image/png')
    expect(task.ignored).toEqual(['aspect_ratio', 'safety_tolerance'])
  })

  it('gets errors about files and tasks in the form that it knows', async () => {
    const form = new FormData()
    form.append('file', new Blob(['no picture'], { type: 'image/png' }), 'input.png')
    const refused = await service.call(`POST ${base}/upload-image`, { body: form })
    expect([refused.status, refused.body.detail]).toEqual([415, expect.stringContaining('PNG, JPEG')])
    const unknown = await service.call(`GET ${base}/task/no-such-task`)
    expect([unknown.status, unknown.body.detail]).toEqual([404, expect.any(String)])
    expect((await service.call(`GET ${base}/history`, { key: null })).status).toBe(401)
  })

  it('edits several pictures', async () => {
    const form = new FormData()
    for (const edge of [32, 48]) form.append('files', new Blob([Uint8Array.from(await pngOf(edge, edge))]), 'a.png')
    const { body } = await service.call(`POST ${base}/upload-images`, { body: form })
    const image_urls = body.map(({ url }: { url: string }) => url)
    for (const model of ['fal-ai/flux-pro/kontext/multi', 'fal-ai/flux-pro/kontext/max/multi']) {
      const { task } = await drawn('multi-image-edit', { model, prompt: 'both', image_urls, ...everything }, base)
      expect([task.status, task.input_image_urls.length]).toEqual(['SUCCESS', 2])
      expect(lastSubmission().path).toMatch(new RegExp(`${model}$`))
    }
  })

  it('shows the history of this API, and of everything', async () => {
    const { body } = await service.call(`GET ${base}/history?page=1&limit=20`)
    expect(body.data[0]).toMatchObject({ id: expect.any(String), status: 'SUCCESS', model: expect.any(String) })
    const call = await service.test.say('--model sketch a drawing', { who: 'ann' })
    expect(await service.test.ended(call)).toBe('delivered')
    const unified = (await service.call(`GET ${base}/unified-history?page=1&limit=20`)).body
    expect(Array.isArray(unified)).toBe(true)
    for (const item of unified) {
      expect(item).toMatchObject({
        source: expect.any(String),
        id: expect.any(String),
        user_id: service.userId,
        prompt: expect.any(String),
        image_url: expect.any(String),
        status: 'SUCCESS',
        created_at: expect.any(String),
      })
    }
    const sources = async (query: string) => {
      const items: { source: string }[] = (await service.call(`GET ${base}/unified-history?${query}`)).body
      return [...new Set(items.map(({ source }) => source))]
    }
    expect((await sources('limit=20')).sort()).toEqual(['flux', 'sketch'])
    expect(await sources('source=flux')).toEqual(['flux'])
    expect(await sources('source=midjourney')).toEqual([])
    expect(await sources('source=jimeng')).toEqual([])
    expect(await sources('source=api')).toEqual(['flux'])
  })
})

describe('a documented id', () => {
  it.each([
    ['fal-ai/flux-1/dev', 'fal-ai/flux-1/dev'],
    ['fal-ai/flux-1/schnell', 'fal-ai/flux-1/schnell'],
    ['fal-ai/flux-pro/kontext', 'fal-ai/flux-pro/kontext/text-to-image'],
    ['fal-ai/flux-pro/kontext/max', 'fal-ai/flux-pro/kontext/max/text-to-image'],
    ['fal-ai/flux-pro/kontext/text-to-image', 'fal-ai/flux-pro/kontext/text-to-image'],
    ['fal-ai/flux-pro/kontext/max/text-to-image', 'fal-ai/flux-pro/kontext/max/text-to-image'],
  ])('%s draws from words', async (model, endpoint) => {
    const { task } = await drawn('text-to-image', { model, prompt: 'a cat', ...everything })
    expect([task.status, task.error_message]).toEqual(['SUCCESS', null])
    expect(lastSubmission().path).toContain(endpoint)
  })

  it.each([
    ['fal-ai/flux-1/dev', 'fal-ai/flux-1/dev/image-to-image'],
    ['fal-ai/flux-1/dev/image-to-image', 'fal-ai/flux-1/dev/image-to-image'],
    ['fal-ai/flux-1/dev/redux', 'fal-ai/flux-1/dev/redux'],
    ['fal-ai/flux-1/schnell/redux', 'fal-ai/flux-1/schnell/redux'],
    ['fal-ai/flux-pro/kontext', 'fal-ai/flux-pro/kontext'],
    ['fal-ai/flux-pro/kontext/max', 'fal-ai/flux-pro/kontext/max'],
  ])('%s draws from a picture', async (model, endpoint) => {
    const body = { model, prompt: 'night', image_url: await uploaded(), strength: 0.9, ...everything }
    const { task } = await drawn('image-to-image', body)
    expect([task.status, task.error_message]).toEqual(['SUCCESS', null])
    expect(lastSubmission().path).toMatch(new RegExp(`${endpoint}$`))
  })
})

describe('parameters that do not fit the model', () => {
  it('are left out, or moved into its range, and listed', async () => {
    const body = { ...everything, num_images: 9, guidance_scale: 99, safety_tolerance: '6', strength: 0.5 }
    const { asked, task } = await drawn('text-to-image', {
      ...{ model: 'fal-ai/flux-pro/kontext/max', prompt: 'a cat' },
      ...body,
    })
    const changed = {
      ignored: ['num_inference_steps', 'strength'],
      adjusted: ['guidance_scale', 'num_images'],
      safety_tolerance: '6',
    }
    expect(asked).toMatchObject(changed)
    expect(task).toMatchObject({ ...changed, status: 'SUCCESS', guidance_scale: 20, num_images: 4 })
    expect(lastSubmission().body).toMatchObject({ safety_tolerance: '6', guidance_scale: 20, num_images: 4 })
  })

  it('include the prompt of a model that works from the picture alone', async () => {
    const body = { model: 'fal-ai/flux-1/schnell/redux', prompt: 'a cat', image_url: await uploaded(), steps: 40 }
    const { task } = await drawn('image-to-image', body)
    expect(task).toMatchObject({ status: 'SUCCESS', ignored: ['prompt'], adjusted: ['num_inference_steps'] })
    expect(lastSubmission().body).not.toHaveProperty('prompt')
  })
})
