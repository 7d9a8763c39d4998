import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findKeyHolder } from '../../src/core/accounts/api-keys.ts'
import type { Call, Options } from '../../src/core/ports/chat.ts'
import { quickest } from '../helpers/backends.ts'
import { openTestCore, type TestCore } from '../helpers/core.ts'

describe('/apikey', () => {
  let test: TestCore
  beforeEach(async () => {
    test = await openTestCore(quickest)
  })
  afterEach(() => test.close())

  const answer = async (
    text: string,
    { options, ...over }: Partial<Call> & { who?: string; options?: Options } = {},
  ) => {
    const act = { kind: 'command', name: 'apikey', text: '', options: options ?? {} } as const
    const call = await test.say(text, { isPrivate: true, ...over, ...(options && { act }) })
    return test.chat.last(call.address)
  }
  const made = async (text: string, over = {}) =>
    /fb_[\w-]{43}/.exec((await answer(text, over))?.text ?? '')?.[0] ?? 'none'

  it('creates a key, shows it once, lists it and revokes it', async () => {
    expect((await answer('/apikey'))?.text).toContain('You have no API keys')
    const shown = await answer('/apikey create my script')
    expect(shown).toMatchObject({ state: 'info', private: true })
    expect(shown?.text).toContain('my script')
    const key = /fb_[\w-]{43}/.exec(shown?.text ?? '')?.[0] ?? ''
    expect(await findKeyHolder(test.core, key, undefined)).toMatchObject({ admin: false })

    const list = await answer('/apikey')
    expect(list?.text).toContain(`…${key.slice(-4)}  my script · 0 credits this month`)
    expect(list?.text).not.toContain(key)

    expect((await answer(`/apikey revoke ${key.slice(-4)}`))?.text).toContain('no longer works')
    expect(await findKeyHolder(test.core, key, undefined)).toBeUndefined()
    expect((await answer(`/apikey revoke ${key.slice(-4)}`))?.text).toContain('You have no key')
  })

  it('revokes by id, and only keys of the account', async () => {
    const key = await made('/apikey create')
    const [, id = ''] = /([0-9a-f-]{36})/.exec((await answer('/apikey list'))?.text ?? '') ?? []
    expect((await answer(`/apikey revoke ${id}`, { who: 'bob' }))?.text).toContain('You have no key')
    expect(await findKeyHolder(test.core, key, undefined)).toBeDefined()
    await answer(`/apikey revoke ${id}`)
    expect(await findKeyHolder(test.core, key, undefined)).toBeUndefined()
  })

  it('accepts typed options, and explains itself', async () => {
    const key = await made('/apikey', { options: { key: 'create', name: 'typed' } })
    expect(await findKeyHolder(test.core, key, undefined)).toBeDefined()
    expect((await answer('/apikey', { options: { key: 'revoke', name: key.slice(-4) } }))?.text).toContain('typed')
    expect((await answer('/apikey destroy'))?.text).toContain('Write list, create, or revoke')
    expect((await answer('/apikey', { locale: 'zh' }))?.text).toContain('API 密钥')
  })

  it('sets limits by flags or typed options, and shows how much of them is left', async () => {
    const { core } = test
    const shown = await answer('/apikey create my script --cap 50 --models sketch, Sketch')
    expect(shown?.text).toMatch(/^🔑 my script\nfb_[\s\S]+At most 50 credits a month\.\nOnly with sketch\.$/)
    const key = /fb_[\w-]{43}/.exec(shown?.text ?? '')?.[0] ?? ''
    expect(await findKeyHolder(core, key, undefined)).toMatchObject({ models: ['sketch'] })
    const rows = await core.database.rows(sql`select name, monthly_cap, models from api_keys`)
    expect(rows).toEqual([{ name: 'my script', monthly_cap: 50, models: ['sketch'] }])
    expect((await answer('/apikey'))?.text).toContain(
      'my script · 0 of 50 credits this month · only sketch · last used',
    )

    const typed = { key: 'create', name: 'typed', cap: 7, models: 'sketch' }
    expect((await answer('/apikey', { options: typed, locale: 'zh' }))?.text).toContain(
      '每月最多 7 积分。\n仅限 sketch。',
    )
    for (const flag of ['—cap 3', '--cap=3', '––cap 3', '−−cap:3', '－－cap＝3']) {
      expect((await answer(`/apikey create ${flag} from a phone`))?.text).toContain('At most 3 credits a month.')
    }
    expect((await answer('/apikey'))?.text).toContain('from a phone · 0 of 3 credits')
  })

  it('refuses invalid limits with a reason', async () => {
    for (const [flags, why] of [
      ['--cap 0', 'does not fit --cap'],
      ['--cap many', '"many" does not fit --cap'],
      ['--cap 9999999999', 'does not fit --cap'],
      ['--cap', '--cap needs a value'],
      ['--models nothing', 'There is no model "nothing"'],
      ['--models', '--models needs a value'],
      ['--limit 5', 'There is no option --limit'],
    ]) {
      expect((await answer(`/apikey create mine ${flags}`))?.text).toContain(why)
    }
    expect((await answer('/apikey'))?.text).toContain('You have no API keys')
  })

  it('shows no keys where other people can or may read them', async () => {
    for (const isPrivate of [false, undefined]) {
      const refused = await answer('/apikey create', { isPrivate })
      expect(refused).toMatchObject({ state: 'failed', private: true })
      expect(refused?.text).toContain('in private chats only')
    }
    expect((await answer('/apikey'))?.text).toContain('You have no API keys')
  })
})
