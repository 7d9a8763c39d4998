import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { accountOf, readAccount } from '../../../src/core/accounts/accounts.ts'
import {
  createApiKey,
  findKeyHolder,
  type KeyHolder,
  listApiKeys,
  revokeApiKey,
} from '../../../src/core/accounts/api-keys.ts'
import { AppError, asAppError } from '../../../src/core/errors.ts'
import { cancel } from '../../../src/core/generation/cancel.ts'
import { waitForEnd } from '../../../src/core/programs/wait.ts'
import { databases } from '../../helpers/backends.ts'
import { askAs, createPlain, openTestCore, type TestCore, type TestCoreOptions } from '../../helpers/core.ts'
import { violations } from '../../helpers/invariants.ts'

describe.each(databases())('an API key on %s', (kind) => {
  let test: TestCore
  const open = async (options?: TestCoreOptions) => {
    test = await openTestCore(kind, { admins: ['test:admin'], ...options })
    return test
  }
  afterEach(async () => {
    const wrong = await violations(test.core.database)
    await test.close()
    expect(wrong).toEqual([])
  })
  const account = (who = 'ann') => accountOf(test.core, { id: `test:${who}`, name: who })
  const keyOf = async (over: { who?: string; monthlyCap?: number; models?: string[] } = {}) => {
    const { who, ...rest } = over
    const userId = await account(who)
    const { id, key } = await createApiKey(test.core, { userId, name: 'a script', ...rest })
    const holder = await findKeyHolder(test.core, key, undefined)
    return { id, key, userId, holder: holder as KeyHolder }
  }
  const spent = async (id: string) => {
    const [row] = await test.core.database.rows<{ spent: number; month: string }>(
      sql`select spent, spent_month as month from api_keys where id = ${id}`,
    )
    return row
  }
  let asked = 0
  const order = (holder: KeyHolder, count = 1) =>
    askAs(test.core, { holder, key: String(++asked), params: { prompt: 'a cat', count }, images: [] })
  const ended = (id: string) => waitForEnd(test.core, null, id, { signal: AbortSignal.timeout(20_000) })

  it('is made once for a call that is handled again after a crash', async () => {
    await open()
    const wanted = { userId: await account(), name: 'a script', callKey: 'test:1' }
    const [once, again] = await Promise.all([createApiKey(test.core, wanted), createApiKey(test.core, wanted)])
    expect(again).toEqual(once)
    expect((await createApiKey(test.core, { ...wanted, callKey: 'test:2' })).key).not.toBe(once.key)
    expect(await listApiKeys(test.core, wanted.userId)).toHaveLength(2)
    expect((await findKeyHolder(test.core, once.key, undefined))?.keyId).toBe(once.id)
  })

  it('acts for its account until it is revoked, and is stored as a hash', async () => {
    const { core } = await open()
    const { id, key, userId, holder } = await keyOf()
    expect(key).toMatch(/^fb_[\w-]{43}$/)
    expect(holder).toEqual({ userId, keyId: id, admin: false, models: null })
    const [row] = await core.database.rows<object>(sql`select * from api_keys`)
    expect(JSON.stringify(row)).not.toContain(key.slice(0, -4))
    expect(await listApiKeys(core, userId)).toMatchObject([{ id, name: 'a script', tail: key.slice(-4), spent: 0 }])
    expect(await findKeyHolder(core, `${key}x`, undefined)).toBeUndefined()
    expect(await findKeyHolder(core, '', undefined)).toBeUndefined()

    expect(await revokeApiKey(core, await account('bob'), id)).toBe(false)
    expect(await revokeApiKey(core, userId, 'nonsense')).toBe(false)
    expect(await revokeApiKey(core, userId, id)).toBe(true)
    expect(await revokeApiKey(core, userId, id)).toBe(false)
    expect(await findKeyHolder(core, key, undefined)).toBeUndefined()
    expect(await listApiKeys(core, userId)).toEqual([])
  })

  it('has its creator’s admin rights, and API_KEY works without a row', async () => {
    const { core } = await open()
    expect((await keyOf({ who: 'admin' })).holder.admin).toBe(true)
    // a key with limits of its own has no admin rights
    expect((await keyOf({ who: 'admin', monthlyCap: 5 })).holder.admin).toBe(false)
    expect((await keyOf({ who: 'admin', models: ['sketch'] })).holder.admin).toBe(false)
    const [first, second] = await Promise.all([1, 2].map(() => findKeyHolder(core, 'the operator', 'the operator')))
    expect(first).toEqual({
      userId: expect.any(String),
      keyId: null,
      admin: true,
      adminAs: 'api:operator',
      models: null,
    })
    expect(second).toEqual(first)
    expect(await findKeyHolder(core, 'the operato', 'the operator')).toBeUndefined()
    expect(await findKeyHolder(core, 'the operator', undefined)).toBeUndefined()
  })

  it('is one of at most twenty for an account, however many are created at once', async () => {
    const { core } = await open()
    const userId = await account()
    const tries = await Promise.allSettled(
      Array.from({ length: 40 }, () => createApiKey(core, { userId, name: 'one of many' })),
    )
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(20)
    const [key] = await listApiKeys(core, userId)
    await revokeApiKey(core, userId, key?.id ?? '')
    await createApiKey(core, { userId, name: 'in its place' })
    await expect(createApiKey(core, { userId, name: 'one more' })).rejects.toMatchObject({ kind: 'too_many_keys' })
  })

  it('cannot have an invalid cap or unknown models', async () => {
    await open()
    await expect(keyOf({ monthlyCap: 0 })).rejects.toMatchObject({ kind: 'bad_option' })
    await expect(keyOf({ monthlyCap: 1.5 })).rejects.toMatchObject({ kind: 'bad_option' })
    await expect(keyOf({ models: ['nix'] })).rejects.toMatchObject({ kind: 'unknown_model' })
  })

  it('spends exactly its cap on 60 concurrent requests', async () => {
    const { core, work } = await open({ limits: { welcome: 100, inFlight: 100, perMinute: 1_000 } })
    const { id, holder, userId } = await keyOf({ monthlyCap: 7 })
    const tries = await Promise.allSettled(Array.from({ length: 60 }, () => order(holder)))
    const accepted = tries.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
    const refused = tries.flatMap((one) => (one.status === 'rejected' ? asAppError(one.reason) : []))
    expect(accepted).toHaveLength(7)
    expect(new Set(refused.map(({ kind: why }) => why))).toEqual(new Set(['cap_reached']))
    expect(refused[0]?.data).toEqual({ limit: 7, spent: 7 })
    await work()
    for (const one of accepted) expect((await ended(one.id)).state).toBe('delivered')
    expect((await spent(id))?.spent).toBe(7)
    // refused requests leave no row, and the account can still spend in other ways
    expect(await readAccount(core, userId)).toMatchObject({ balance: 93, held: 0, inFlight: 0 })
    expect(await test.ended(await test.say('a cat'))).toBe('delivered')
  })

  it('gets back credits of failed and cancelled requests and of missing pictures', async () => {
    let fails = true
    const provider = createPlain()
    const { start } = provider
    provider.start = async (task, signal) => {
      if (fails) throw new AppError('moderated')
      return start(task, signal)
    }
    const { core, work } = await open({ providers: [provider] })
    const { id, holder } = await keyOf({ monthlyCap: 3 })
    const first = await order(holder, 3)
    await expect(order(holder)).rejects.toMatchObject({ kind: 'cap_reached' })
    expect((await cancel(core, holder.userId, first.id))?.state).toBe('cancelled')
    expect((await spent(id))?.spent).toBe(0)
    await work()
    expect((await ended((await order(holder, 3)).id)).state).toBe('failed')
    expect((await spent(id))?.spent).toBe(0)
    fails = false
    // the provider delivers one of three pictures
    expect(await ended((await order(holder, 3)).id)).toMatchObject({ state: 'delivered', credits: 1 })
    expect((await spent(id))?.spent).toBe(1)
  })

  it('starts each month at zero, and a refund for an earlier month does not count', async () => {
    const { core } = await open()
    const { id, holder, userId } = await keyOf({ monthlyCap: 2 })
    const old = await order(holder, 2)
    const month = (await spent(id))?.month
    expect(month).toMatch(/^\d{4}-\d{2}$/)
    await core.database.rows(sql`update generations set created_at = created_at - interval '40 days'`)
    await core.database.rows(sql`update api_keys set spent_month = to_char(now() - interval '40 days', 'YYYY-MM')`)
    expect(await listApiKeys(core, userId)).toMatchObject([{ spent: 0 }])
    await expect(order(holder, 3)).rejects.toMatchObject({ kind: 'cap_reached', data: { limit: 2, spent: 0 } })
    const now = await order(holder, 1)
    expect(await spent(id)).toEqual({ spent: 1, month })
    await cancel(core, userId, old.id)
    expect(await spent(id)).toEqual({ spent: 1, month })
    await cancel(core, userId, now.id)
    expect(await spent(id)).toEqual({ spent: 0, month })
  })
})
