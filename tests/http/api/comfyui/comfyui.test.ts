import { sql } from 'drizzle-orm'
import sharp from 'sharp'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../../src/core/errors.ts'
import { erase } from '../../../../src/core/media/erase.ts'
import { signLink } from '../../../../src/core/media/links.ts'
import { waitForEnd } from '../../../../src/core/programs/wait.ts'
import { askAs, createPlain } from '../../../helpers/core.ts'
import { openService, operatorKey, publicUrl, type Service } from './service.ts'

let service: Service
/** Providers other than ComfyUI wait for it. */
let hold: Promise<void> | undefined
let release = () => {}

const jpegOf = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: '#804020' } })
    .jpeg()
    .toBuffer()

/** A provider that returns the requested number of JPEG images, each a pixel wider. */
const jpegProvider = (name: string) =>
  createPlain({
    name,
    repeatable: false,
    start: async (task) => {
      await hold
      const { prompt = '', count = 1 } = task.input as { prompt?: string; count?: number }
      if (prompt.includes('forbidden')) throw new AppError('moderated', {}, { final: true })
      return { state: 'done', images: await Promise.all(Array.from({ length: count }, (_, at) => jpegOf(96 + at, 48))) }
    },
  })

beforeAll(async () => {
  const limits = { perMinute: 10_000, welcome: 1_000, inFlight: 20 }
  service = await openService({ others: [jpegProvider('sketch'), jpegProvider('fal')], limits })
  await service.test.work()
})
afterAll(async () => {
  expect(await service.close()).toEqual([])
})
beforeEach(() => {
  hold = undefined
  service.emulator.requests.length = 0
})

const stop = () => {
  hold = new Promise((resolve) => {
    release = resolve
  })
}

const small = { prompt: 'a cat', width: 64, height: 64, steps: 1 }

/** Inputs of the nodes for sampling, size and text in the last prompt that ComfyUI received. */
function lastGraph() {
  const sent = service.emulator.requests.findLast(({ method, path }) => method === 'POST' && path === '/prompt')
  const { prompt } = JSON.parse(sent?.body.toString() ?? '{}') as { prompt: Record<string, { inputs: object }> }
  return Object.assign({}, ...['4', '6', '7'].map((node) => prompt[node]?.inputs))
}

async function rowOf(id: string) {
  const [row] = await service.core.database.rows<{ state: string; model: string; price: number; webhook: string }>(
    sql`select state, model, price, webhook_url as webhook from generations where id = ${id}`,
  )
  return row
}

const accepted = async () =>
  (await service.core.database.rows<{ n: number }>(sql`select count(*)::int as n from generations`))[0]?.n

const until = (id: string, status: number) =>
  expect.poll(async () => (await service.call(`/image/${id}`)).status).toBe(status)

describe('POST /generate', () => {
  it('responds with a task, its parameters and a link that needs no key', async () => {
    const before = await service.balance()
    const { status, body } = await service.generate({
      prompt: '  a majestic dragon,  fantasy art ',
      width: 256,
      height: 192,
      steps: 20,
      guidance_scale: 3.5,
    })
    expect(status).toBe(200)
    expect(body).toEqual({
      task_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      status: 'completed',
      image_url: expect.stringMatching(`^/image/${body.task_id}\\?expires=\\d+&signature=[\\w-]+$`),
      parameters: {
        prompt: 'a majestic dragon, fantasy art',
        width: 256,
        height: 192,
        steps: 20,
        guidance_scale: 3.5,
        seed: lastGraph().seed,
        model: 'comfy-dev',
      },
      generation_time: expect.any(Number),
    })
    expect(lastGraph()).toMatchObject({ width: 256, height: 192, steps: 20, guidance: 3.5 })
    expect(body.generation_time).toBeGreaterThanOrEqual(0)
    const picture = await service.call(body.image_url, { key: null })
    expect(picture.headers.get('content-type')).toBe('image/png')
    expect(await sharp(picture.bytes).metadata()).toMatchObject({ format: 'png', width: 256, height: 192 })
    expect(await rowOf(body.task_id)).toMatchObject({ state: 'delivered', model: 'comfy-dev', price: 1 })
    expect(await service.balance()).toBe(before - 1)
  })

  it.each([
    [{ width: 64, height: 2048, steps: 1, guidance_scale: 0 }],
    [{ width: 2048, height: 64, steps: 50, guidance_scale: 20 }],
  ])('accepts values at the limits: %j', async (given) => {
    const { status, body } = await service.generate({ prompt: 'a cat', ...given })
    expect({ status, given: body.parameters }).toMatchObject({ status: 200, given })
    const { guidance_scale: guidance, ...rest } = given
    expect(lastGraph()).toMatchObject({ guidance, ...rest })
  })

  it.each([
    [{ seed: 42 }, 42],
    [{ seed: '9007199254740991' }, 9007199254740991],
    [{ seed: 0 }, 0],
    [{ seed: -1 }, undefined],
    [{ seed: null, model: null, unheard_of: 1 }, undefined],
  ])('uses the seed of %j and returns it', async (given, seed) => {
    const { status, body } = await service.generate({ ...small, ...given })
    expect(status).toBe(200)
    expect(body.parameters.seed).toBe(lastGraph().seed)
    if (seed !== undefined) expect(body.parameters.seed).toBe(seed)
  })

  it('generates 1024 × 1024 by default, also for a missing side', async () => {
    stop()
    const fields = { prompt: 'a cat', model: 'sketch', wait: false }
    const responses = [await service.generate(fields), await service.generate({ ...fields, height: 512 })]
    expect(responses.map(({ body }) => [body.parameters.width, body.parameters.height])).toEqual([
      [1024, 1024],
      [1024, 512],
    ])
    expect(responses[0]?.body.parameters).toMatchObject({ steps: 20, guidance_scale: 3.5, seed: null })
    release()
    for (const { body } of responses) await until(body.task_id, 200)
  })

  const side = 'must be a whole number between 64 and 2048'
  const steps = 'steps must be a whole number between 1 and 50'
  const guidance = 'guidance_scale must be a number between 0 and 20'
  const seed = 'seed must be a whole number from 0, or -1 for a random seed'
  it.each<[unknown, string | RegExp]>([
    [{ ...small, width: 63 }, `width ${side}`],
    [{ ...small, width: 2049 }, `width ${side}`],
    [{ ...small, width: 64.5 }, `width ${side}`],
    [{ ...small, width: '512' }, `width ${side}`],
    [{ ...small, height: 63 }, `height ${side}`],
    [{ ...small, height: 2049 }, `height ${side}`],
    [{ ...small, steps: 0 }, steps],
    [{ ...small, steps: 51 }, steps],
    [{ ...small, steps: 1.5 }, steps],
    [{ ...small, guidance_scale: -0.1 }, guidance],
    [{ ...small, guidance_scale: 20.1 }, guidance],
    [{ ...small, guidance_scale: true }, guidance],
    [{ ...small, num_images: 0 }, 'num_images must be a whole number between 1 and 10'],
    [{ ...small, model: 'sketch', n: 9 }, /num_images/],
    [{ ...small, seed: -2 }, seed],
    [{ ...small, seed: 1.5 }, seed],
    [{ ...small, strength: 1.1, image: 'x' }, 'strength must be a number between 0 and 1'],
    [{ ...small, return_base64: 'yes' }, 'return_base64 must be true or false'],
    [{ ...small, webhook_url: 'file:///etc/passwd' }, 'webhook_url must be an http or https address'],
    [{ ...small, image: 7 }, /^image must be/],
    [{ ...small, prompt: ' ' }, 'prompt is required'],
    [{ ...small, prompt: undefined }, 'prompt is required'],
    [{ ...small, prompt: ['a cat'] }, 'prompt must be text'],
    [{ ...small, images: Array(15).fill('x') }, /^images must be .+ a list of at most 14/],
    [{ ...small, images: ['x', ''] }, /^images\.1 must be an https address/],
    [[small], 'the request must be a JSON object'],
    [{ ...small, model: 'nothing' }, /^There is no model "nothing"/],
    [{ ...small, model: 'comfy-schnell', guidance_scale: 3 }, /^comfy-schnell does not take guidance_scale/],
    [{ ...small, negative_prompt: 'dogs' }, /^comfy-dev does not take negative_prompt/],
    [{ ...small, denoise: 0.5 }, /^comfy-dev does not take strength/],
    [{ prompt: 'a cat', model: 'comfy-kontext' }, /^comfy-kontext needs a picture/],
    [
      { prompt: 'a cat', model: 'flux-pro', width: 640, height: 480 },
      /^width and height: flux-pro does not offer the ratio 640x480\. It offers: 1024x1024 \(1:1\), 1248x832 /,
    ],
  ])('refuses %j, and charges nothing', async (given, detail) => {
    const before = [await service.balance(), await accepted()]
    const { status, body } = await service.generate(given)
    const details = [typeof detail === 'string' ? detail : expect.stringMatching(detail)]
    expect({ status, body }).toEqual({ status: 400, body: { error: 'Invalid parameters', details } })
    expect([await service.balance(), await accepted()]).toEqual(before)
  })

  it('cuts a prompt at 4,000 characters, and refuses one of more than 32,000', async () => {
    const cut = await service.generate({ ...small, prompt: `${'x'.repeat(3_999)}🦊 and more` })
    expect([cut.status, cut.body.prompt_truncated, cut.body.parameters.prompt]).toEqual([200, true, 'x'.repeat(3_999)])
    const { status, body } = await service.generate({ ...small, prompt: 'x'.repeat(32_001) })
    expect([status, body.details]).toEqual([400, ['prompt must be at most 32000 characters']])
  })

  it('reports all invalid parameters at once', async () => {
    const { body } = await service.generate({ width: 1, height: 9_999, steps: 0, guidance_scale: 'much', seed: 'x' })
    expect(body.details).toHaveLength(6)
    expect(body.details.map((each: string) => each.split(' ')[0]).sort()).toEqual(
      ['guidance_scale', 'height', 'prompt', 'seed', 'steps', 'width'].sort(),
    )
  })

  it.each([
    ['{"prompt": ', []],
    ['', ['the request must be a JSON object']],
  ])('refuses the body %j, which is not a JSON object', async (body, details) => {
    expect(await service.generate(body)).toMatchObject({ status: 400, body: { error: expect.any(String), details } })
  })

  it('accepts a preset of a model without exact sizes', async () => {
    const wanted = { prompt: 'a cat', model: 'pro', width: 1392, height: 752, wait: false }
    const { status, body } = await service.generate(wanted)
    expect({ status, parameters: body.parameters }).toMatchObject({
      status: 202,
      parameters: { model: 'flux-pro', width: 1392, height: 752 },
    })
    await until(body.task_id, 200)
  })

  it('accepts an input image as data URL, base64, path and URL', async () => {
    const drawn = await service.generate(small)
    const png = await sharp(await jpegOf(80, 40))
      .png()
      .toBuffer()
    const lines = png.toString('base64').replace(/.{76}/g, '$&\n')
    const forms = [
      `data:image/png;base64,${png.toString('base64')}`,
      lines,
      drawn.body.image_url,
      `${publicUrl}/image/${drawn.body.task_id}`,
    ]
    for (const image of forms) {
      const { status, body } = await service.generate({ ...small, image, denoise: 0.5 })
      expect({ status, parameters: body.parameters }).toMatchObject({
        status: 200,
        parameters: { strength: 0.5, model: 'comfy-dev' },
      })
      expect(lastGraph()).toMatchObject({ denoise: 0.5 })
    }
    const uploads = service.emulator.requests.filter(({ path }) => path === '/upload/image')
    expect(uploads).toHaveLength(forms.length)
  })

  it('selects a model that accepts two input images', async () => {
    const image = `data:image/png;base64,${(
      await sharp(await jpegOf(80, 40))
        .png()
        .toBuffer()
    ).toString('base64')}`
    const { status, body } = await service.generate({ prompt: 'both', images: [image, image] })
    expect([status, body.parameters.model]).toEqual([200, 'comfy-kontext'])
    const { bytes } = await service.call(body.image_url)
    const { width, height } = await sharp(bytes).metadata()
    expect(body.parameters).toMatchObject({ width, height })
    const later = await service.generate({ prompt: 'both', images: [image, image], wait: false })
    expect(later.body.parameters).toMatchObject({ width: null, height: null })
    await until(later.body.task_id, 200)
  })

  it('refuses an input image of another account, and data that is not an image', async () => {
    const { body } = await service.generate(small)
    const bob = await service.keyFor('bob')
    expect(await service.generate({ ...small, image: body.image_url }, { key: bob })).toMatchObject({ status: 400 })
    expect(await service.generate({ ...small, image: 'bm90IGEgcGljdHVyZQ==' })).toMatchObject({ status: 415 })
  })

  it('returns the image in base64 on request, always as PNG', async () => {
    for (const answer of [
      await service.generate({ ...small, model: 'sketch', return_base64: true }),
      await service.call('/generate?base64=1', { method: 'POST', body: small }),
    ]) {
      const png = Buffer.from(answer.body.image_base64, 'base64')
      expect((await sharp(png).metadata()).format).toBe('png')
    }
    const without = await service.call('/generate?base64=1', {
      method: 'POST',
      body: { ...small, return_base64: false },
    })
    expect(without.body).not.toHaveProperty('image_base64')
  })

  it.each(['num_images', 'n'])('generates the number of images in %s, each with a link', async (name) => {
    const before = await service.balance()
    const { status, body } = await service.generate({ prompt: 'a cat', model: 'sketch', [name]: 2 })
    expect({ status, parameters: body.parameters }).toMatchObject({ status: 200, parameters: { num_images: 2 } })
    expect(body.image_urls).toEqual([body.image_url, `${body.image_url}&n=1`])
    const widths = []
    for (const url of body.image_urls) {
      const { bytes } = await service.call(url, { key: null })
      widths.push((await sharp(bytes).metadata()).width)
    }
    expect(widths).toEqual([96, 97])
    expect(await service.balance()).toBe(before - 2)
  })

  it('responds at once when the client does not wait, and the link returns the image later', async () => {
    stop()
    const later = { ...small, model: 'sketch', webhook_url: 'https://example.com/hook' }
    const byField = await service.generate({ ...later, wait: false })
    const preferred = await service.generate(later, { headers: { prefer: 'respond-async' } })
    for (const { status, headers, body } of [byField, preferred]) {
      expect(status).toBe(202)
      expect(headers.get('location')).toBe(`/image/${body.task_id}`)
      expect(body.generation_time).toBeNull()
      expect(['queued', 'running']).toContain(body.status)
      expect(await rowOf(body.task_id)).toMatchObject({ webhook: 'https://example.com/hook' })
      const pending = await service.call(body.image_url, { key: null })
      expect([pending.status, pending.headers.get('retry-after')]).toEqual([202, '2'])
      expect(pending.body).toMatchObject({ task_id: body.task_id, percent: null })
    }
    release()
    for (const { body } of [byField, preferred]) await until(body.task_id, 200)
  })

  it('generates once for one idempotency key', async () => {
    const headers = { 'idempotency-key': 'comfy-1' }
    const before = await service.balance()
    const [one, again] = [await service.generate(small, { headers }), await service.generate(small, { headers })]
    expect(again.body.task_id).toBe(one.body.task_id)
    expect(await service.balance()).toBe(before - 1)
    expect(await service.generate({ ...small, width: 128 }, { headers })).toMatchObject({ status: 422 })
  })

  it('returns the error of a failed task, and charges nothing', async () => {
    const before = await service.balance()
    const failed = await service.generate({ ...small, model: 'sketch', prompt: 'forbidden things' })
    expect(failed).toMatchObject({ status: 400, body: { details: [] } })
    expect(await service.balance()).toBe(before)
  })

  it('uses only models that the key may use', async () => {
    const key = await service.keyFor('carol', ['sketch'])
    expect((await service.generate(small, { key })).body.parameters.model).toBe('sketch')
    expect(await service.generate({ ...small, model: 'comfy-dev' }, { key })).toMatchObject({ status: 403 })
    const { body } = await service.call('/status', { key })
    expect(body).toMatchObject({ supported_models: ['sketch'], default_model: 'sketch' })
    expect((await service.call('/models', { key })).body.available).toEqual([])
  })

  it.each(['/status', '/models', '/queue', '/generate', '/image/01890000-0000-7000-8000-000000000000'])(
    '%s requires a key',
    async (path) => {
      const method = path === '/generate' ? 'POST' : 'GET'
      const body = method === 'POST' ? small : undefined
      for (const key of [null, 'wrong']) {
        const answer = await service.call(path, { key, method, body })
        expect(answer).toMatchObject({ status: 401, body: { error: expect.stringMatching(/\w/), details: [] } })
      }
      expect((await service.call(path, { method: 'OPTIONS', key: null })).status).toBe(204)
    },
  )
})

describe('GET /image/{task_id}', () => {
  let id: string
  let link: string
  beforeAll(async () => {
    // two JPEG pictures
    const holder = { userId: service.userId, keyId: null, admin: false, models: null }
    const params = { prompt: 'two cats', model: 'sketch', count: 2 }
    id = (await askAs(service.core, { holder, key: 'two', params, images: [] })).id
    await waitForEnd(service.core, service.userId, id, { signal: AbortSignal.timeout(60_000) })
    const expires = Math.floor(Date.now() / 1000) + 600
    link = `/image/${id}?expires=${expires}&signature=${signLink(service.core.secretKey, id, expires)}`
  })

  it('returns PNG for every stored format, and each of several images', async () => {
    for (const [path, width] of [
      [`/image/${id}`, 96],
      [`/image/${id.toUpperCase()}?n=0`, 96],
      [`/image/${id}?n=1`, 97],
      [`${link}&n=1`, 97],
    ] as const) {
      const { status, headers, bytes } = await service.call(path)
      expect([status, headers.get('content-type'), headers.get('x-content-type-options')]).toEqual([
        200,
        'image/png',
        'nosniff',
      ])
      expect(await sharp(bytes).metadata()).toMatchObject({ format: 'png', width, height: 48 })
    }
    expect(await service.call(`/image/${id}?n=2`)).toMatchObject({ status: 404 })
    for (const n of ['-1', '1.5', 'x', '1e9']) {
      expect(await service.call(`/image/${id}?n=${n}`), n).toMatchObject({
        status: 400,
        body: { details: [expect.stringMatching(/^n must be/)] },
      })
    }
  })

  it('returns a small WebP for a width, by link and with a key', async () => {
    const whole = await service.call(link, { key: null })
    for (const [path, edge, name] of [
      [`${link}&w=60`, 64, `${id}-64.webp`],
      [`/image/${id}?w=64`, 64, `${id}-64.webp`],
      [`/image/${id}?n=1&w=200`, 97, `${id}-1-256.webp`],
    ] as const) {
      const small = await service.call(path, path.startsWith(link) ? { key: null } : {})
      expect([small.status, small.headers.get('content-type')], path).toEqual([200, 'image/webp'])
      expect(await sharp(small.bytes).metadata()).toMatchObject({ format: 'webp', width: edge })
      expect(small.headers.get('content-disposition')).toBe(`inline; filename="${name}"`)
      expect(small.headers.get('etag')).not.toBe(whole.headers.get('etag'))
    }
    const headers = { 'if-none-match': String(whole.headers.get('etag')) }
    expect((await service.call(`${link}&w=60`, { key: null, headers })).status).toBe(200)
    for (const w of ['15', '2049', '1.5', 'x']) {
      expect(await service.call(`${link}&w=${w}`, { key: null }), w).toMatchObject({
        status: 400,
        body: { details: ['w must be a whole number from 16 to 2048'] },
      })
    }
    expect(await service.call(`${link}&w=64&n=2`, { key: null })).toMatchObject({ status: 404 })
  })

  it('supports ranges, ETags and HEAD', async () => {
    const whole = await service.call(link, { key: null })
    const etag = String(whole.headers.get('etag'))
    expect(whole.headers.get('cache-control')).toMatch(/^private, max-age=(600|59\d), immutable$/)
    const range = await service.call(link, { key: null, headers: { range: 'bytes=8-15' } })
    expect([range.status, range.bytes]).toEqual([206, whole.bytes.subarray(8, 16)])
    const again = await service.call(`/image/${id}`, { headers: { 'if-none-match': etag } })
    expect([again.status, again.bytes.length, again.headers.get('cache-control')]).toEqual([
      304,
      0,
      'private, no-cache',
    ])
    const head = await service.call(link, { key: null, method: 'HEAD' })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(whole.bytes.length)])
    expect(head.headers.get('access-control-allow-origin')).toBe('*')
  })

  it('is permitted to its account, administrators, and clients with the link', async () => {
    const bob = await service.keyFor('bob')
    expect(await service.call(`/image/${id}`, { key: bob })).toMatchObject({ status: 404, body: { details: [] } })
    expect((await service.call(link, { key: bob })).status).toBe(200)
    expect((await service.call(`/image/${id}`, { key: operatorKey })).status).toBe(200)
  })

  it('refuses every other link', async () => {
    const { secretKey } = service.core
    const [, expires = '', signature = ''] = /expires=(\d+)&signature=(.+)$/.exec(link) ?? []
    const past = Math.floor(Date.now() / 1000) - 1
    const other = (await service.generate({ ...small, model: 'sketch' })).body.task_id
    const forged: [string, RegExp][] = [
      [`/image/${id}?expires=${past}&signature=${signLink(secretKey, id, past)}`, /expired/],
      [`/image/${id}?expires=${Number(expires) + 1}&signature=${signature}`, /not valid/],
      [`/image/${other}?expires=${expires}&signature=${signature}`, /not valid/],
      [`/image/${id}?expires=${expires}&signature=${signature.slice(0, -2)}`, /not valid/],
      [`/image/${id}?expires=1e12&signature=${signature}`, /not valid/],
      [`/image/${id}?signature=${signature}`, /not valid/],
      [`/image/${id}?expires=${expires}&signature=${signLink(secretKey, `image/${id}`, Number(expires))}`, /not valid/],
    ]
    for (const [path, words] of forged) {
      const answer = await service.call(path, { key: null })
      expect(answer, path).toMatchObject({ status: 403, body: { error: expect.stringMatching(words), details: [] } })
    }
    const twice = await service.call(`/image/${id}?signature=a&signature=b`, { key: null })
    expect(twice.status).toBe(400)
    // a valid key replaces the link, and a wrong key is refused even with a valid link
    expect((await service.call(forged[0]?.[0] ?? '')).status).toBe(200)
    expect((await service.call(link, { key: 'wrong' })).status).toBe(401)
    const behindProxy = { authorization: `Basic ${Buffer.from('ann:secret').toString('base64')}` }
    expect((await service.call(link, { key: null, headers: behindProxy })).status).toBe(200)
  })

  it('responds with 410 for a failed task, and with 404 for an erased or unknown one', async () => {
    const failed = await service.generate({ ...small, model: 'sketch', prompt: 'forbidden', wait: false })
    await until(failed.body.task_id, 410)
    expect((await service.call(failed.body.image_url, { key: null })).body.error).toMatch(/\w/)
    const { body } = await service.generate({ ...small, model: 'sketch' })
    expect((await service.call(body.image_url)).status).toBe(200)
    expect(await erase(service.core, service.userId, body.task_id)).toBe(true)
    expect((await service.call(body.image_url, { key: null })).status).toBe(404)
    for (const unknown of ['01890000-0000-7000-8000-000000000000', 'x.png', 'queue', `${id}0`, '%00']) {
      expect((await service.call(`/image/${unknown}`)).status, unknown).toBe(404)
    }
  })
})

const comfy = ['comfy-dev', 'comfy-schnell', 'comfy-kontext', 'comfy-fill']

describe('GET /status, /models and /queue', () => {
  it('return the state of ComfyUI, with addresses and devices for admins only', async () => {
    const { body } = await service.call('/status')
    expect(body).toEqual({
      status: 'running',
      comfyui_status: true,
      comfyui: {
        connected: true,
        servers: [
          { name: 'comfyui-1', connected: true, queue_remaining: 0 },
          { name: 'comfyui-2', connected: false, queue_remaining: null },
        ],
      },
      queue: { pending: 0, running: 0 },
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      supported_models: ['sketch', 'flux-pro', ...comfy, 'FLUX.1-dev'],
      default_model: 'comfy-dev',
      max_resolution: { width: 2048, height: 2048 },
      max_steps: 50,
    })
    const [first, second] = (await service.call('/status', { key: operatorKey })).body.comfyui.servers
    expect(first).toMatchObject({
      url: service.emulator.url,
      version: '0.38.1',
      devices: [{ name: 'cuda:0 NVIDIA GeForce RTX 4090', memory_total: 25_393_692_672 }],
    })
    expect(second).toMatchObject({ connected: false, version: null, devices: [] })
    const { answers } = service
    answers.splice(0)
    for (const path of ['/status', '/models', '/queue']) await service.call(path)
    expect(answers.join()).not.toMatch(/127\.0\.0\.1|RTX|"url"/)
  })

  it('list the files that ComfyUI can load, and the models that it serves', async () => {
    const { body } = await service.call('/models')
    expect(body.models).toEqual({
      checkpoints: ['flux1-dev-fp8.safetensors', 'flux1-schnell-fp8.safetensors'],
      unet: [
        ...['flux1-dev-kontext_fp8_scaled.safetensors', 'flux1-dev.safetensors'],
        ...['flux1-fill-dev.safetensors', 'flux1-schnell.safetensors'],
      ],
      clip: ['clip_l.safetensors', 't5xxl_fp16.safetensors', 't5xxl_fp8_e4m3fn_scaled.safetensors'],
      vae: ['ae.safetensors'],
      loras: [],
      clip_vision: ['sigclip_vision_patch14_384.safetensors'],
      style_models: ['flux1-redux-dev.safetensors'],
    })
    expect(body.comfyui).toEqual({ connected: true })
    expect(body.available.map(({ id }: { id: string }) => id)).toEqual(comfy)
    expect(body.available[0]).toMatchObject({
      credits: 1,
      images: { min: 0, max: 1 },
      sizes: { min: 64, max: 2048 },
      presets: expect.arrayContaining(['1024x1024', '1024x576']),
      steps: { min: 1, max: 50 },
      guidance_scale: { min: 0, max: 20 },
      strength: { min: 0.01, max: 1 },
      negative_prompt: false,
    })
    expect(body.available[1].guidance_scale).toBeNull()
  })

  it('do not ask ComfyUI for each request', async () => {
    await Promise.all(Array.from({ length: 20 }, (_, at) => service.call(at % 2 ? '/status' : '/models')))
    const inspections = service.emulator.requests.filter(({ path }) => path === '/system_stats')
    expect(inspections.length).toBeLessThanOrEqual(1)
  })

  it('list the requests of the account, and all for admins', async () => {
    stop()
    const bob = await service.keyFor('bob')
    const fields = { ...small, model: 'sketch', wait: false }
    const mine: string[] = []
    for (let n = 0; n < 6; n++) mine.push((await service.generate(fields)).body.task_id)
    const theirs = (await service.generate(fields, { key: bob })).body.task_id
    // five run at a time
    await expect.poll(async () => (await service.call('/queue')).body.queue_running.length).toBe(5)
    const { body } = await service.call('/queue')
    expect(body.queue_running.map((each: { task_id: string }) => each.task_id).sort()).toEqual(mine.slice(0, 5).sort())
    expect(body.queue_running[0]).toMatchObject({ model: 'sketch', percent: null, started_at: expect.any(String) })
    const [waiting] = body.queue_pending
    expect(body.queue_pending).toHaveLength(1)
    expect(waiting).toMatchObject({ task_id: mine[5], model: 'sketch', position: expect.any(Number) })
    // the lane of ComfyUI is empty
    expect([body.running, body.pending]).toEqual([0, 0])
    const key = await service.keyFor('carol', ['sketch'])
    const sketched = (await service.call('/queue', { key })).body
    expect(sketched).toEqual({ queue_running: [], queue_pending: [], running: 5, pending: 2 })
    const all = (await service.call('/queue', { key: operatorKey })).body
    const ids = [...all.queue_running, ...all.queue_pending].map((each: { task_id: string }) => each.task_id)
    expect(ids.sort()).toEqual([...mine, theirs].sort())
    expect(all.queue_pending.map((each: { position: number }) => each.position)).toEqual([1, 2])
    release()
    for (const id of mine) await until(id, 200)
    await expect.poll(async () => (await rowOf(theirs))?.state).toBe('delivered')
  })

  it('return empty lists when ComfyUI is not set up', async () => {
    const without = await openService({ others: [jpegProvider('sketch')], withComfyui: false })
    await without.test.work()
    const status = (await without.call('/status')).body
    expect(status).toMatchObject({ status: 'running', comfyui_status: false, default_model: 'sketch' })
    expect(status.comfyui).toEqual({ connected: false, servers: [] })
    const { models, available } = (await without.call('/models')).body
    expect([models.unet, models.clip, models.vae, available]).toEqual([[], [], [], []])
    expect((await without.generate({ ...small, seed: 7 })).body.parameters).toMatchObject({ model: 'sketch', seed: 7 })
    expect(await without.close()).toEqual([])
  })
})
