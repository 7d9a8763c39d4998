/** What the document "Web Image UI" promises to its pages, with Ark's emulator as Doubao and DashScope's as Qwen. */

import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ProviderKind } from '../../../src/core/ports/providers.ts'
import { keepProviders } from '../../../src/core/providers/registry.ts'
import { qwenImage } from '../../../src/models/qwen.ts'
import { seedream, seedream40 } from '../../../src/models/seedream.ts'
import { sketch } from '../../../src/models/sketch.ts'
import { createPlain } from '../../helpers/core.ts'
import { openService, operatorKey, type Service } from '../api/webui/service.ts'

const apiKey = 'ark-key-of-the-document-4f2a'
let service: Service

const kindOf = (name: string): ProviderKind => ({
  name,
  title: name,
  defaultUrl: `https://${name}.example`,
  needsKey: name !== 'sketch',
  create: () => createPlain({ name, test: async () => undefined }),
})

beforeAll(async () => {
  const models = [sketch, seedream, seedream40, qwenImage]
  service = await openService({ models }, async (core, log) => {
    const providers = await keepProviders({
      database: core.database,
      secretKey: core.secretKey,
      kinds: ['sketch', 'ark', 'dashscope'].map(kindOf),
      addresses: new Map([['ark', 'https://relay.example/api/v3']]),
      fallback: new Map([['sketch', { baseUrl: 'sketch:', timeoutMs: 60_000, concurrency: 5 }]]),
      defaults: { timeoutMs: 300_000, concurrency: 5 },
      context: () => ({ log }),
      log: { ...log, error: log.warn },
    })
    return { ...core, log: { ...core.log, error: log.error }, providers }
  })
  await service.test.work()
})
beforeEach(async () => {
  await service.core.database.rows(sql`delete from provider_configs`)
  await service.core.providers.reload()
})
afterAll(async () => {
  expect(service.answers.join('\n')).not.toContain(apiKey)
  expect(await service.close()).toEqual([])
})

const call = (what: string, body?: object) => service.call(what, { body, key: operatorKey })
const example = {
  name: '豆包',
  provider: 'doubao',
  api_key: apiKey,
  model: 'doubao-seedream-4-0-250828',
  is_active: true,
}

describe('configurations', () => {
  it('have the documented fields, in the answer and in the list', async () => {
    const added = await call('POST /api/config', example)
    const shown = { ...example, id: expect.any(String), api_key: '…4f2a' }
    expect(added).toMatchObject({ status: 201, body: { ...shown, config: shown } })
    const { configs, providers } = (await call('GET /api/config')).body
    expect(configs).toMatchObject([shown])
    const names = providers.flatMap((each: { provider: string; aliases: string[] }) => [each.provider, ...each.aliases])
    expect(names).toEqual(expect.arrayContaining(['doubao', 'qwen', 'ark', 'dashscope']))
    expect(service.core.providers.get('ark')).toMatchObject({
      settings: { key: apiKey },
      defaultModel: 'doubao-seedream-4-0-250828',
    })
  })

  it('are written back as they were shown, with one field changed', async () => {
    const { id } = (await call('POST /api/config', example)).body
    const [shown] = (await call('GET /api/config')).body.configs
    const renamed = await call(`PUT /api/config/${id}`, { ...shown, name: '另一个' })
    expect(renamed).toMatchObject({ status: 200, body: { name: '另一个', provider: 'doubao', api_key: '…4f2a' } })
    expect(service.core.providers.get('ark')?.settings.key).toBe(apiKey)
    const rekeyed = await call(`PUT /api/config/${id}`, { ...shown, api_key: 'another-key-of-ark-77aa' })
    expect(rekeyed.body).toMatchObject({ api_key: '…77aa', key: '…77aa' })
    const changed = await call(`PUT /api/config/${id}`, { ...rekeyed.body.config, model: 'seedream', is_active: 0 })
    expect(changed.body).toMatchObject({
      model: 'seedream',
      default_model: 'seedream',
      is_active: false,
      active: false,
    })
    const moved = await call(`PUT /api/config/${id}`, { ...shown, provider: 'qwen' })
    expect(moved).toMatchObject({ status: 400, body: { details: [{ field: 'provider' }] } })
  })

  it('use the address of the environment, where keys come from the page', async () => {
    await call('POST /api/config', example)
    expect(service.core.providers.get('ark')?.settings.baseUrl).toBe('https://relay.example/api/v3')
    const own = { ...example, base_url: 'https://own.example/api/v3' }
    await call('POST /api/config', own)
    expect(service.core.providers.get('ark')?.settings.baseUrl).toBe('https://own.example/api/v3')
  })

  it('are not active when they are added as such', async () => {
    const added = await call('POST /api/config', { ...example, is_active: false })
    expect(added.body).toMatchObject({ is_active: false, active: false })
    expect(service.core.providers.get('ark')).toBeUndefined()
  })

  it('of Qwen too, and under our own names', async () => {
    const qwen = { name: '通义千问', provider: 'qwen', api_key: apiKey, model: 'qwen-image', is_active: 1 }
    expect((await call('POST /api/config', qwen)).body).toMatchObject({ provider: 'qwen', is_active: true })
    expect(service.core.providers.get('dashscope')?.settings.key).toBe(apiKey)
    const ours = { provider: 'ark', key: apiKey, default_model: 'seedream' }
    expect((await call('POST /api/config', ours)).body).toMatchObject({ provider: 'ark', model: 'seedream' })
  })

  it('are tested before they are stored, and removed', async () => {
    expect(await call('POST /api/config/test', example)).toMatchObject({
      status: 200,
      body: { success: true, provider: 'doubao', result: 'works' },
    })
    const { id } = (await call('POST /api/config', example)).body
    expect((await call('POST /api/config/test', { id })).body.result).toBe('works')
    expect((await call(`DELETE /api/config/${id}`)).status).toBe(200)
    expect((await call('GET /api/config')).body.configs).toEqual([])
  })

  it('name the field that is wrong', async () => {
    for (const [over, field] of [
      [{ api_key: 'with spaces' }, 'key'],
      [{ model: 'dall-e-3' }, 'default_model'],
      [{ provider: 'doubo' }, 'provider'],
      [{ is_active: 'yes' }, 'is_active'],
    ] as const) {
      const refused = await call('POST /api/config', { ...example, ...over })
      expect(refused).toMatchObject({ status: 400, body: { details: [{ field }] } })
    }
  })
})

describe('pictures and their history', () => {
  it('have the documented fields', async () => {
    const body = { prompt: '一只可爱的猫咪', model: 'sketch', size: '1024x576', seed: 7 }
    const { status, body: drawn } = await service.call('POST /api/generate', { body })
    expect(status).toBe(200)
    const documented = {
      id: expect.any(String),
      prompt: '一只可爱的猫咪',
      image_urls: [expect.stringMatching(/^http/)],
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      model: 'sketch',
      parameters: { aspect_ratio: '16:9', n: 1, seed: 7, width: expect.any(Number), height: expect.any(Number) },
    }
    expect(drawn).toMatchObject(documented)
    expect((await service.call('GET /api/history')).body.items[0]).toMatchObject(documented)
    expect((await service.call(`DELETE /api/history/${drawn.id}`)).status).toBe(200)
    expect((await service.call('GET /api/history')).body.items).toEqual([])
    expect((await service.call('DELETE /api/history')).status).toBe(200)
  })

  it('are for pages of any origin', async () => {
    const headers = { origin: 'http://localhost:5173' }
    const { headers: answered } = await service.call('GET /api/history', { headers })
    expect(answered.get('access-control-allow-origin')).toBe('*')
    const asked = { ...headers, 'access-control-request-method': 'DELETE' }
    const preflight = await fetch(`${service.url}/api/history/x`, { method: 'OPTIONS', headers: asked })
    expect([preflight.status, preflight.headers.get('access-control-allow-methods')]).toEqual([
      204,
      expect.stringContaining('DELETE'),
    ])
  })

  it('are served beside the status', async () => {
    expect((await service.call('GET /api/status')).body).toMatchObject({ success: true, status: 'ok' })
    expect((await service.call('GET /health', { key: null })).body).toEqual({ status: 'ok' })
  })
})
