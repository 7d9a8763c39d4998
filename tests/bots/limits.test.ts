/** `/limits`: what administrators set counts in the next request, in chats and for programs. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { accountOf } from '../../src/core/accounts/accounts.ts'
import { highest } from '../../src/core/accounts/change-limits.ts'
import { operatorLimits, paceLeft } from '../../src/core/accounts/limits.ts'
import { quickest } from '../helpers/backends.ts'
import { askAs, openTestCore, type TestCore } from '../helpers/core.ts'

describe('/limits', () => {
  let test: TestCore
  let userId: string
  beforeEach(async () => {
    test = await openTestCore(quickest, { admins: ['test:root'], limits: { inFlight: 1, perMinute: 3, welcome: 100 } })
    userId = await accountOf(test.core, { id: 'test:bob', name: 'bob', handle: 'bob' })
  })
  afterEach(() => test.close())

  const asRoot = async (text: string) => {
    const call = await test.say(text, { who: 'root' })
    return test.chat.last(call.address)?.text
  }
  const draw = async () => {
    const call = await test.say('a cat', { who: 'bob' })
    const content = test.chat.last(call.address)?.content
    return content?.kind === 'refusal' ? { [content.error]: content.data.limit } : content?.kind
  }
  const forget = () => test.core.database.rows(sql`update users set pace_at = now()`)

  it('of a person come before those of the tier, and those before the settings', async () => {
    expect(await asRoot('/limits @bob')).toBe('bob: 1 under way, 3 a minute · no tier')
    expect([await draw(), await draw()]).toEqual(['queued', { too_many_in_flight: 1 }])
    expect(await asRoot('/limits @bob tier gold')).toBe('⚠️ "gold" does not fit tier. Use default.')
    expect(await asRoot('/limits tier gold in_flight 3')).toContain('Tier gold: 3 under way, 3 a minute')
    expect(await asRoot('/limits @bob tier gold')).toBe('bob: 3 under way, 3 a minute · tier gold')
    expect([await draw(), await draw(), await draw()]).toEqual(['queued', 'queued', { too_many_in_flight: 3 }])
    expect(await asRoot('/limits tier gold per_minute 4')).toContain('Tier gold: 3 under way, 4 a minute')
    expect(await asRoot('/limits @bob in_flight 5')).toBe('bob: 5 under way, 4 a minute · tier gold')
    expect(await draw()).toEqual({ too_fast: 4 })
    await forget()
    expect([await draw(), await draw(), await draw()]).toEqual(['queued', 'queued', { too_many_in_flight: 5 }])
    expect(await asRoot('/limits @bob in_flight default tier default')).toBe('bob: 1 under way, 3 a minute · no tier')
    expect(await draw()).toEqual({ too_many_in_flight: 1 })
  })

  it('are those of the settings for all others, as high as /limits goes', async () => {
    const { inFlight, perMinute } = highest
    const settings = { REQUESTS_IN_FLIGHT: String(inFlight), REQUESTS_PER_MINUTE: String(perMinute) }
    expect(readConfig(settings)).toMatchObject({ requestsInFlight: inFlight, requestsPerMinute: perMinute })
    expect(readConfig({})).toMatchObject({ requestsInFlight: 3, requestsPerMinute: 20 })
    await test.close()
    test = await openTestCore(quickest, {
      admins: ['test:root'],
      settings: { REQUESTS_IN_FLIGHT: '2', REQUESTS_PER_MINUTE: '4' },
    })
    expect(await asRoot('/limits')).toContain('2 under way, 4 a minute')
    expect([await draw(), await draw(), await draw()]).toEqual(['queued', 'queued', { too_many_in_flight: 2 }])
    expect(await asRoot('/limits @bob in_flight 9')).toBe('bob: 9 under way, 4 a minute · no tier')
    expect([await draw(), await draw(), await draw()]).toEqual(['queued', 'queued', { too_fast: 4 }])
  })

  it('count for programs of the person, and not for the operator’s key', async () => {
    await asRoot('/limits @bob in_flight 2 per_minute 60')
    const ask = (keyId: string | null) =>
      askAs(test.core, {
        holder: { userId, keyId, admin: false, models: null },
        params: { prompt: 'a cat' },
        images: [],
      })
    const key = '00000000-0000-7000-8000-000000000000'
    await test.core.database.rows(sql`
      insert into api_keys (id, user_id, name, hash, tail) values (${key}::uuid, ${userId}::uuid, 'mine', 'x', 'x')`)
    const asked = await Promise.allSettled(Array.from({ length: 6 }, () => ask(key)))
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(2)
    await ask(null)
    expect(await paceLeft(test.core, userId, test.core.limits)).toMatchObject({ of: 60 })
    expect(await paceLeft(test.core, userId, operatorLimits)).toMatchObject({ of: 6_000 })
  })

  it('are recorded with the earlier values', async () => {
    await asRoot('/limits tier gold in_flight 3 per_minute 9')
    await asRoot('/limits tier gold per_minute default')
    await asRoot('/limits @bob tier gold in_flight 7')
    await asRoot('/limits @bob')
    expect(await test.core.database.rows(sql`select action, target, before, after from audit_log order by id`)).toEqual(
      [
        { action: 'tier', target: 'gold', before: null, after: { in_flight: 3, per_minute: 9 } },
        {
          action: 'tier',
          target: 'gold',
          before: { in_flight: 3, per_minute: 9 },
          after: { in_flight: 3, per_minute: null },
        },
        {
          action: 'limits',
          target: userId,
          before: { in_flight: null, per_minute: null, tier: null },
          after: { in_flight: 7, per_minute: null, tier: 'gold' },
        },
      ],
    )
  })

  it.each([
    ['/limits @bob in_flight 0', '"0" does not fit in_flight. Use 1–1000, default.'],
    ['/limits @bob per_minute 601', '"601" does not fit per_minute. Use 1–600, default.'],
    ['/limits tier Ä in_flight 2', '"ä" does not fit tier. Use a–z, 0–9, -.'],
    ['/limits in_flight 2', 'user needs a value.'],
    ['/limits @bob 10 60', 'There is no option 10. Options: user, in_flight, per_minute, tier.'],
  ])('refuse %s', async (text, sentence) => {
    expect(await asRoot(text)).toBe(`⚠️ ${sentence}`)
    expect(await asRoot('/limits')).toMatch(/^Without a tier: 1 under way, 3 a minute\n\n/)
  })
})
