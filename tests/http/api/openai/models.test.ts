import { sql } from 'drizzle-orm'
import OpenAI from 'openai'
import { afterEach, describe, expect, it } from 'vitest'
import { accountOf } from '../../../../src/core/accounts/accounts.ts'
import { createApiKey } from '../../../../src/core/accounts/api-keys.ts'
import type { Model } from '../../../../src/core/ports/models.ts'
import { modelFor } from '../../../../src/core/programs/ask.ts'
import { sketch } from '../../../../src/models/sketch.ts'
import type { TestCoreOptions } from '../../../helpers/core.ts'
import { closeService, createSeveral, openService, type Service } from './service.ts'

let service: Service
afterEach(async () => {
  expect(await closeService(service)).toEqual([])
})

async function open(options: TestCoreOptions = {}): Promise<OpenAI> {
  service = await openService(options)
  await service.test.work()
  return service.client()
}

const other: Model = { ...sketch, id: 'other', aliases: ['second'], title: 'Other' }

describe('the model routes', () => {
  it('list ids of models and OpenAI’s model names', async () => {
    const client = await open({ models: [sketch, { ...other, hidden: true }] })
    const ids: string[] = []
    for await (const model of client.models.list()) {
      expect(model).toEqual({ id: model.id, object: 'model', created: expect.any(Number), owned_by: 'fluxbot' })
      ids.push(model.id)
    }
    const common = ['gpt-image-2', 'gpt-image-1.5', 'gpt-image-1', 'chatgpt-image-latest', 'dall-e-3', 'dall-e-2']
    expect(ids).toEqual(['sketch', ...common])
    expect(await client.models.retrieve('dall-e-3')).toMatchObject({ id: 'dall-e-3' })
    expect(await client.models.retrieve('second')).toMatchObject({ id: 'other' })
  })

  it.each([
    ['gpt-image-1-mini', 'b64_json'],
    ['GPT-Image-1.5', 'b64_json'],
    ['gpt-image-2-2026-04-21', 'b64_json'],
    ['chatgpt-image-latest', 'b64_json'],
    ['dall-e-2', 'url'],
  ])('accept %s for the default model, whose images come as %s', async (model, format) => {
    const client = await open()
    expect(await client.models.retrieve(model)).toMatchObject({ id: model.toLowerCase() })
    const { data } = await client.images.generate({ prompt: 'a cat', model })
    expect(Object.keys(data?.[0] ?? {})).toEqual([format])
  })

  it('draw with a model that has a name of OpenAI’s models, where there is one', async () => {
    const client = await open({ models: [sketch, { ...other, id: 'gpt-image-9', aliases: ['gpt-image-2'] }] })
    for (const model of ['gpt-image-9', 'gpt-image-2']) {
      await client.images.generate({ prompt: 'a cat', model })
      await client.responses.create({ input: 'a cat', model, tools: [{ type: 'image_generation' }] })
    }
    await client.images.generate({ prompt: 'a cat', model: 'gpt-image-1' })
    const drawn = await service.test.core.database.rows<{ model: string }>(
      sql`select model from generations order by id`,
    )
    expect(drawn.map(({ model }) => model)).toEqual([...Array(4).fill('gpt-image-9'), 'sketch'])
    const ids = (await client.models.list()).data.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('respond with 404 to unknown names', async () => {
    const client = await open()
    for (const name of ['gpt-5', 'dall-e-4', 'chatgpt-4o-latest']) {
      await expect(client.models.retrieve(name)).rejects.toMatchObject({ status: 404 })
    }
    const error = await client.models.retrieve('nothing/at-all').catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(OpenAI.NotFoundError)
    expect(error).toMatchObject({ status: 404, code: 'model_not_found', type: 'invalid_request_error', param: 'model' })
  })

  it('offer only models that the key may use, also for OpenAI’s names', async () => {
    const { provider, tasks } = createSeveral()
    await open({ models: [sketch, other], providers: [provider] })
    const { core } = service.test
    const userId = await accountOf(core, { id: 'test:bob', name: 'bob' })
    const { key } = await createApiKey(core, { userId, name: 'mine', models: ['other'] })
    const client = service.client({ apiKey: key })
    expect((await client.models.list()).data.map(({ id }) => id)).toContain('other')
    expect((await client.models.list()).data.map(({ id }) => id)).not.toContain('sketch')
    await expect(client.models.retrieve('sketch')).rejects.toBeInstanceOf(OpenAI.NotFoundError)
    await expect(client.images.generate({ prompt: 'a cat', model: 'sketch' })).rejects.toMatchObject({ status: 404 })
    await client.images.generate({ prompt: 'a cat', model: 'dall-e-2' })
    expect(tasks).toHaveLength(1)
  })
})

describe('a key that is limited to models', () => {
  const hidden: Model = { ...sketch, id: 'hidden', aliases: [], title: 'Hidden', hidden: true }

  it.each([
    [['hidden', 'other'], 'hidden'],
    [['gone', 'other'], 'other'],
    [['other', 'sketch'], 'sketch'],
  ])('%j has the same default model in every route', async (models, expected) => {
    await open({ models: [sketch, other, hidden] })
    const { core } = service.test
    const userId = await accountOf(core, { id: 'test:bob', name: 'bob' })
    const holder = { userId, keyId: 'x', admin: false, models }
    expect(modelFor(core, holder, undefined)).toBe(expected)
    const { key } = await createApiKey(core, { userId, name: 'mine' })
    await core.database.rows(sql`update api_keys set models = ${JSON.stringify(models)}::jsonb`)
    const client = service.client({ apiKey: key })
    await client.images.generate({ prompt: 'a cat' })
    await client.images.generate({ prompt: 'a cat', model: 'gpt-image-1' })
    await client.chat.completions.create({ model: 'dall-e-3', messages: [{ role: 'user', content: 'a cat' }] })
    const drawn = await core.database.rows(sql`select model from generations`)
    expect(drawn).toEqual([{ model: expected }, { model: expected }, { model: expected }])
  })
})

describe('pages of other origins', () => {
  it('may send requests with a key', async () => {
    await open()
    const headers = { 'access-control-request-headers': 'authorization,x-stainless-lang', origin: 'https://a.example' }
    const before = await fetch(`${service.url}/v1/images/generations`, { method: 'OPTIONS', headers })
    expect(before.status).toBe(204)
    expect(before.headers.get('access-control-allow-headers')).toContain('x-stainless-lang')
    const after = await fetch(`${service.url}/v1/models`)
    expect(after.status).toBe(401)
    expect(after.headers.get('access-control-allow-origin')).toBe('*')
    expect(after.headers.get('access-control-expose-headers')).toContain('x-request-id')
  })

  it('get errors for unknown paths in OpenAI’s format', async () => {
    const client = await open()
    const error = await client.post('/images/variations', { body: {} }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ status: 404, code: 'unknown_url' })
  })
})
