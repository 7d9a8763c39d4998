import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { accountOf } from '../../../../src/core/accounts/accounts.ts'
import { createApiKey } from '../../../../src/core/accounts/api-keys.ts'
import { AppError } from '../../../../src/core/errors.ts'
import type { ImageProvider, ProviderKind, ProviderSettings } from '../../../../src/core/ports/providers.ts'
import { keepProviders } from '../../../../src/core/providers/registry.ts'
import { fluxDev } from '../../../../src/models/flux-dev.ts'
import { sketch } from '../../../../src/models/sketch.ts'
import { createPlain } from '../../../helpers/core.ts'
import { openService, operatorKey, type Service } from './service.ts'

const secrets = {
  stored: 'fal-key-id:stored-secret-part-abcd',
  other: 'fal-key-id:another-secret-wxyz',
  environment: 'the-environment-s-secret-key',
  password: 'a-password-in-an-address',
}

let service: Service
let tested: ProviderSettings[]

/** A provider that records the settings of each test. It refuses keys that end with 'wxyz'. */
function kindOf(name: string, over: Partial<ProviderKind> = {}): ProviderKind {
  const test = async (settings: ProviderSettings) => {
    tested.push(settings)
    if (settings.key?.endsWith('wxyz')) throw new AppError('provider_account', { provider: name })
    if (settings.baseUrl.includes('refusing')) {
      const cause = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
      throw new AppError('provider_failed', { provider: name }, { cause })
    }
    if (settings.baseUrl.includes('broken')) {
      throw new AppError('provider_refused', { provider: name, reason: `no such key: ${settings.key}` })
    }
  }
  return {
    name,
    title: name.toUpperCase(),
    defaultUrl: `https://${name}.example`,
    needsKey: true,
    create: (settings): ImageProvider => {
      if (settings.baseUrl.includes(',')) throw new TypeError('Invalid URL')
      return createPlain({ name, test: () => test(settings) })
    },
    ...over,
  }
}

const hidden: string[] = []

beforeAll(async () => {
  service = await openService({ admins: ['test:root'], models: [sketch, fluxDev] }, async (core, log) => {
    const providers = await keepProviders({
      database: core.database,
      secretKey: core.secretKey,
      kinds: [
        kindOf('fal'),
        kindOf('ark'),
        kindOf('local', { needsKey: false, defaultUrl: undefined, create: () => createPlain({ name: 'local' }) }),
      ],
      fallback: new Map([
        ['ark', { baseUrl: 'https://ark.example', key: secrets.environment, timeoutMs: 1, concurrency: 1 }],
      ]),
      defaults: { timeoutMs: 300_000, concurrency: 5 },
      context: () => ({ log }),
      hide: (key) => hidden.push(key),
      log: { ...log, error: log.warn },
    })
    return { ...core, log, providers }
  })
})
beforeEach(async () => {
  tested = []
  hidden.length = 0
  await service.core.database.rows(sql`delete from provider_configs`)
  await service.core.providers.reload()
})
afterAll(async () => {
  const seen = [...service.answers, ...service.log.lines].join('\n')
  for (const [name, secret] of Object.entries(secrets)) {
    expect({ name, shown: seen.includes(secret) }).toEqual({ name, shown: false })
  }
  expect(await service.close()).toEqual([])
})

const call = (what: string, body?: object, key: string = operatorKey) => service.call(what, { body, key })
const create = async (over: object = {}) =>
  (await call('POST /api/config', { provider: 'fal', name: 'main', key: secrets.stored, ...over })).body.config
const using = async (provider: string) =>
  (await call('GET /api/config')).body.providers.find((each: { provider: string }) => each.provider === provider).using

describe('/api/config', () => {
  it('stores, returns, changes and removes configurations, with effect at once', async () => {
    expect((await call('GET /api/config')).body).toMatchObject({
      configs: [],
      providers: [
        { provider: 'fal', title: 'FAL', needs_key: true, default_url: 'https://fal.example', using: 'none' },
        { provider: 'ark', using: 'environment' },
        { provider: 'local', needs_key: false, default_url: null, using: 'none' },
      ],
    })
    const made = await call('POST /api/config', { provider: 'fal', key: ` ${secrets.stored}\n`, timeoutSeconds: 60 })
    expect(made).toMatchObject({
      status: 201,
      body: {
        config: { provider: 'fal', name: 'fal', key: '…abcd', active: true, enabled: true, timeout_seconds: 60 },
      },
    })
    const { id } = made.body.config
    expect(service.core.providers.get('fal')?.settings).toMatchObject({ key: secrets.stored, timeoutMs: 60_000 })
    expect(await using('fal')).toBe('stored')

    const changed = await call(`PUT /api/config/${id}`, { max_concurrent: 9, default_model: 'flux-dev', name: 'other' })
    expect(changed.body.config).toMatchObject({
      max_concurrent: 9,
      default_model: 'flux-dev',
      name: 'other',
      key: '…abcd',
    })
    expect(service.core.providers.get('fal')?.settings).toMatchObject({ key: secrets.stored, concurrency: 9 })
    await call(`PUT /api/config/${id}`, { enabled: false })
    expect(await using('fal')).toBe('none')

    expect((await call(`DELETE /api/config/${id}`)).body).toEqual({ success: true, id })
    expect(service.core.providers.get('fal')).toBeUndefined()
    for (const what of [`PUT /api/config/${id}`, `DELETE /api/config/${id}`, "PUT /api/config/x'"]) {
      const body = what.startsWith('PUT') ? {} : undefined
      expect(await call(what, body)).toMatchObject({ status: 404, body: { code: 'unknown_config' } })
    }
  })

  it('requires the key of the operator or of an administrator', async () => {
    const { core } = service
    const userId = await accountOf(core, { id: 'test:root', name: 'root' })
    const { key } = await createApiKey(core, { userId, name: 'mine' })
    expect(await call('GET /api/config', undefined, key)).toMatchObject({ status: 200 })
    const { id } = await create()
    for (const what of ['GET /api/config', 'POST /api/config', `PUT /api/config/${id}`, `DELETE /api/config/${id}`]) {
      const body = /^P/.test(what) ? { provider: 'fal', nonsense: 1 } : undefined
      expect(await call(what, body, service.key)).toMatchObject({
        status: 403,
        body: { success: false, code: 'admins_only', error: 'Only an administrator’s key can do that.' },
      })
    }
    expect(await call('POST /api/config/test', { id }, service.key)).toMatchObject({ status: 403 })
    expect(await service.call('GET /api/config', { key: null })).toMatchObject({ status: 401 })
    expect(tested).toEqual([])
  })

  it.each([
    [{ provider: 'unknown' }, 'unknown_provider', 'provider'],
    [{}, 'bad_request', 'provider'],
    [{ provider: 'fal', base_ur: 'https://x.example' }, 'bad_request', 'body'],
    [{ provider: 'fal', base_url: 'ftp://x.example' }, 'bad_option', 'base_url'],
    [{ provider: 'fal', key: 'with spaces in it' }, 'bad_request', 'key'],
    [{ provider: 'fal', key: '…abcd' }, 'bad_request', 'key'],
    [{ provider: 'fal', key: 7 }, 'bad_request', 'key'],
    [{ provider: 'fal', timeout_seconds: 0 }, 'bad_request', 'timeout_seconds'],
    [{ provider: 'fal', max_concurrent: 1.5 }, 'bad_request', 'max_concurrent'],
    [{ provider: 'fal', enabled: 'yes' }, 'bad_request', 'enabled'],
    [{ provider: 'fal', default_model: 'flux-dve' }, 'bad_request', 'default_model'],
    [{ provider: 'fal', default_model: 'sketch' }, 'bad_request', 'default_model'],
  ])('refuses %j, and names the field', async (body, code, field) => {
    const refused = await call('POST /api/config', body)
    expect(refused).toMatchObject({ status: 400, body: { success: false, code, details: [{ field }] } })
    expect((await call('GET /api/config')).body.configs).toEqual([])
  })

  it('hides secrets in addresses, and leaves fields unchanged that are sent back as shown', async () => {
    const { id, ...shown } = await create({
      base_url: `https://me:${secrets.password}@relay.example/v1?key=${secrets.password}`,
    })
    expect(shown).toMatchObject({ base_url: 'https://…@relay.example/v1?…', key: '…abcd' })
    const { provider: _, ...all } = shown
    expect((await call(`PUT /api/config/${id}`, { ...all, name: 'renamed' })).body.config).toMatchObject({
      name: 'renamed',
    })
    expect(service.core.providers.get('fal')?.settings).toMatchObject({ key: secrets.stored })
    expect(service.core.providers.get('fal')?.settings.baseUrl).toContain(secrets.password)
    const guessed = { base_url: 'https://…@elsewhere.example' }
    expect(await call(`PUT /api/config/${id}`, guessed)).toMatchObject({ body: { details: [{ field: 'base_url' }] } })
  })

  it('sends a stored key to no other address', async () => {
    const { id } = await create()
    for (const base_url of ['https://elsewhere.example', 'https://fal.example@elsewhere.example']) {
      expect(await call(`PUT /api/config/${id}`, { base_url })).toMatchObject({
        status: 400,
        body: { details: [{ field: 'key' }] },
      })
      expect(await call('POST /api/config/test', { id, base_url })).toMatchObject({ status: 400 })
      expect(await call('POST /api/config/test', { provider: 'ark', base_url })).toMatchObject({ status: 400 })
    }
    expect(tested).toEqual([])
    expect(service.core.providers.get('fal')?.settings.baseUrl).toBe('https://fal.example')
    const moved = { base_url: 'https://elsewhere.example/', key: secrets.other }
    expect((await call(`PUT /api/config/${id}`, moved)).body.config).toMatchObject({
      base_url: 'https://elsewhere.example',
      key: '…wxyz',
    })
    expect((await call(`PUT /api/config/${id}`, { key: null })).body.config).toMatchObject({ key: null })
  })

  it('has one active configuration after concurrent requests', async () => {
    const made = await Promise.all(Array.from({ length: 4 }, (_, n) => create({ name: `n${n}`, active: n > 1 })))
    await Promise.all(made.map(({ id }) => call(`PUT /api/config/${id}`, { active: true })))
    const { configs } = (await call('GET /api/config')).body
    expect(configs).toHaveLength(4)
    expect(configs.filter(({ active }: { active: boolean }) => active)).toHaveLength(1)
  })

  it('updates other processes', async () => {
    const { core, log } = service
    const others = await keepProviders({
      database: core.database,
      secretKey: core.secretKey,
      kinds: core.providers.kinds,
      fallback: new Map(),
      defaults: { timeoutMs: 1, concurrency: 1 },
      context: () => ({ log }),
      log,
    })
    await create()
    await expect.poll(() => others.get('fal')?.settings.key).toBe(secrets.stored)
    await others.stop()
  })
})

describe('/api/config/test', () => {
  const test = (body: object) => call('POST /api/config/test', body)

  it('tests stored, current and unsaved settings', async () => {
    const { id } = await create({ base_url: 'http://127.0.0.1:9/inside' })
    expect(await test({ id })).toMatchObject({ status: 200, body: { provider: 'fal', result: 'works' } })
    expect(await test({ provider: 'ark' })).toMatchObject({ body: { provider: 'ark', result: 'works' } })
    const given = { provider: 'ark', baseUrl: 'https://relay.example', apiKey: undefined, key: secrets.stored }
    expect(await test(given)).toMatchObject({ status: 200, body: { result: 'works' } })
    expect(tested).toMatchObject([
      { baseUrl: 'http://127.0.0.1:9/inside', key: secrets.stored },
      { key: secrets.environment },
      { baseUrl: 'https://relay.example', key: secrets.stored },
    ])
    expect(hidden).toContain(secrets.stored)
    expect(await test({ provider: 'local', base_url: 'http://192.168.0.2:8188' })).toMatchObject({
      body: { result: 'unknown' },
    })
    expect((await call('GET /api/config')).body.configs).toHaveLength(1)
  })

  it('reports the error without the key', async () => {
    const wrong = await test({ provider: 'fal', key: secrets.other })
    expect(wrong).toMatchObject({ status: 503, body: { success: false, code: 'provider_account' } })
    expect(wrong.body.error).toContain('FAL does not accept this key')
    const broken = await test({ provider: 'fal', base_url: 'https://broken.example', key: secrets.stored })
    expect(broken).toMatchObject({ status: 502, body: { code: 'provider_refused' } })
    expect(broken.body.error).toContain('no such key: …')
    const refusing = await test({ provider: 'fal', base_url: 'https://refusing.example', key: secrets.stored })
    expect(refusing).toMatchObject({ status: 502, body: { code: 'provider_failed' } })
    expect(refusing.body.error).toContain('nothing listens at that address')
  })

  it.each([
    [{}, 'provider'],
    [{ provider: 'fal' }, 'key'],
    [{ provider: 'local' }, 'base_url'],
    [{ provider: 'unknown', key: 'x' }, 'provider'],
    [{ id: 'x', provider: 'fal' }, 'id'],
    [{ provider: 'fal', key: 'k', url: 'https://x.example' }, 'body'],
    [{ provider: 'fal', key: 'k', base_url: 'file:///etc/passwd' }, 'base_url'],
    [{ provider: 'fal', key: 'k', base_url: 'https://a.example,https://b.example' }, 'base_url'],
  ])('refuses %j, and names the field', async (body, field) => {
    expect(await test(body)).toMatchObject({ status: 400, body: { details: [{ field }] } })
    expect(await test({ id: 'unknown' })).toMatchObject({ status: 404, body: { code: 'unknown_config' } })
  })

  it('distinguishes a key that was encrypted with another SECRET_KEY from a wrong key', async () => {
    const { id } = await create()
    const { secretKey } = service.core
    Object.assign(service.core, { secretKey: Buffer.from('quite another secret key, 32 chars') })
    expect((await call('GET /api/config')).body.configs).toMatchObject([{ key: '????' }])
    expect((await test({ id })).body.details).toMatchObject([{ field: 'key' }])
    Object.assign(service.core, { secretKey })
  })
})
