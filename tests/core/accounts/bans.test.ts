/** Who is banned, in every statement that asks. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { accountOf } from '../../../src/core/accounts/accounts.ts'
import { identityHash } from '../../../src/core/accounts/bans.ts'
import { takePace } from '../../../src/core/accounts/limits.ts'
import { quickest } from '../../helpers/backends.ts'
import { openTestCore, type TestCore } from '../../helpers/core.ts'

const accepted = 'a cat'

describe('a ban', () => {
  let test: TestCore
  beforeEach(async () => {
    test = await openTestCore(quickest)
  })
  afterEach(() => test.close())

  const answerTo = async (text: string, who = 'ann') => {
    const call = await test.say(text, { who })
    return test.chat.last(call.address)?.content
  }

  it.each([
    ['for ever', sql`null`, { reason: 'spam' }],
    ['until a time to come', sql`'2100-01-02 03:04Z'::timestamptz`, { reason: 'spam', until: '2100-01-02 03:04 UTC' }],
  ])('%s refuses requests with its reason and end', async (_, until, data) => {
    await answerTo('/credits')
    await test.core.database.rows(sql`update users set banned = true, banned_until = ${until}, ban_reason = 'spam'`)
    expect(await answerTo(accepted)).toMatchObject({ kind: 'refusal', error: 'banned', data })
    const userId = await accountOf(test.core, { id: 'test:ann', name: 'ann' })
    await expect(takePace(test.core, userId, test.core.limits)).rejects.toMatchObject({ kind: 'banned', data })
  })

  it('that is over refuses nothing', async () => {
    await answerTo('/credits')
    await test.core.database.rows(sql`update users set banned = true, banned_until = now() - interval '1 second'`)
    expect(await answerTo(accepted)).toMatchObject({ kind: 'queued' })
    await takePace(test.core, await accountOf(test.core, { id: 'test:ann', name: 'ann' }), test.core.limits)
  })

  it('that was kept when an account was deleted holds for a new account of the same identity', async () => {
    const keep = (who: string, until: unknown) =>
      test.core.database.rows(sql`
      insert into kept_bans (identity_hash, until, reason)
      values (${identityHash(test.core, `test:${who}`)}, ${until}, 'spam')`)
    await keep('mallory', null)
    await keep('ann', new Date(Date.now() - 1_000).toISOString())
    expect(await answerTo(accepted, 'mallory')).toMatchObject({ error: 'banned', data: { reason: 'spam' } })
    expect(await answerTo(accepted, 'ann')).toMatchObject({ kind: 'queued' })
    expect(await answerTo(accepted, 'bob')).toMatchObject({ kind: 'queued' })
  })
})
