import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../../src/core/errors.ts'
import type { Task } from '../../../../src/core/ports/providers.ts'
import { fluxDevRedux } from '../../../../src/models/flux-dev.ts'
import { fluxPro, kontextEndpoints } from '../../../../src/models/kontext.ts'
import { sketch } from '../../../../src/models/sketch.ts'
import { createPlain, pngOf } from '../../../helpers/core.ts'
import { openService, operatorKey, type Sent, type Service } from './service.ts'

let service: Service
const tasks: Task[] = []
/** The providers wait for it. */
let hold: Promise<void> | undefined
let release = () => {}

beforeAll(async () => {
  const start = async (task: Task) => {
    tasks.push(task)
    await hold
    const { prompt = '', count = 1 } = task.input as { prompt?: string; count?: number }
    if (prompt.includes('forbidden')) throw new AppError('moderated', {}, { final: true })
    const images = await Promise.all(Array.from({ length: count }, () => pngOf(64, 32)))
    return { state: 'done' as const, images, seed: '7' }
  }
  service = await openService({
    providers: ['sketch', 'fal'].map((name) => createPlain({ name, repeatable: false, start })),
    models: [sketch, fluxPro, fluxDevRedux, ...kontextEndpoints],
    limits: { perMinute: 10_000, welcome: 1_000 },
    admins: ['test:root'],
  })
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
const draw = (body: unknown, sent: Sent = {}, how = 'text-to-image') => service.call(`POST ${how}`, { body, ...sent })
const until = async (id: string, status: string) => {
  const state = async () => (await service.call(`GET task/${id}`)).body.status
  await expect.poll(state, { interval: 20 }).toBe(status)
  return (await service.call(`GET task/${id}`)).body
}
const dataUrl = async (edge = 30) => `data:image/png;base64,${(await pngOf(edge, edge)).toString('base64')}`

describe('a task', () => {
  it('is accepted at once, generated, and charged once', async () => {
    const before = await service.balance()
    const wanted = { prompt: ' a  cat ', model: 'sketch', num_images: 2, aspect_ratio: '16:9', seed: 42 }
    const { status, headers, body } = await draw({ ...wanted, num_inference_steps: 9, guidance_scale: 2.5 })
    expect(status).toBe(200)
    expect(headers.get('location')).toBe(`/api/v1/flux/task/${body.id}`)
    expect(headers.get('x-ratelimit-remaining-requests')).toMatch(/^\d+$/)
    expect(body).toMatchObject({
      success: true,
      task_id: body.id,
      credits: 0,
      images: [],
      image_url: null,
      error: null,
    })
    expect(['PENDING', 'IN_PROGRESS']).toContain(body.status)
    const done = await until(body.id, 'SUCCESS')
    expect(done).toMatchObject({
      task_type: 'text_to_image',
      source: 'api',
      model: 'sketch',
      prompt: 'a cat',
      aspect_ratio: '16:9',
      width: 64,
      height: 32,
      num_images: 2,
      num_inference_steps: 9,
      guidance_scale: 2.5,
      seed: 7,
      progress: 100,
      queue_position: null,
      credits: 2,
      error: null,
      error_message: null,
      generation_time: expect.any(Number),
      started_at: expect.any(String),
      completed_at: expect.any(String),
    })
    expect(done.images).toHaveLength(2)
    expect(done.images[0]).toEqual({ url: done.image_url, width: 64, height: 32, content_type: 'image/png' })
    expect(done.cloud_image_url).toBe(done.image_url)
    expect((await fetch(done.image_url)).headers.get('content-type')).toBe('image/png')
    expect(await service.balance()).toBe(before - 2)
    const rows = await service.core.database.rows(sql`select state, price from generations where id = ${body.id}`)
    expect(rows).toEqual([{ state: 'delivered', price: 2 }])
  })

  it('is in progress while it is generated, and cancelling it returns the credits', async () => {
    stop()
    const before = await service.balance()
    const { id } = (await draw({ prompt: 'slow' })).body
    expect(await until(id, 'IN_PROGRESS')).toMatchObject({ queue_position: null, credits: 0, images: [] })
    // some clients send a content type without a body
    const headers = { 'content-type': 'application/json' }
    const cancelled = await service.call(`DELETE task/${id}`, { headers })
    release()
    expect(cancelled.status).toBe(200)
    expect(cancelled.body).toMatchObject({ status: 'FAILED', error: { code: 'cancelled' }, credits: 0 })
    expect(await service.balance()).toBe(before)
    expect((await service.call(`DELETE task/${id}`)).body.status).toBe('FAILED')
  })

  it.each<[string, string, Sent]>([
    ['sync_mode', 'text-to-image', { body: { prompt: 'a cat', sync_mode: true } }],
    ['?wait=true', 'text-to-image?wait=true', { body: { prompt: 'a cat' } }],
    ['Prefer: wait', 'text-to-image', { body: { prompt: 'a cat' }, headers: { prefer: 'wait' } }],
    ['Prefer: wait=20', 'text-to-image', { body: { prompt: 'a cat' }, headers: { prefer: 'wait=20' } }],
  ])('with %s is returned when it has ended', async (_name, path, sent) => {
    const { status, body } = await service.call(`POST ${path}`, sent)
    expect([status, body.status]).toEqual([200, 'SUCCESS'])
  })

  it('that takes longer than the client waits is returned unfinished', async () => {
    stop()
    const { status, body } = await draw({ prompt: 'slow' }, {}, 'text-to-image?wait=1')
    release()
    expect([status, body.status]).toEqual([200, 'IN_PROGRESS'])
    await until(body.id, 'SUCCESS')
  })

  it('that fails has an error in the language of the request, and is not charged', async () => {
    const before = await service.balance()
    const failed = await draw({ prompt: 'forbidden', sync: true }, { headers: { 'accept-language': 'zh-CN' } })
    expect(failed.status).toBe(200)
    expect(failed.body).toMatchObject({ status: 'FAILED', images: [], credits: 0, error: { code: 'moderated' } })
    expect(failed.body.error_message).toMatch(/\p{Script=Han}/u)
    expect(await service.balance()).toBe(before)
  })

  it('is returned again for the same Idempotency-Key, and a different body is refused', async () => {
    const before = await service.balance()
    const headers = { 'idempotency-key': 'once' }
    const first = await draw({ prompt: 'once', wait: true }, { headers })
    const again = await draw({ prompt: 'once', wait: true }, { headers })
    expect(again.body.id).toBe(first.body.id)
    const other = await draw({ prompt: 'twice', wait: true }, { headers })
    expect([other.status, other.body.error.code]).toEqual([422, 'idempotency_reused'])
    expect(await service.balance()).toBe(before - 1)
  })

  it('saves the address of the webhook', async () => {
    const address = 'https://example.com/hook'
    const { id } = (await draw({ prompt: 'a cat', callbackUrl: address, sync: true })).body
    const rows = await service.core.database.rows(sql`select webhook_url from generations where id = ${id}`)
    expect(rows).toEqual([{ webhook_url: address }])
  })

  it('of another account is not found, except by administrators', async () => {
    const { id } = (await draw({ prompt: 'mine', sync: true })).body
    const key = await service.keyFor('bob')
    for (const what of [`GET task/${id}`, `DELETE task/${id}`, 'GET task/nothing', `GET task/${id.slice(1)}0`]) {
      const { status, body } = await service.call(what, { key })
      expect([status, body.error.code]).toEqual([404, 'unknown_request'])
    }
    for (const key of [operatorKey, await service.keyFor('root')]) {
      expect((await service.call(`GET task/${id}`, { key })).body.prompt).toBe('mine')
    }
  })
})

describe('request fields', () => {
  it.each<[object, object]>([
    [{ n: 2 }, { num_images: 2 }],
    [{ numImages: 2 }, { num_images: 2 }],
    [{ count: 3, num_images: 2 }, { num_images: 2 }],
    [{ ratio: '9:16' }, { aspect_ratio: '9:16', width: 576, height: 1024 }],
    [{ size: '1024x576' }, { aspect_ratio: '16:9' }],
    [{ aspectRatio: '16：9' }, { aspect_ratio: '16:9' }],
    [{ image_size: 'landscape_4_3' }, { aspect_ratio: '4:3' }],
    [{ image_size: 'square_hd' }, { aspect_ratio: '1:1' }],
    [{ imageSize: { width: 640, height: 480 } }, { width: 640, height: 480 }],
    [
      { width: 320, height: 200 },
      { width: 320, height: 200 },
    ],
    [{ aspect_ratio: 'auto' }, { aspect_ratio: '1:1' }],
    [
      { guidance: 4, steps: 12 },
      { guidance_scale: 4, num_inference_steps: 12 },
    ],
    [{ negative_prompt: 'dogs' }, { negative_prompt: 'dogs' }],
    [{ seed: '-1', strength: 0.5 }, { strength: 0.5 }],
    [
      { seed: null, model: null, num_images: null },
      { num_images: 1, model: 'sketch' },
    ],
    [{ safety_tolerance: '2', enable_safety_checker: true, output_format: 'jpeg' }, { status: 'SUCCESS' }],
    [{ model: 'kontext' }, { model: 'flux-pro' }],
    [{ num_images: 9 }, { num_images: 4, adjusted: ['num_images'] }],
    [{ num_images: 0 }, { num_images: 1, adjusted: ['num_images'] }],
    [{ steps: 99 }, { num_inference_steps: 50, adjusted: ['num_inference_steps'] }],
    [{ guidance_scale: 1e9 }, { guidance_scale: 20, adjusted: ['guidance_scale'] }],
    [{ strength: -1 }, { strength: 0, adjusted: ['strength'] }],
    [{ steps: 9 }, { num_inference_steps: 9, ignored: [], adjusted: [] }],
    [
      { model: 'pro', steps: 9, negative_prompt: 'b', strength: 0.5 },
      {
        num_inference_steps: null,
        negative_prompt: null,
        ignored: ['negative_prompt', 'num_inference_steps', 'strength'],
      },
    ],
    [
      { model: 'pro', safety_tolerance: '5' },
      { safety_tolerance: '5', ignored: [] },
    ],
    [
      { model: 'pro', safety_tolerance: 9 },
      { safety_tolerance: '6', adjusted: ['safety_tolerance'] },
    ],
    [{ safety_tolerance: '2' }, { safety_tolerance: null, ignored: ['safety_tolerance'] }],
    [{ model: 'fal-ai/flux-pro/kontext/text-to-image' }, { status: 'SUCCESS' }],
  ])('%j are accepted', async (fields, expected) => {
    const { status, body } = await draw({ prompt: 'a cat', sync_mode: true, ...fields })
    expect(status).toBe(200)
    // the input replaces the size of the picture by the requested one
    expect({ ...body, ...(tasks[0]?.input as object) }).toMatchObject(expected)
  })

  it('for input images: addresses, files, and both together', async () => {
    const form = async (fields: Record<string, string | number>, files: Record<string, number[]>) => {
      const form = new FormData()
      for (const [name, value] of Object.entries(fields)) form.set(name, String(value))
      for (const [name, edges] of Object.entries(files)) {
        for (const edge of edges) form.append(name, new Blob([new Uint8Array(await pngOf(edge, edge))]), 'a.png')
      }
      return form
    }
    const address = await dataUrl()
    const requests: [string, unknown, string, number[]][] = [
      ['image-to-image', { prompt: 'night', image_url: address, strength: 0.4 }, 'image_to_image', [30]],
      ['image-to-image', { prompt: 'night', image: { url: address } }, 'image_to_image', [30]],
      ['image-to-image', await form({ prompt: 'night', strength: 0.4 }, { image: [40] }), 'image_to_image', [40]],
      ['image-to-image', await form({ prompt: 'night', numImages: 1 }, { file: [40] }), 'image_to_image', [40]],
      ['multi-image-edit', { prompt: 'both', image_urls: [address, await dataUrl(20)] }, 'multi_image_edit', [30, 20]],
      ['multi-image-edit', { prompt: 'both', images: [address, address] }, 'multi_image_edit', [30, 30]],
      ['multi-image-edit', await form({ prompt: 'both' }, { 'images[]': [40, 50] }), 'multi_image_edit', [40, 50]],
      [
        'multi-image-edit',
        await form({ prompt: 'x', image_urls: address }, { files: [9] }),
        'multi_image_edit',
        [9, 30],
      ],
      ['image-to-image', { model: 'flux-dev-redux', image_url: address }, 'image_to_image', [30]],
      ['image-to-image', { model: 'flux-dev-redux', prompt: 'a', image_url: address }, 'image_to_image', [30]],
      ['image-to-image', { prompt: 'night', input_image_url: address }, 'image_to_image', [30]],
    ]
    for (const [how, body, type, edges] of requests) {
      const answer = await service.call(`POST ${how}?wait=true`, { body })
      expect([answer.status, answer.body.status, answer.body.task_type]).toEqual([200, 'SUCCESS', type])
      expect(answer.body).toMatchObject({ width: 64, height: 32 })
      expect(tasks.at(-1)?.images.map(({ width }) => width)).toEqual(edges)
    }
  })
})

it('a task with the ratio of its input image has no size until it is generated', async () => {
  stop()
  const { body } = await draw({ prompt: 'night', model: 'flux-pro', image_url: await dataUrl() }, {}, 'image-to-image')
  expect(body).toMatchObject({ aspect_ratio: 'auto', width: null, height: null })
  release()
  expect(await until(body.id, 'SUCCESS')).toMatchObject({ aspect_ratio: 'auto', width: 64, height: 32 })
})

describe('a refused request', () => {
  const text = 'POST text-to-image'
  const image = 'POST image-to-image'
  const several = 'POST multi-image-edit'
  const small = 'data:image/png;base64,AAAA'

  it.each<[string, unknown, number, string, string | undefined]>([
    [text, {}, 400, 'bad_request', 'prompt'],
    [text, { prompt: '' }, 400, 'empty_prompt', 'prompt'],
    [text, { prompt: ' ' }, 400, 'empty_prompt', 'prompt'],
    [text, { prompt: 7 }, 400, 'bad_request', 'prompt'],
    [text, { prompt: 'x'.repeat(5_000) }, 400, 'prompt_too_long', 'prompt'],
    [text, { prompt: 'a', negative_prompt: 'x'.repeat(5_000) }, 400, 'bad_option', 'negative_prompt'],
    [text, { prompt: 'a', n: 'two' }, 400, 'bad_request', 'num_images'],
    [text, { prompt: 'a', model: 'nothing' }, 400, 'unknown_model', 'model'],
    [text, { prompt: 'a', aspect_ratio: '7:5' }, 400, 'unknown_ratio', 'aspect_ratio'],
    [text, { prompt: 'a', aspect_ratio: 'wide' }, 400, 'unknown_ratio', 'aspect_ratio'],
    [text, { prompt: 'a', image_size: 'huge' }, 400, 'bad_request', 'image_size'],
    [text, { prompt: 'a', width: 100 }, 400, 'bad_request', 'height'],
    [text, { prompt: 'a', width: 9_000, height: 9_000 }, 400, 'unknown_ratio', 'aspect_ratio'],
    [text, { prompt: 'a', seed: 1.5 }, 400, 'bad_request', 'seed'],
    [text, { prompt: 'a', guidance_scale: '3' }, 400, 'bad_request', 'guidance_scale'],
    [text, { prompt: 'a', enhance: true }, 400, 'enhancer_missing', undefined],
    [text, { prompt: 'a', sync_mode: 'yes' }, 400, 'bad_request', 'sync_mode'],
    [text, { prompt: 'a', webhook_url: 'ftp://example.com' }, 400, 'bad_request', 'webhook_url'],
    [text, { prompt: 'a', image_url: small }, 400, 'bad_request', 'image_url'],
    [text, { model: 'flux-dev-redux', prompt: 'a' }, 400, 'image_needed', undefined],
    [text, '{"prompt":', 400, 'bad_request', undefined],
    [text, '[]', 400, 'bad_request', 'body'],
    [`${text}?wait=soon`, { prompt: 'a' }, 400, 'bad_request', 'wait'],
    [image, { prompt: 'a' }, 400, 'bad_request', 'image_url'],
    [image, { prompt: 'a', image_url: 7 }, 400, 'bad_request', 'image_url'],
    [image, { prompt: 'a', image_urls: [small, small] }, 400, 'bad_request', 'image_url'],
    [image, { prompt: 'a', image_url: small }, 415, 'image_type', undefined],
    [image, { prompt: 'a', image_url: 'https://127.0.0.1/a.png' }, 400, 'image_unreachable', undefined],
    [image, { prompt: 'a', image_url: 'http://example.com/a.png' }, 400, 'image_unreachable', undefined],
    [image, { prompt: 'a', image_url: 'file:///etc/passwd' }, 400, 'image_unreachable', undefined],
    [image, { prompt: 'a', image_url: '../secret.png' }, 400, 'image_unreachable', undefined],
    [several, { prompt: 'a', image_urls: [small] }, 400, 'bad_request', 'image_urls'],
    [several, { prompt: 'a', image_urls: Array(15).fill(small) }, 400, 'bad_request', 'image_urls'],
    [
      several,
      { prompt: 'a', image_urls: Array(9).fill(small), image_url: Array(9).fill(small) },
      400,
      'bad_request',
      'image_urls',
    ],
    [several, { prompt: 'a', model: 'flux-dev-redux', image_urls: [small, small] }, 400, 'too_many_images', undefined],
    ['GET history?page=0', undefined, 400, 'bad_request', 'page'],
    ['GET history?limit=101', undefined, 400, 'bad_request', 'limit'],
    ['GET history?page=1001', undefined, 400, 'bad_request', 'page'],
    ['GET history?before=yesterday', undefined, 400, 'bad_request', 'before'],
    ['GET /api/v1/images/unified-history?source=fax', undefined, 400, 'bad_request', 'source'],
    ['GET nothing', undefined, 404, 'unknown_path', undefined],
    ['POST upload-image', { file: 'x' }, 400, 'bad_request', 'file'],
  ])('%s %j names the field, and is not charged', async (what, body, status, code, field) => {
    const [before, accepted] = [await service.balance(), await service.accepted()]
    const answer = await service.call(what, { body })
    expect([answer.status, answer.body.error.code]).toEqual([status, code])
    expect(answer.body.error.details?.[0]?.field).toBe(field)
    expect(answer.body).toMatchObject({ success: false, detail: answer.body.error.message })
    expect(answer.body.detail).not.toMatch(/undefined|--/)
    expect([await service.balance(), await service.accepted()]).toEqual([before, accepted])
  })

  it('without a key, credits, permission or a free slot has its own code', async () => {
    const refused = async (sent: Sent) => {
      const { status, body } = await draw({ prompt: 'a cat', num_images: 2, sync: true }, sent)
      return [status, body.error?.code]
    }
    expect(await refused({ key: null })).toEqual([401, 'key_missing'])
    expect(await refused({ key: 'fb_wrong' })).toEqual([401, 'key_wrong'])
    expect(await refused({ key: await service.keyFor('cap', { monthlyCap: 1 }) })).toEqual([402, 'cap_reached'])
    const limited = await service.keyFor('limited', { models: ['flux-pro'] })
    const other = await draw({ prompt: 'a cat', model: 'sketch' }, { key: limited })
    expect([other.status, other.body.error.code]).toEqual([403, 'model_not_allowed'])
    const { database } = service.core
    const poor = await service.keyFor('poor')
    await database.rows(sql`
      insert into ledger (user_id, kind, amount, reason, key)
      select id, 'take', -balance, 'test', 'poor' from users where name = 'poor'`)
    expect(await refused({ key: poor })).toEqual([402, 'no_credits'])
    const banned = await service.keyFor('banned')
    await database.rows(sql`update users set banned = true where name = 'banned'`)
    expect(await refused({ key: banned })).toEqual([403, 'banned'])
    const busy = await service.keyFor('busy')
    await database.rows(sql`update users set in_flight = 3 where name = 'busy'`)
    expect(await refused({ key: busy })).toEqual([429, 'too_many_in_flight'])
    await database.rows(sql`update users set in_flight = 0 where name = 'busy'`)
  })
})

describe('routes about a key', () => {
  it('list the models that it may use, with prices and parameters', async () => {
    const { status, body } = await service.call('GET models')
    expect(status).toBe(200)
    expect(body).toMatchObject({ enabled: true, default_model: 'sketch' })
    const ids = body.models.map(({ id }: { id: string }) => id)
    expect(ids.slice(0, 3)).toEqual(['sketch', 'flux-pro', 'flux-dev-redux'])
    expect(ids.slice(3)).toEqual(kontextEndpoints.map(({ id }) => id))
    const [everything, pro, redux] = body.models
    expect(pro).toMatchObject({
      name: 'FLUX.1 Kontext [pro]',
      aliases: ['pro', 'kontext'],
      provider: 'fal',
      price: 4,
      type: 'text_to_image',
      types: ['text_to_image', 'image_to_image', 'multi_image'],
    })
    expect(pro.modes.text_to_image.aspect_ratios['16:9']).toEqual({ width: 1392, height: 752 })
    expect(pro.modes.text_to_image.parameters.guidance_scale).toEqual({ min: 1, max: 20, integer: false })
    expect(pro.modes.multi_image_edit.input_images.min).toBe(2)
    expect(redux).toMatchObject({ types: ['image_to_image'], modes: { text_to_image: null, multi_image_edit: null } })
    expect(redux.modes.image_to_image.prompt).toBe('none')
    expect(everything.modes.image_to_image.parameters.strength).toEqual({ min: 0, max: 1, integer: false })
    expect(everything.modes.multi_image_edit.input_images).toEqual({ min: 2, max: 14 })
    const key = await service.keyFor('limited2', { models: ['flux-pro'] })
    const limited = (await service.call('GET models', { key })).body
    expect(limited.models.map(({ id }: { id: string }) => id)).toEqual(['flux-pro'])
    expect(limited.default_model).toBe('flux-pro')
  })

  it('return its credits and limits, and no secret', async () => {
    const key = await service.keyFor('eve', { name: 'page', monthlyCap: 50, models: ['sketch'] })
    await draw({ prompt: 'a cat', num_images: 2, sync: true }, { key })
    const { body } = await service.call('GET config/user', { key })
    expect(body).toMatchObject({
      user: { name: 'eve', credits: { balance: 998, held: 0 } },
      key: { name: 'page', last_four: key.slice(-4), monthly_cap: 50, spent_this_month: 2, models: ['sketch'] },
      limits: { in_flight: 3, per_minute: 10_000, upload_mb: 10, request_mb: 50, images: 14, uploads_per_day: 200 },
      max_concurrent_tasks: 3,
      default_model: 'sketch',
      model_credits: { sketch: 1 },
    })
    expect(body.providers).toBeUndefined()
    const operator = (await service.call('GET config/user', { key: operatorKey })).body
    expect(operator.key).toEqual({ operator: true })
    expect(operator.limits).toMatchObject({ in_flight: 100, per_minute: 6_000 })
    expect(operator.providers).toEqual([
      { name: 'sketch', configured: true },
      { name: 'fal', configured: true },
    ])
  })
})

describe('history', () => {
  it('lists the requests of the API, or of the chats too', async () => {
    const key = await service.keyFor('zoe')
    for (const prompt of ['one', 'two', 'three']) await draw({ prompt, sync: true }, { key })
    const call = await service.test.say('a chat’s cat', { who: 'zoe' })
    expect(await service.test.ended(call)).toBe('delivered')
    const prompts = (items: { prompt: string }[]) => items.map(({ prompt }) => prompt)

    const first = (await service.call('GET history?page=1&limit=2', { key })).body
    expect(prompts(first.data)).toEqual(['three', 'two'])
    expect(first).toMatchObject({ page: 1, limit: 2, total: 3, has_more: true })
    const second = (await service.call('GET history?page=2&limit=2', { key })).body
    expect(prompts(second.data)).toEqual(['one'])
    expect(second).toMatchObject({ page: 2, total: 3, has_more: false })
    const older = (await service.call(`GET history?limit=1&before=${first.data[0].task_id}`, { key })).body
    expect(prompts(older.data)).toEqual(['two'])
    expect(older.has_more).toBe(true)

    const all = (await service.call('GET /api/v1/images/unified-history', { key })).body
    expect(prompts(all.items)).toEqual(['a chat’s cat', 'three', 'two', 'one'])
    expect(all.items[0]).toMatchObject({ source: 'sketch', surface: 'test', status: 'SUCCESS', credits: 1 })
    expect(all.items[0].images[0].url).toMatch(/^http/)
    expect(all.pagination).toEqual({ page: 1, limit: 20, has_more: false })
    const api = (await service.call('GET /api/v1/images/unified-history?source=api&limit=1', { key })).body
    expect(prompts(api.items)).toEqual(['three'])
    expect(api.pagination).toEqual({ page: 1, limit: 1, has_more: true })
    const after = `source=api&before=${api.items[0].task_id}`
    expect(prompts((await service.call(`GET /api/v1/images/unified-history?${after}`, { key })).body.items)).toEqual([
      'two',
      'one',
    ])
    expect((await service.call('GET /api/v1/images/unified-history?source=discord', { key })).body.items).toEqual([])
    for (const query of ['source=all', 'source=']) {
      const { items } = (await service.call(`GET /api/v1/images/unified-history?${query}`, { key })).body
      expect(items).toHaveLength(4)
    }
  })

  it('names the generator of each request, of old ones as well, and filters by it', async () => {
    const key = await service.keyFor('yan')
    const stored = [
      ['flux-dev', 'fal', 'flux'],
      ['fal-ai/flux-pro/kontext', 'fal', 'flux'],
      ['seedream-4-5', 'ark', 'doubao'],
      ['seedream-4-fal', 'fal', 'doubao'],
      ['qwen-image', 'dashscope', 'qwen'],
      ['wan', 'dashscope', 'qwen'],
      ['gemini-image', 'gemini', 'gemini'],
      ['nano-banana', 'fal', 'gemini'],
      ['gpt-image', 'openai', 'openai'],
      ['jimeng-3-1', 'jimeng', 'jimeng'],
      ['kling', 'kling', 'kling'],
      ['midjourney', 'midjourney', 'midjourney'],
      ['ideogram', 'fal', 'ideogram'],
      ['swan-lake', 'comfyui', 'comfyui'],
    ] as const
    for (const [model, provider] of stored) {
      const { body } = await draw({ prompt: model, sync: true }, { key })
      await service.core.database.rows(
        sql`update generations set model = ${model}, provider = ${provider} where id = ${body.task_id}::uuid`,
      )
    }
    const list = async (query = '') =>
      (await service.call(`GET /api/v1/images/unified-history?limit=50${query}`, { key })).body.items.map(
        (item: { prompt: string; source: string }) => [item.prompt, item.source],
      )
    const expected = stored.map(([model, , generator]) => [model, generator]).reverse()
    expect(await list()).toEqual(expected)
    for (const generator of new Set(stored.map(([, , name]) => name))) {
      expect(await list(`&source=${generator}`)).toEqual(expected.filter(([, name]) => name === generator))
    }
    expect(await list('&source=ark')).toEqual(expected.filter(([, name]) => name === 'doubao'))
  })
})

it('no response contains a secret', () => {
  const all = service.answers.join('\n')
  for (const secret of [
    operatorKey,
    service.key,
    service.core.secretKey.toString('utf8'),
    'node_modules',
    'at Object.',
  ]) {
    expect(all.includes(secret)).toBe(false)
  }
})

describe('without a worker or a database', () => {
  it('a task waits in the queue and has a position', async () => {
    const idle = await openService({ limits: { welcome: 10 } })
    const ask = async () => (await idle.call('POST text-to-image', { body: { prompt: 'a cat' } })).body
    const [first, second] = [await ask(), await ask()]
    expect([first.status, first.queue_position]).toEqual(['PENDING', null])
    const task = async ({ id }: { id: string }) => (await idle.call(`GET task/${id}`)).body
    expect(await task(first)).toMatchObject({ status: 'IN_QUEUE', queue_position: 1, progress: 0, started_at: null })
    expect(await task(second)).toMatchObject({ status: 'IN_QUEUE', queue_position: 2 })
    for (const { id } of [first, second]) await idle.call(`DELETE task/${id}`)
    expect(await idle.balance()).toBe(10)
    expect(await idle.close()).toEqual([])
  })

  it('the health check needs no key, and fails when the database does not respond', async () => {
    let isDown = false
    const unhealthy = await openService({}, ({ database }) => {
      const ping = () => (isDown ? Promise.reject(new Error('down')) : database.ping())
      return { database: { ...database, ping } }
    })
    const before = await unhealthy.call('GET health', { key: null })
    expect([before.status, before.body]).toEqual([
      200,
      { status: 'ok', service: 'fluxbot', version: expect.any(String) },
    ])
    isDown = true
    const after = await unhealthy.call('GET health', { key: null })
    expect([after.status, after.body]).toEqual([503, { status: 'error', service: 'fluxbot' }])
    expect(await unhealthy.close()).toEqual([])
  })
})
