import { sql } from 'drizzle-orm'
import OpenAI from 'openai'
import { afterEach, describe, expect, it } from 'vitest'
import { apiKeyHash } from '../../../../src/core/accounts/api-keys.ts'
import { AppError } from '../../../../src/core/errors.ts'
import type { Enhancer } from '../../../../src/core/ports/providers.ts'
import { createPlain, pngOf, type TestCoreOptions } from '../../../helpers/core.ts'
import { recordStatements } from '../../../helpers/statements.ts'
import { isInBucket } from '../../../helpers/store.ts'
import { closeService, createGate, createSeveral, openService, operatorKey, type Service } from './service.ts'

let service: Service
afterEach(async () => {
  expect(await closeService(service)).toEqual([])
})

async function open(options: TestCoreOptions = {}): Promise<OpenAI> {
  service = await openService(options)
  await service.test.work()
  return service.client()
}

const isPng = (base64: string | undefined) =>
  Buffer.from(base64 ?? '', 'base64')
    .subarray(0, 8)
    .toString('hex') === '89504e470d0a1a0a'

describe('an image generation', () => {
  it.skipIf(isInBucket)('returns links that expire, and the properties of the images', async () => {
    const { provider, tasks } = createSeveral()
    const client = await open({ providers: [provider] })
    const answer = await client.images.generate({ prompt: '  a\u0000 cat\u200b 16:9 ', n: 2, model: 'sketch' })
    expect(answer.data).toHaveLength(2)
    for (const { url } of answer.data ?? []) {
      expect(url).toMatch(/^http:\/\/localhost:8080\/image\/image\/.+\?expires=\d+&signature=/)
      expect(Number(new URL(url ?? '').searchParams.get('expires')) - Date.now() / 1000).toBeGreaterThan(500)
    }
    expect(new Set(answer.data?.map(({ url }) => url)).size).toBe(2)
    expect(answer).toMatchObject({ size: '64x32', output_format: 'png', created: expect.any(Number), seed: '7' })
    expect(answer.usage).toMatchObject({ input_tokens: 3, output_tokens: 5, total_tokens: 8, credits: 2 })
    expect(tasks[0]?.input).toMatchObject({ prompt: 'a cat 16:9', width: 1024, height: 1024 })
  })

  it('draws a prompt of several lines as it was sent', async () => {
    const { provider, tasks } = createSeveral()
    const client = await open({ providers: [provider] })
    await client.images.generate({ prompt: 'a cat\r\non a mat', model: 'sketch' })
    const messages = [{ role: 'user' as const, content: 'a dog\non a rug\n16:9' }]
    await client.chat.completions.create({ model: 'sketch', messages })
    expect(tasks.map(({ input }) => input)).toMatchObject([
      { prompt: 'a cat\non a mat' },
      { prompt: 'a dog\non a rug', width: 1024, height: 576 },
    ])
  })

  it('returns base64 on request, and by default for names of models that return nothing else', async () => {
    const client = await open()
    const response = await client.images.generate({ prompt: 'a cat', response_format: 'b64_json' })
    const named = await client.images.generate({ prompt: 'a cat', model: 'gpt-image-1' })
    const linked = await client.images.generate({ prompt: 'a cat', model: 'gpt-image-1', response_format: 'url' })
    expect(isPng(response.data?.[0]?.b64_json)).toBe(true)
    expect(isPng(named.data?.[0]?.b64_json)).toBe(true)
    expect(linked.data?.[0]).toEqual({ url: expect.stringMatching(/^http/) })
  })

  it.each([
    ['1024x576', '16:9', 1024, 576],
    ['16:9', '16:9', 1024, 576],
    ['640x480', '640x480', 640, 480],
    ['auto', '1:1', 1024, 1024],
    [null, '1:1', 1024, 1024],
  ])('draws the size %s', async (size, aspect, width, height) => {
    const { provider, tasks } = createSeveral()
    const client = await open({ providers: [provider] })
    await client.images.generate({ prompt: 'a cat', size: size as 'auto' })
    expect(tasks[0]?.input).toMatchObject({ width, height })
    const rows = await service.test.core.database.rows(sql`select request->>'aspect' as aspect from generations`)
    expect(rows).toEqual([{ aspect }])
  })

  it('refuses unsupported sizes, and lists the supported ones', async () => {
    const client = await open()
    for (const size of ['4096x4096', '7:3', '1024', 'huge', 'constructor']) {
      const asking = client.images.generate({ prompt: 'a cat', size: size as 'auto' })
      const error = await asking.catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(OpenAI.BadRequestError)
      expect(error).toMatchObject({ param: 'size', code: 'invalid_value' })
      expect((error as Error).message).toMatch(/auto, 1024x1024 \(1:1\), .*\(16:9\)/)
    }
  })

  it('accepts parameters of the model as additional fields, and ignores OpenAI’s own', async () => {
    const { provider, tasks } = createSeveral()
    const client = await open({ providers: [provider] })
    const additional = { seed: 42, steps: 9, guidance: 2.5, negative_prompt: 'dogs', unheard_of: { a: [1] } }
    const ignored = {
      quality: 'hd',
      style: 'vivid',
      moderation: 'low',
      background: 'auto',
      user: 'u',
      n: null,
    } as const
    await client.images.generate({ prompt: 'a cat', ...ignored, ...additional })
    expect(tasks[0]?.input).toMatchObject({ seed: '42', steps: 9, guidance: 2.5, negative: 'dogs', count: 1 })
  })

  it('returns the enhanced prompt', async () => {
    const enhancer: Enhancer = { model: 'poet', enhance: async () => 'a splendid cat', close: async () => undefined }
    const client = await open({ enhancer })
    const plain = await client.images.generate({ prompt: 'a cat' })
    const enhanced = await client.images.generate({ prompt: 'a cat', enhance: true } as { prompt: string })
    expect(plain.data?.[0]).not.toHaveProperty('revised_prompt')
    expect(enhanced.data?.[0]?.revised_prompt).toBe('a splendid cat')
  })
})

describe('the statements of an image generation', () => {
  it.each([
    ['a person', 4],
    ['the operator', 3],
  ])('with the key of %s are %d at most', async (who, most) => {
    // saves its intent before it submits
    await open({ providers: [createPlain({ repeatable: false })] })
    const key = who === 'a person' ? service.key : operatorKey
    const draw = async () => {
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
      const body = JSON.stringify({ prompt: 'a cat' })
      const response = await fetch(`${service.url}/v1/images/generations`, { method: 'POST', headers, body })
      expect([response.status, response.headers.get('x-ratelimit-limit-requests')]).toEqual([
        200,
        who === 'a person' ? '20' : '6000',
      ])
      return response.headers.get('content-location')?.split('/').at(-1)
    }
    // the first request of the operator opens an account
    await draw()
    const { database } = service.test.core
    const statements = recordStatements(database)
    const statementsOfOne = async () => {
      statements.length = 0
      const id = await draw()
      const asked = [...statements]
      const [row] = await database.rows<{ user: string }>(sql`select user_id as user from generations where id = ${id}`)
      const own = [id, row?.user, apiKeyHash(key)]
      // a parameter may be the json of a batch
      return asked
        .filter(({ params }) => own.some((each) => each && params.some((param) => String(param).includes(each))))
        .map(({ sql: text }) => text)
    }
    let asked = await statementsOfOne()
    // one that takes long is also polled, and shows its progress
    for (let tries = 1; asked.length > most && tries < 5; tries++) asked = await statementsOfOne()
    expect(asked.length, asked.join('\n')).toBe(most)
  })
})

describe('an image stream', () => {
  it('sends as many previews as requested, then the image', async () => {
    const previews = await Promise.all([16, 24, 32].map((edge) => pngOf(edge, edge)))
    const gate = createGate()
    let step = 0
    const provider = createPlain({
      start: async () => ({ state: 'pending', ticket: 1, waitMs: 50 }),
      check: async (ticket) => {
        if (step < previews.length) return { state: 'pending', ticket, waitMs: 300, preview: previews[step++] }
        await gate.opened
        return { state: 'done', images: [await pngOf(64, 64)] }
      },
    })
    const client = await open({ providers: [provider] })
    const stream = await client.images.generate({ prompt: 'a cat', stream: true, partial_images: 2 })
    const events: OpenAI.ImageGenStreamEvent[] = []
    for await (const event of stream) {
      events.push(event)
      if (events.length === 2) gate.open()
    }
    expect(events.map(({ type }) => type)).toEqual([
      'image_generation.partial_image',
      'image_generation.partial_image',
      'image_generation.completed',
    ])
    expect(events.map(({ output_format }) => output_format)).toEqual(['webp', 'webp', 'png'])
    expect(isPng(events[2]?.b64_json)).toBe(true)
    expect(events[1]).toMatchObject({ partial_image_index: 1 })
    expect(events[2]).toMatchObject({
      size: '64x64',
      usage: { total_tokens: expect.any(Number) },
      output_format: 'png',
    })
  })

  it('ends with the error, and the credits are returned', async () => {
    const provider = createPlain({
      start: async () => {
        throw new AppError('moderated')
      },
    })
    const client = await open({ providers: [provider] })
    const stream = await client.images.generate({ prompt: 'a cat', stream: true })
    const reading = (async () => {
      for await (const _ of stream);
    })()
    await expect(reading).rejects.toMatchObject({
      code: 'content_policy_violation',
      type: 'image_generation_user_error',
    })
    expect(await service.balance()).toBe(20)
  })

  it('is refused with an error status before it begins', async () => {
    const client = await open()
    const asking = client.images.generate({ prompt: 'a cat', n: 9, stream: true })
    await expect(asking).rejects.toMatchObject({ status: 400, param: 'n' })
  })
})
