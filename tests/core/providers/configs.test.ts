import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ProviderKind, ProviderSettings } from '../../../src/core/ports/providers.ts'
import {
  addConfig,
  changeConfig,
  listConfigs,
  openConfigs,
  removeConfig,
  resealConfigs,
} from '../../../src/core/providers/configs.ts'
import { keepProviders, type Providers } from '../../../src/core/providers/registry.ts'
import { databases, openTestDatabase } from '../../helpers/backends.ts'
import { createPlain } from '../../helpers/core.ts'
import { keepLog } from '../../helpers/log.ts'

const secretKey = Buffer.from('a secret key for tests, 32 chars')
const key = 'fal-key-id:a-very-secret-part'

describe.each(databases())('a stored provider configuration on %s', (kind) => {
  let database: Awaited<ReturnType<typeof openTestDatabase>>['database']
  let drop: () => Promise<void>
  let providers: Providers | undefined
  let created: ProviderSettings[]
  const vault = () => ({ database, secretKey, actor: 'cli' })

  beforeEach(async () => {
    ;({ database, drop } = await openTestDatabase(kind))
    created = []
  })
  afterEach(async () => {
    await providers?.stop()
    providers = undefined
    await drop()
  })

  const fal: ProviderKind = {
    name: 'fal',
    title: 'fal.ai',
    defaultUrl: 'https://queue.fal.run',
    needsKey: true,
    create(settings) {
      created.push(settings)
      return createPlain({ name: 'fal' })
    },
  }
  const log = keepLog()
  const keep = async (fallback: [string, ProviderSettings][] = []) => {
    providers = await keepProviders({
      database,
      secretKey,
      kinds: [fal],
      fallback: new Map(fallback),
      defaults: { timeoutMs: 300_000, concurrency: 5 },
      context: () => ({ log }),
      log,
    })
    return providers
  }

  it('stores its key sealed, shows only its end, and opens it for the provider', async () => {
    await addConfig(vault(), 'fal', { name: 'main', key, timeoutSeconds: 60, maxConcurrent: 2 })
    const rows = await database.rows(sql`select * from provider_configs`)
    expect(JSON.stringify(rows)).not.toContain('very-secret')
    expect(await listConfigs(vault())).toMatchObject([{ name: 'main', keyEnd: 'part', active: true, enabled: true }])
    expect(JSON.stringify(await listConfigs(vault()))).not.toContain('very-secret')
    const { get } = await keep()
    expect(get('fal')?.settings).toMatchObject({
      key,
      timeoutMs: 60_000,
      concurrency: 2,
      baseUrl: 'https://queue.fal.run',
    })
  })

  it('has one circuit breaker in all processes, until its settings change', async () => {
    await addConfig(vault(), 'fal', { key })
    const one = await keep()
    const other = await keep()
    const of = ({ get }: typeof one) => get('fal')!.breaker
    for (const id of 'abc') of(one).failed(id)
    for (const id of 'cde') of(other).failed(id)
    await expect.poll(() => [one, other].map((each) => of(each).isOpen())).toEqual([true, true])
    expect(of(one).restMs()).toBeGreaterThan(0)
    expect(JSON.stringify(await database.rows(sql`select * from provider_failures`))).not.toContain('secret')
    const later = await keep()
    expect(of(later).restMs()).toBeGreaterThan(0)
    const [{ id = '' } = {}] = await listConfigs(vault())
    await changeConfig(vault(), id, { timeoutSeconds: 60 })
    await later.reload()
    expect(of(later).isOpen()).toBe(false)
    await changeConfig(vault(), id, { timeoutSeconds: null })
    await Promise.all([one, other, later].map((each) => each.reload()))
    of(later).succeeded()
    await expect.poll(() => [one, other].map((each) => of(each).isOpen())).toEqual([false, false])
    await Promise.all([one, other].map((each) => each.stop()))
  })

  it('takes precedence over the environment', async () => {
    const environment = { baseUrl: 'https://relay.example', key: 'env-key', timeoutMs: 1, concurrency: 1 }
    const { get, reload } = await keep([['fal', environment]])
    expect(get('fal')?.settings).toEqual(environment)
    const id = await addConfig(vault(), 'fal', { key })
    await reload()
    expect(get('fal')?.settings).toMatchObject({ key, baseUrl: 'https://relay.example' })
    await changeConfig(vault(), id, { enabled: false })
    await reload()
    expect(get('fal')).toBeUndefined()
    await removeConfig(vault(), id)
    await reload()
    expect(get('fal')?.settings.key).toBe('env-key')
  })

  it('without a key uses that of the environment, for the address of the environment only', async () => {
    const environment = { baseUrl: 'https://relay.example', key: 'env-key', timeoutMs: 1, concurrency: 1 }
    const { get, reload } = await keep([['fal', environment]])
    const id = await addConfig(vault(), 'fal', { maxConcurrent: 10 })
    await reload()
    expect(get('fal')?.settings).toMatchObject({ key: 'env-key', concurrency: 10 })
    await changeConfig(vault(), id, { baseUrl: 'https://elsewhere.example' })
    await reload()
    expect(get('fal')).toBeUndefined()
    const before = log.lines.length
    await reload()
    expect(log.lines).toHaveLength(before)
  })

  it('reaches running processes, and calls back only when something changed', async () => {
    const { get, onChange } = await keep()
    let changes = 0
    onChange(() => changes++)
    const id = await addConfig(vault(), 'fal', { key })
    await expect.poll(() => get('fal')?.settings.key).toBe(key)
    const before = get('fal')
    await changeConfig(vault(), id, { name: 'another name' })
    await changeConfig(vault(), id, { maxConcurrent: 9 })
    await expect.poll(() => get('fal')?.settings.concurrency).toBe(9)
    expect(get('fal')).not.toBe(before)
    expect(changes).toBe(2)
    expect(created).toHaveLength(2)
  })

  it('is active if it is the provider’s first, until another is activated', async () => {
    const one = await addConfig(vault(), 'fal', { name: 'one', key })
    const two = await addConfig(vault(), 'fal', { name: 'two', key })
    const active = async () => (await listConfigs(vault())).filter((each) => each.active).map((each) => each.name)
    expect(await active()).toEqual(['one'])
    await changeConfig(vault(), two, { active: true })
    expect(await active()).toEqual(['two'])
    await Promise.allSettled([
      changeConfig(vault(), one, { active: true }),
      changeConfig(vault(), two, { active: true }),
    ])
    expect(await active()).toHaveLength(1)
  })

  it('is refused with the name of the invalid option', async () => {
    await expect(addConfig(vault(), 'fal', { timeoutSeconds: 0 })).rejects.toMatchObject({
      kind: 'bad_option',
      data: { name: 'timeout' },
    })
    await expect(addConfig(vault(), 'fal', { baseUrl: 'ftp://x' })).rejects.toMatchObject({ kind: 'bad_option' })
    await expect(addConfig(vault(), 'fal', { key: '' })).rejects.toMatchObject({ kind: 'bad_option' })
    await expect(changeConfig(vault(), 'nobody', {})).rejects.toMatchObject({ kind: 'unknown_config' })
    await expect(removeConfig(vault(), 'nobody')).rejects.toMatchObject({ kind: 'unknown_config' })
    await expect(removeConfig(vault(), '\0')).rejects.toMatchObject({ kind: 'unknown_config' })
    for (const change of [{ name: 'a\0' }, { key: 'a\0' }, { baseUrl: 'https://x/\0' }, { defaultModel: '\0' }]) {
      await expect(addConfig(vault(), 'fal', change)).rejects.toMatchObject({ kind: 'bad_option' })
    }
  })

  it('is unusable after a change of SECRET_KEY until it is sealed anew', async () => {
    await addConfig(vault(), 'fal', { key })
    const fresh = { database, secretKey: Buffer.from('quite another secret key, 32 chars'), actor: 'cli' }
    expect(await listConfigs(fresh)).toMatchObject([{ keyEnd: '????' }])
    expect(await resealConfigs(fresh, secretKey)).toBe(1)
    expect(await openConfigs(fresh)).toMatchObject([{ key }])
    expect(await openConfigs(vault())).toMatchObject([{ key: 'unreadable' }])
  })
})
