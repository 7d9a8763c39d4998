import { sql } from 'drizzle-orm'
import { request as http } from 'undici'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../../src/core/errors.ts'
import { storeUploads } from '../../../../src/core/media/uploads.ts'
import type { Task } from '../../../../src/core/ports/providers.ts'
import { createPlain, pngOf } from '../../../helpers/core.ts'
import { isInBucket } from '../../../helpers/store.ts'
import { openService, operatorKey, type Service } from './service.ts'

let service: Service
const tasks: Task[] = []
/** The provider waits for it. */
let hold: Promise<void> | undefined
let release = () => {}

beforeAll(async () => {
  const provider = createPlain({
    repeatable: false,
    start: async (task) => {
      tasks.push(task)
      await hold
      const { prompt, count = 1 } = task.input as { prompt: string; count?: number }
      if (prompt.includes('forbidden')) throw new AppError('moderated', {}, { final: true })
      return { state: 'done', images: await Promise.all(Array.from({ length: count }, () => pngOf(64, 32))), seed: '7' }
    },
  })
  service = await openService({ providers: [provider], limits: { perMinute: 10_000, welcome: 1_000 } })
  await service.test.work()
})
afterAll(async () => {
  expect(await service.close()).toEqual([])
})
beforeEach(() => {
  tasks.length = 0
  hold = undefined
})

const stop = () => {
  hold = new Promise((resolve) => {
    release = resolve
  })
}
const generate = (body: unknown, sent: Parameters<Service['call']>[1] = {}) =>
  service.call('POST /api/generate', { body, ...sent })
const until = (id: string, status: string, key?: string) =>
  expect.poll(async () => (await service.call(`GET /api/history/${id}`, { key })).body.status).toBe(status)

describe('/api/generate', () => {
  it.skipIf(isInBucket)('responds with the images, their properties and the charge', async () => {
    const before = await service.balance()
    const { status, body } = await generate({ prompt: ' a  cat ', aspect_ratio: '16:9', n: 2, seed: 42, steps: 9 })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      success: true,
      status: 'completed',
      prompt: 'a cat',
      enhanced_prompt: null,
      model: 'sketch',
      source: 'api',
      aspect_ratio: '16:9',
      width: 64,
      height: 32,
      n: 2,
      seed: 7,
      steps: 9,
      credits: 2,
      percent: 100,
      error: null,
    })
    expect(body.images).toHaveLength(2)
    expect(body.images[0]).toEqual({ url: body.image_url, width: 64, height: 32 })
    expect(body.image_url).toMatch(/^http:\/\/localhost:8080\/image\/image\/.+\?expires=\d+&signature=/)
    expect(body.duration_ms).toBeGreaterThanOrEqual(0)
    expect(await service.balance()).toBe(before - 2)
    const rows = await service.core.database.rows(sql`select state, price from generations where id = ${body.id}`)
    expect(rows).toEqual([{ state: 'delivered', price: 2 }])
  })

  it.each([
    [{ ratio: '9:16' }, { width: 576, height: 1024 }],
    [{ aspectRatio: '9：16' }, { width: 576, height: 1024 }],
    [{ size: '640x480' }, { width: 640, height: 480 }],
    [
      { width: 1024, height: 576 },
      { width: 1024, height: 576 },
    ],
    [
      { aspect_ratio: 'custom', width: 300, height: 200 },
      { width: 300, height: 200 },
    ],
    [
      { aspect_ratio: 'auto', model: '', seed: -1, image: null, wait: true },
      { width: 1024, height: 1024 },
    ],
    [
      { num_images: 2, guidanceScale: 3.5, numInferenceSteps: 4 },
      { count: 2, guidance: 3.5, steps: 4 },
    ],
    [
      { count: 3, negativePrompt: 'dogs', seed: '18' },
      { count: 3, negative: 'dogs', seed: '18' },
    ],
    [{ unheard_of: { a: 1 } }, { prompt: 'a cat' }],
  ])('accepts %j', async (given, input) => {
    expect(await generate({ prompt: 'a cat', ...given })).toMatchObject({ status: 200 })
    expect(tasks[0]?.input).toMatchObject(input)
  })

  it('accepts input images as data URLs, also large ones', async () => {
    const noise = await pngOf(1500, 1500)
    const large = Buffer.concat([noise, Buffer.alloc(1_500_000)])
    const dataUrl = `data:image/png;base64,${large.toString('base64')}`
    const { status, body } = await generate({ prompt: 'make it night', image: dataUrl, images: [dataUrl], strength: 1 })
    expect({ status, strength: body.strength }).toEqual({ status: 200, strength: 1 })
    expect(tasks[0]?.images).toHaveLength(2)
  })

  it('accepts links, also expired ones, and keys of its own account, and none of other accounts', async () => {
    const sender = { userId: service.userId, keyId: null }
    const [upload] = await storeUploads(service.core, sender, [await pngOf(40, 40)])
    const drawn = await generate({ prompt: 'a cat' })
    // no server listens at the address of these links
    const link: string = drawn.body.image_url
    const task = `http://localhost:8080/image/${drawn.body.id}?expires=1&signature=x`
    const addresses = [link, `${link.split('?')[0]}?expires=1&signature=x`, task, upload?.key]
    tasks.length = 0
    for (const image of addresses) expect(await generate({ prompt: 'night', image })).toMatchObject({ status: 200 })
    expect(tasks.map(({ images }) => images.map(({ width }) => width))).toEqual([[64], [64], [64], [40]])
    const key = await service.keyFor('bob')
    const refused = []
    for (const image of addresses) refused.push(await generate({ prompt: 'night', image }, { key }))
    expect(refused.map(({ status, body }) => [status, body.code])).toEqual([
      [400, 'image_unreachable'],
      [400, 'image_unreachable'],
      [400, 'image_unreachable'],
      [404, 'unknown_upload'],
    ])
  })

  it('responds at once when the client does not wait, and the item is completed later', async () => {
    stop()
    const byField = await generate({ prompt: 'a cat', wait: false })
    expect(byField.status).toBe(202)
    expect(byField.headers.get('location')).toBe(`/api/history/${byField.body.id}`)
    expect(byField.body).toMatchObject({ images: [], image_url: null, credits: 0, ended_at: null })
    expect(byField.body).toMatchObject({ width: 1024, height: 1024 })
    const preferred = await generate({ prompt: 'a cat' }, { headers: { prefer: 'respond-async' } })
    expect(preferred.status).toBe(202)
    release()
    await until(byField.body.id, 'completed')
    await until(preferred.body.id, 'completed')
  })

  it('generates once for one idempotency key', async () => {
    const headers = { 'idempotency-key': 'webui-1' }
    const one = await generate({ prompt: 'a cat' }, { headers })
    const again = await generate({ prompt: 'a cat' }, { headers })
    expect(again.body.id).toBe(one.body.id)
    expect(tasks).toHaveLength(1)
    expect(await generate({ prompt: 'a dog' }, { headers })).toMatchObject({
      status: 422,
      body: { code: 'idempotency_reused' },
    })
  })

  it.each([
    [{}, 'empty_prompt', 'prompt'],
    [{ prompt: 7 }, 'bad_request', 'prompt'],
    [{ prompt: 'x'.repeat(5_000) }, 'prompt_too_long', 'prompt'],
    [{ prompt: 'a cat', negative_prompt: 'x'.repeat(5_000) }, 'bad_option', 'negative_prompt'],
    [{ prompt: 'a cat', n: 0 }, 'bad_request', 'n'],
    [{ prompt: 'a cat', n: '2' }, 'bad_request', 'n'],
    [{ prompt: 'a cat', n: 9 }, 'bad_option', 'n'],
    [{ prompt: 'a cat', model: 'nothing' }, 'unknown_model', 'model'],
    [{ prompt: 'a cat', steps: 900 }, 'bad_option', 'steps'],
    [{ prompt: 'a cat', seed: 1.5 }, 'bad_request', 'seed'],
    [{ prompt: 'a cat', ratio: 'constructor' }, 'unknown_ratio', 'aspect_ratio'],
    [{ prompt: 'a cat', aspect_ratio: '7:3' }, 'unknown_ratio', 'aspect_ratio'],
    [{ prompt: 'a cat', width: 512 }, 'bad_request', 'height'],
    [{ prompt: 'a cat', width: 5_000, height: 5_000 }, 'unknown_ratio', 'aspect_ratio'],
    [{ prompt: 'a cat', webhook_url: 'ftp://x' }, 'bad_request', 'webhook_url'],
    [{ prompt: 'a cat', image: 'http://127.0.0.1/x.png' }, 'image_unreachable', undefined],
    [[], 'bad_request', 'body'],
    ['{', 'bad_request', undefined],
    ['', 'bad_request', 'body'],
  ])('refuses %j, names the field, and charges nothing', async (body, code, field) => {
    const before = await service.balance()
    const refused = await generate(body)
    expect(refused).toMatchObject({ status: 400, body: { success: false, code } })
    expect(refused.body.details?.[0]?.field).toBe(field)
    expect(refused.body.error).not.toContain('--')
    expect(await service.balance()).toBe(before)
    expect(tasks).toEqual([])
  })

  it('reports a failure in the language of the request', async () => {
    const before = await service.balance()
    const failed = await generate({ prompt: 'forbidden' }, { headers: { 'accept-language': 'zh-CN' } })
    expect(failed).toMatchObject({ status: 400, body: { success: false, code: 'moderated' } })
    expect(failed.body.error).toMatch(/\p{Script=Han}/u)
    const [item] = (await service.call('GET /api/history?limit=1')).body.items
    expect(item).toMatchObject({ status: 'failed', code: 'moderated', credits: 0, images: [] })
    expect(await service.balance()).toBe(before)
  })

  it('requires a key', async () => {
    for (const key of [null, 'fb_wrong']) {
      const refused = await generate({ prompt: 'a cat' }, { key })
      expect(refused).toMatchObject({ status: 401, body: { success: false } })
    }
  })
})

describe('/api/history', () => {
  it('lists pages, newest first, and filters them by source', async () => {
    const key = await service.keyFor('carol')
    for (const prompt of ['one', 'two', 'three']) await generate({ prompt }, { key })
    await service.test.ended(await service.test.say('four', { who: 'carol' }))
    const first = await service.call('GET /api/history?page=1&limit=3', { key })
    expect(first.body).toMatchObject({ page: 1, limit: 3, has_more: true })
    expect(first.body.items.map(({ prompt }: { prompt: string }) => prompt)).toEqual(['four', 'three', 'two'])
    const second = await service.call('GET /api/history?page=2&limit=3', { key })
    expect(second.body).toMatchObject({ has_more: false, items: [{ prompt: 'one', source: 'api' }] })
    const older = await service.call(`GET /api/history?limit=1&before=${first.body.items[1].id}`, { key })
    expect(older.body).toMatchObject({ has_more: true, items: [{ prompt: 'two' }] })
    const from = async (query: string) => {
      const { items } = (await service.call(`GET /api/history?${query}`, { key })).body
      return items.map(({ source }: { source: string }) => source)
    }
    expect(await from('source=api')).toEqual(['api', 'api', 'api'])
    for (const query of ['source=all', 'source=']) expect(await from(query)).toEqual(['test', 'api', 'api', 'api'])
    expect(await from('source=discord')).toEqual([])
    const unknown = await service.call('GET /api/history?source=Foo', { key })
    expect(unknown.body.error).toBe('source: it must be one of api, discord, telegram, web, or all')
    for (const query of ['page=0', 'limit=1000', 'page=x', 'source=foo', 'source=api&source=web']) {
      expect(await service.call(`GET /api/history?${query}`, { key })).toMatchObject({
        status: 400,
        body: { details: [{ field: query.split('=')[0] }] },
      })
    }
  })

  it.skipIf(isInBucket)('erases a request, but none of another account', async () => {
    const { body } = await generate({ prompt: 'a private cat', images: [] })
    const stranger = await service.keyFor('bob')
    for (const what of [`GET /api/history/${body.id}`, `DELETE /api/history/${body.id}`]) {
      expect(await service.call(what, { key: stranger })).toMatchObject({
        status: 404,
        body: { code: 'unknown_request' },
      })
    }
    const before = await service.balance()
    // some pages send a content type without a body
    const headers = { 'content-type': 'application/json' }
    const erased = await service.call(`DELETE /api/history/${body.id}`, { headers })
    expect(erased).toMatchObject({ status: 200, body: { success: true, id: body.id } })
    expect(await service.call(`DELETE /api/history/${body.id}`)).toMatchObject({ status: 404 })
    expect(await service.call(`GET /api/history/x'`)).toMatchObject({ status: 404 })
    const path = new URL(body.image_url).pathname.slice('/image/'.length)
    expect(await service.core.store.get(path)).toBeUndefined()
    expect(await service.balance()).toBe(before)
  })

  it('erases all ended requests, and keeps unfinished ones', async () => {
    const key = await service.keyFor('dan')
    await generate({ prompt: 'one' }, { key })
    await generate({ prompt: 'two' }, { key })
    stop()
    const { id } = (await generate({ prompt: 'three', wait: false }, { key })).body
    expect(await service.call(`DELETE /api/history/${id}`, { key })).toMatchObject({
      status: 409,
      body: { code: 'still_running' },
    })
    // a page whose id is empty
    expect(await service.call('DELETE /api/history/', { key })).toMatchObject({ status: 404 })
    const cleared = await service.call('DELETE /api/history', { key })
    expect(cleared.body).toEqual({ success: true, deleted: 2, remaining: 1 })
    release()
    await until(id, 'completed', key)
    expect((await service.call('GET /api/history', { key })).body.items).toMatchObject([{ id }])
  })

  it('does not return an erased request for its idempotency key', async () => {
    const headers = { 'idempotency-key': 'webui-erased' }
    const { body } = await generate({ prompt: 'a cat' }, { headers })
    await service.call(`DELETE /api/history/${body.id}`)
    expect(await generate({ prompt: 'a cat' }, { headers })).toMatchObject({
      status: 410,
      body: { code: 'idempotency_erased' },
    })
    expect(tasks).toHaveLength(1)
  })
})

describe('the state of the service', () => {
  it('is returned to clients with a key', async () => {
    const { body } = await service.call('GET /api/status')
    expect(body).toMatchObject({
      status: 'ok',
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      queue: { sketch: 0 },
      queue_state: 'ready',
      database: 'ready',
      models: 1,
      default_model: 'sketch',
      credits: await service.balance(),
    })
    expect(await service.call('GET /api/status', { key: operatorKey })).toMatchObject({ status: 200 })
    expect(await service.call('GET /api/status', { key: null })).toMatchObject({ status: 401 })
  })

  it('is checked without a key, with a timeout and one ping at a time', async () => {
    expect(await service.call('GET /health', { key: null })).toMatchObject({ status: 200, body: { status: 'ok' } })
    const { database } = service.core
    const { ping } = database
    let pings = 0
    try {
      Object.assign(database, {
        ping: () => {
          pings++
          return new Promise(() => undefined)
        },
      })
      const checks = Array.from({ length: 5 }, () => service.call('GET /health', { key: null }))
      for (const answer of await Promise.all(checks)) {
        expect(answer).toMatchObject({ status: 503, body: { status: 'error' } })
      }
      expect(pings).toBe(1)
    } finally {
      Object.assign(database, { ping })
    }
  })

  it('and the history are available to pages of any origin', async () => {
    const answer = await http(`${service.url}/api/history/x`, {
      method: 'OPTIONS',
      headers: { origin: 'https://a.example', 'access-control-request-method': 'DELETE' },
    })
    expect(answer.statusCode).toBe(204)
    expect(answer.headers).toMatchObject({ 'access-control-allow-origin': '*' })
  })
})
