/** `/lookup`, and revoking the key of another person. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { accountOf } from '../../../src/core/accounts/accounts.ts'
import { createApiKey, findKeyHolder } from '../../../src/core/accounts/api-keys.ts'
import { AppError } from '../../../src/core/errors.ts'
import { shortId } from '../../../src/core/ids.ts'
import { quickest } from '../../helpers/backends.ts'
import { createPlain, openTestCore, type TestCore } from '../../helpers/core.ts'

describe('/lookup', () => {
  let test: TestCore
  beforeEach(async () => {
    const provider = createPlain({
      start: async () =>
        Promise.reject(new AppError('provider_refused', { reason: 'no such size' }, { neverRan: true })),
    })
    test = await openTestCore(quickest, { admins: ['test:root'], providers: [provider] })
  })
  afterEach(() => test.close())

  const say = async (text: string, who = 'root') => {
    const call = await test.say(text, { who, isPrivate: true })
    return test.chat.last(call.address)
  }
  const bob = () => accountOf(test.core, { id: 'test:bob', name: 'bob', handle: 'bob' })

  async function failed(): Promise<string> {
    await test.work()
    await test.ended(await test.say('a secret wish', { who: 'bob' }))
    const [row] = await test.core.database.rows<{ id: string }>(sql`select id from generations`)
    return row?.id ?? ''
  }

  it('shows the money, limits, identities, requests, keys and administrators’ acts of a person', async () => {
    const id = await failed()
    const userId = await bob()
    const { id: keyId, key } = await createApiKey(test.core, { userId, name: 'my script' })
    await say('/limits @bob in_flight 7')
    await say('/ban @bob spam')
    const reply = await say('/lookup @bob')
    expect(reply).toMatchObject({ private: true })
    for (const line of [
      `👤 bob · ${userId} · since `,
      '💳 20 credits, 0 on hold',
      'test:bob (@bob)',
      '⛔ bob is banned for good: spam',
      '0 under way; limits: 7 under way, 20 a minute · no tier',
      '-1  request',
      `#${shortId(id)} ⚠️ provider_refused · sketch · sketch · `,
      `…${key.slice(-4)} my script · never used · ${keyId}`,
      'ban (test:root): – → {"until":null,"reason":"spam"}',
      'limits (test:root): {"tier":null,"in_flight":null,"per_minute":null} → {"tier":null,"in_flight":7,',
    ]) {
      expect(reply?.text).toContain(line)
    }
    expect(reply?.text).not.toContain('secret wish')
    expect(reply?.text).not.toContain(key)
  })

  it('shows a request by its id or short id: states, times, people, price and error', async () => {
    const id = await failed()
    const userId = await bob()
    const { text } = (await say(`/lookup ${id}`)) ?? {}
    for (const line of [
      `#${shortId(id)} · ${id}`,
      '⚠️ failed, 1 attempt',
      '\nprovider_refused\n',
      `By bob (${userId})`,
      'sketch · sketch · ',
      'Price 1 credit, paid or on hold 0',
      'Accepted ',
      'ended after ',
    ]) {
      expect(text).toContain(line)
    }
    expect(text).not.toContain('secret wish')
    expect((await say(`/lookup #${shortId(id)}`))?.text).toBe(text)
    expect((await say(`/lookup ${shortId(id)}`))?.text).toBe(text)
    expect((await say('/lookup #00000000'))?.text).toContain('There is no such request')
    expect((await say('/lookup @stranger'))?.text).toContain('is not known here')
    expect((await say('/lookup'))?.text).toContain('user needs a value')
  })

  it('shows the provider’s reference of a request, but no links, and nothing of that for a private one', async () => {
    const id = await failed()
    const lookup = async (ticket: object, isPrivate = false) => {
      const data = { provider: 'fal', reason: 'a secret wish', limit: 3 }
      await test.core.database.rows(sql`
        update generations set ticket = ${JSON.stringify(ticket)}::jsonb, private = ${isPrivate},
          error_data = ${JSON.stringify(data)}::jsonb`)
      return (await say(`/lookup ${id}`))?.text
    }
    const ticket = { requestId: '0192-abcdef', resultPath: '/a/secret/path' }
    expect(await lookup(ticket)).toContain('Reference of the provider: 0192-abcdef\n')
    expect(await lookup({ urls: ['https://secret.example'] })).not.toContain('Reference')
    expect(await lookup({ taskId: 'https://secret.example' })).not.toContain('secret')
    const text = await lookup(ticket, true)
    expect(text).not.toMatch(/Reference|0192-abcdef|secret/)
    expect(text).toContain('provider_refused · limit 3 · provider fal\n')
  })

  it('refuses a short id that several requests have', async () => {
    const id = await failed()
    const same = `01a00000-0000-7000-8000-0000${shortId(id)}`
    await test.core.database.rows(sql`
      insert into generations select (jsonb_populate_record(g, ${JSON.stringify({ id: same, key: 'same' })}::jsonb)).*
      from generations g where id = ${id}::uuid`)
    expect((await say(`/lookup ${shortId(id)}`))?.text).toContain('stands for more than one')
    expect((await say(`/lookup ${same}`))?.text).toContain(same)
    expect((await say(`/refund ${shortId(id)}`))?.text).toContain('stands for more than one')
  })

  it('leads to keys, which an administrator revokes by the name of their owner', async () => {
    const userId = await bob()
    const { id, key } = await createApiKey(test.core, { userId, name: 'mine' })
    const list = (await say('/apikey --user @bob'))?.text
    expect(list).toContain(`…${key.slice(-4)}  mine`)
    expect((await say(`/apikey revoke ${key.slice(-4)} --user @bob`, 'ann'))?.content).toMatchObject({
      error: 'admins_only',
    })
    expect((await say('/apikey create x --user @bob'))?.text).toContain('There is no option --user')
    expect(await findKeyHolder(test.core, key, undefined)).toMatchObject({ userId })
    expect((await say(`/apikey revoke ${id} --user @bob`))?.text).toContain('no longer works')
    expect(await findKeyHolder(test.core, key, undefined)).toBeUndefined()
    const acts = await test.core.database.rows(sql`select actor, action, target, before, after from audit_log`)
    const before = { key: id, name: 'mine', tail: key.slice(-4) }
    expect(acts).toEqual([{ actor: 'test:root', action: 'revoke', target: userId, before, after: null }])
  })
})
