/** Behaviour that all families share, tested on each of them. */
import { sql } from 'drizzle-orm'
import { afterAll, describe, expect, it } from 'vitest'
import { AppError } from '../../../src/core/errors.ts'
import { models } from '../../../src/models/index.ts'
import { createPlain, pngOf, type TestCoreOptions } from '../../helpers/core.ts'
import { openEverything, type Service } from './service.ts'

const usual: TestCoreOptions = { limits: { perMinute: 1_000 } }
let service: Service
let optionsOfService: TestCoreOptions | undefined
/** Requests of earlier tests. */
let earlier: number

afterAll(close)
async function close() {
  expect(await service.close()).toEqual([])
}

interface Sent {
  headers?: Record<string, string>
  /** An object becomes JSON; text is sent as it is. */
  body: object | string
}

/** Resolves to a function that posts with the key of a new account. Tests with the same options share a service. */
async function open(options = usual) {
  if (options !== optionsOfService) {
    if (optionsOfService) await close()
    service = await openEverything(options)
    optionsOfService = options
    await service.test.work()
  }
  earlier = 0
  earlier = (await modelsUsed()).length
  const key = await service.keyWith(100)
  return (url: string, { headers, body }: Sent) =>
    service.app.inject({
      method: 'POST',
      url,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      payload: body,
    })
}

const modelsUsed = async () => {
  const rows = await service.test.core.database.rows<{ model: string }>(
    sql`select model from generations order by id offset ${earlier}`,
  )
  return rows.map(({ model }) => model)
}

const pictures = async (count: number) =>
  Promise.all(
    Array.from({ length: count }, async () => `data:image/png;base64,${(await pngOf(64, 64)).toString('base64')}`),
  )

describe('a request without a model', () => {
  const cloudflare = {
    models: models.filter(({ routes }) => routes.some(({ provider }) => provider === 'cloudflare')),
    providers: [createPlain({ name: 'cloudflare' })],
    limits: { perMinute: 100, inFlight: 100 },
  }

  it('uses the default model, or else the first that takes its ratio and parameters', async () => {
    const post = await open(cloudflare)
    const asked: [string, object, string][] = [
      ['/api/v1/flux/text-to-image', {}, 'flux-schnell'],
      ['/api/v1/flux/text-to-image', { aspect_ratio: '16:9' }, 'cf-flux-2-klein'],
      ['/api/v1/flux/text-to-image', { image_size: { width: 640, height: 480 } }, 'cf-flux-2-dev'],
      ['/api/generate', {}, 'flux-schnell'],
      ['/api/generate', { size: '16:9' }, 'cf-flux-2-klein'],
      ['/api/generate', { width: 640, height: 480 }, 'cf-flux-2-dev'],
      ['/api/generate', { seed: 7 }, 'cf-flux-2-dev'],
      ['/api/generate', { negative_prompt: 'dogs' }, 'cf-phoenix'],
      ['/generate', { width: 1024, height: 576 }, 'cf-flux-2-klein'],
      ['/generate', { seed: 7 }, 'cf-flux-2-dev'],
      ['/v1/images/generations', { size: '1024x576' }, 'cf-flux-2-klein'],
    ]
    for (const [url, fields] of asked) {
      const { statusCode, body } = await post(url, { body: { prompt: 'a cat', sync_mode: true, ...fields } })
      expect([url, fields, statusCode, statusCode === 200 ? '' : body]).toEqual([url, fields, 200, ''])
    }
    expect(await modelsUsed()).toEqual(asked.map(([, , model]) => model))
  })

  it('is refused with what the default model offers, if no model takes it', async () => {
    const post = await open(cloudflare)
    for (const [url, fields] of [
      ['/api/v1/flux/text-to-image', { aspect_ratio: '17:3' }],
      ['/api/generate', { size: '17:3' }],
    ] as const) {
      const { statusCode, body } = await post(url, { body: { prompt: 'a cat', ...fields } })
      expect([statusCode, body]).toEqual([400, expect.stringContaining('1024x1024')])
    }
    expect(await modelsUsed()).toEqual([])
  })
})

describe('a request with pictures', () => {
  const fal = {
    models: models.filter(({ id }) => /^flux-/.test(id)),
    providers: [createPlain({ name: 'fal' })],
    limits: { perMinute: 100 },
  }
  const ways: [string, (images: string[]) => object][] = [
    ['/api/v1/flux/multi-image-edit', (image_urls) => ({ prompt: 'both', image_urls, sync_mode: true })],
    ['/v1/images/edits', (images) => ({ prompt: 'both', images })],
    ['/v1/images/edits', (images) => ({ prompt: 'both', images, model: 'gpt-image-1' })],
    ['/v1/chat/completions', chat],
    ['/v1/responses', respond],
    ['/api/generate', (images) => ({ prompt: 'both', images })],
    ['/generate', (images) => ({ prompt: 'both', images })],
  ]
  function chat(images: string[]): object {
    const parts = images.map((url) => ({ type: 'image_url', image_url: { url } }))
    return { messages: [{ role: 'user', content: [{ type: 'text', text: 'both' }, ...parts] }] }
  }

  function respond(images: string[]): object {
    const parts = images.map((image_url) => ({ type: 'input_image', image_url }))
    return { model: 'gpt-5', input: [{ role: 'user', content: [{ type: 'input_text', text: 'both' }, ...parts] }] }
  }

  it('without a model uses one that accepts that number of pictures', async () => {
    const post = await open(fal)
    const images = await pictures(2)
    for (const [url, body] of ways) expect((await post(url, { body: body(images) })).statusCode).toBe(200)
    expect(await modelsUsed()).toEqual(ways.map(() => 'flux-pro'))
  })

  it('of an OpenAI client gets the ratio of the model that is nearest to its size', async () => {
    const post = await open(fal)
    const [image] = await pictures(1)
    const model = 'flux-pro'
    await post('/v1/images/edits', { body: { prompt: 'night', image, model, size: '1536x1024' } })
    await post('/v1/images/generations', { body: { prompt: 'a cat', model, size: '1792x1024' } })
    await post('/v1/chat/completions', {
      body: { model, messages: [{ role: 'user', content: 'a cat' }], size: '1024x1024' },
    })
    const rows = await service.test.core.database.rows(
      sql`select request->>'aspect' as aspect from generations order by id offset ${earlier}`,
    )
    expect(rows).toEqual([{ aspect: '3:2' }, { aspect: '16:9' }, { aspect: '1:1' }])
  })

  it('is refused when the named model takes fewer pictures', async () => {
    const post = await open(fal)
    const images = await pictures(2)
    for (const [url, body] of ways) {
      const answer = await post(url, { body: { ...body(images), model: 'flux-dev' } })
      expect([answer.statusCode, answer.body]).toEqual([400, expect.stringContaining('flux-dev takes at most 1')])
    }
    expect(await modelsUsed()).toEqual([])
  })
})

describe('LoRAs', () => {
  const path = 'https://huggingface.co/a/ink.safetensors'
  const loras = [{ path, scale: 0.5 }, { path: 'warm' }]
  const shown = `${path}:0.5 warm`
  const ways: [string, object, (body: string) => unknown][] = [
    ['/api/v1/flux/text-to-image', { loras, sync_mode: true }, (body) => JSON.parse(body).loras],
    ['/api/v1/flux/text-to-image', { lora: shown, sync_mode: true }, (body) => JSON.parse(body).loras],
    ['/api/generate', { loras }, (body) => JSON.parse(body).parameters.loras],
    ['/generate', { loras }, (body) => JSON.parse(body).parameters.loras],
    ['/v1/images/generations', { loras }, () => shown],
  ]

  it('are stored with the request, and shown in its response', async () => {
    const post = await open()
    for (const [url, fields, shownIn] of ways) {
      const { statusCode, body } = await post(url, { body: { prompt: 'a cat', ...fields } })
      expect([url, statusCode, statusCode === 200 && shownIn(body)]).toEqual([url, 200, shown])
    }
    const rows = await service.test.core.database.rows(
      sql`select request->'loras' as loras from generations order by id offset ${earlier}`,
    )
    expect(rows).toEqual(ways.map(() => ({ loras })))
  })

  it('are refused by name where the model takes none, and moved into its range by the FLUX routes', async () => {
    const post = await open({ ...usual, models, providers: [createPlain({ name: 'fal' }), createPlain()] })
    for (const [url, fields] of ways) {
      const { statusCode, body } = await post(url, { body: { prompt: 'a cat', model: 'flux-dev', ...fields } })
      expect([url, statusCode, body]).toEqual([
        url,
        400,
        expect.stringMatching(/loras.*flux-dev.*sketch|flux-dev.*loras.*sketch/),
      ])
    }
    const strong = { prompt: 'a cat', model: 'sketch', loras: [{ path: 'warm', scale: 9 }], sync_mode: true }
    const { body } = await post('/api/v1/flux/text-to-image', { body: strong })
    expect(JSON.parse(body)).toMatchObject({ loras: 'warm:2', adjusted: ['loras'], ignored: [] })
  })
})

it('a size or ratio beside sides that grow is refused by every family', async () => {
  const post = await open()
  const [image] = await pictures(1)
  const asked: [string, object][] = [
    ['/api/v1/flux/image-to-image', { image_url: image, aspect_ratio: '16:9' }],
    ['/api/v1/flux/image-to-image', { image_url: image, width: 640, height: 480 }],
    ['/v1/images/edits', { image, size: '16:9' }],
    ['/api/generate', { image, ratio: '16:9' }],
    ['/generate', { image, width: 640, height: 480 }],
  ]
  for (const [url, fields] of asked) {
    const { statusCode, body } = await post(url, {
      body: { prompt: 'wider', model: 'sketch', expand: '10%', ...fields },
    })
    expect([url, statusCode, body]).toEqual([url, 400, expect.stringContaining('follows from the picture')])
  }
  expect(await modelsUsed()).toEqual([])
})

const prompt = 'a cat'

describe('a body', () => {
  const say = { messages: [{ role: 'user', content: prompt }] }
  const blank = { model: '', webhook_url: '', negative_prompt: ' ', seed: '', n: '' }

  it.each([
    ['/v1/images/generations', { prompt, ...blank, size: '', response_format: '', user: '' }],
    ['/v1/chat/completions', { ...say, model: '', size: '' }],
    ['/v1/responses', { input: prompt, ...blank, prompt: '', size: '', previous_response_id: '' }],
    ['/api/v1/flux/text-to-image', { prompt, ...blank, aspect_ratio: '', sync_mode: true }],
    ['/api/generate', { prompt, ...blank, ratio: '', image: '' }],
    ['/generate', { prompt, ...blank, image: '' }],
  ])('of %s may have blank optional fields', async (url, body) => {
    const post = await open()
    expect((await post(url, { body })).statusCode).toBe(200)
    expect(await modelsUsed()).toEqual(['sketch'])
  })

  it('of /v1/images/edits may have blank optional fields', async () => {
    const post = await open()
    const [image] = await pictures(1)
    const answer = await post('/v1/images/edits', { body: { prompt, ...blank, image, mask: '' } })
    expect(answer.statusCode).toBe(200)
  })

  const odd = [5, { a: 1 }, ['x'], true]
  const ignored = ['quality', 'style', 'background', 'moderation', 'output_format', 'user']

  it.each([
    ['/v1/images/generations', ignored],
    ['/api/v1/flux/text-to-image', ['safety_tolerance', 'enable_safety_checker', 'output_format']],
  ])('of %s may have any value in fields without effect', async (url, names) => {
    const post = await open()
    for (const value of odd) {
      const body = { prompt, sync_mode: true, ...Object.fromEntries(names.map((name) => [name, value])) }
      expect((await post(url, { body })).statusCode).toBe(200)
    }
  })

  it.each([
    '/v1/images/generations',
    '/v1/chat/completions',
    '/v1/responses',
    '/api/v1/flux/text-to-image',
    '/api/generate',
    '/generate',
  ])('of %s that is not JSON is refused with a message that asks for JSON', async (url) => {
    const post = await open()
    const form = '--x\r\ncontent-disposition: form-data; name="prompt"\r\n\r\na cat\r\n--x--\r\n'
    const sent = [
      ['text/plain', '{"prompt":"a cat"}'],
      ['multipart/form-data; boundary=x', form],
      ['application/x-www-form-urlencoded', 'prompt=a'],
    ]
    for (const [type = '', body = ''] of sent) {
      const answer = await post(url, { headers: { 'content-type': type }, body })
      expect([answer.statusCode, answer.body]).toEqual([415, expect.stringContaining('Send JSON, with the header')])
    }
  })

  it.each([
    ['/v1/images/edits', "'image'"],
    ['/api/v1/flux/image-to-image', 'image_url'],
    ['/api/v1/flux/multi-image-edit', 'image_urls'],
  ])('of %s that is missing is refused with the name of a required field: %s', async (url, name) => {
    const post = await open()
    const answer = await post(url, { body: '' })
    expect([answer.statusCode, answer.body]).toEqual([400, expect.stringContaining(name)])
    expect(answer.body).not.toContain('the body')
  })

  it('has prompts of at most 4000 characters, as the document says', async () => {
    const post = await open()
    const { schemas = {} } = service.document.components
    const stated = JSON.stringify(schemas).match(/"maxLength":(4000|32000)/g)
    expect(new Set(stated)).toEqual(new Set(['"maxLength":4000']))
    const answer = await post('/v1/images/generations', { body: { prompt: 'x'.repeat(4_001) } })
    expect([answer.statusCode, answer.body]).toEqual([400, expect.stringContaining('at most 4000')])
  })
})

describe('a failure under an idempotency key', () => {
  const busy = () =>
    createPlain({
      start: async () =>
        Promise.reject(new AppError('provider_busy', {}, { neverRan: true, retryAfterMs: 86_400_000 })),
    })

  it.each([
    ['/v1/images/generations', { prompt }],
    ['/v1/chat/completions', { messages: [{ role: 'user', content: prompt }] }],
    ['/v1/responses', { input: prompt }],
    ['/api/generate', { prompt }],
    ['/generate', { prompt }],
  ])('of %s asks for a new key instead of a retry', async (url, body) => {
    const post = await open({ providers: [busy()] })
    const headers = { 'idempotency-key': 'k5' }
    for (const answer of [await post(url, { headers, body }), await post(url, { headers, body })]) {
      expect(answer.statusCode).toBe(503)
      expect(answer.headers).toMatchObject({ 'x-should-retry': 'false' })
      expect(answer.headers).not.toHaveProperty('retry-after')
      expect(answer.body).toContain('send a new Idempotency-Key')
    }
    const without = await post(url, { body })
    expect([without.statusCode, without.headers['retry-after']]).toEqual([503, '5'])
    expect(without.body).not.toContain('Idempotency-Key')
    expect(await modelsUsed()).toHaveLength(2)
  })

  it('asks for a new key in event streams too', async () => {
    const post = await open({ providers: [busy()] })
    const repeated = { headers: { 'idempotency-key': 'k5' }, body: { prompt, stream: true } }
    await post('/v1/images/generations', repeated)
    expect((await post('/v1/images/generations', repeated)).body).toContain('send a new Idempotency-Key')
  })

  it('does not keep a request that was refused before it was accepted', async () => {
    const post = await open({ providers: [busy()], limits: { perMinute: 0.001 } })
    const answer = await post('/v1/images/generations', { headers: { 'idempotency-key': 'k5' }, body: { prompt } })
    expect([answer.statusCode, answer.headers['x-should-retry']]).toEqual([429, 'true'])
    expect(answer.body).not.toContain('Idempotency-Key')
  })
})
