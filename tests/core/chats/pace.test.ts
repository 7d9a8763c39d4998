import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createChatPace, forgetOldCalls } from '../../../src/core/chats/pace.ts'
import { databases, openTestDatabase, type TestDatabase } from '../../helpers/backends.ts'

const tenAMinute = [{ calls: 10, ms: 60_000 }]

describe.each(databases())('the pace of a chat on %s', (kind) => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await openTestDatabase(kind)
  })
  afterAll(() => test.drop())

  it('gives room for as many calls as a window has, to all processes together', async () => {
    const processes = [createChatPace(test.database), createChatPace(test.database)]
    const asked = await Promise.all(
      Array.from({ length: 30 }, (_, n) => processes[n % 2]!.takeRoom('busy', tenAMinute)),
    )
    expect(asked.filter(Boolean)).toHaveLength(10)
    expect(await processes[0]!.takeRoom('another', tenAMinute)).toBe(true)
  })

  it('counts calls that do not need room, and each picture of an album', async () => {
    const pace = createChatPace(test.database)
    await pace.count('album', 9)
    expect(await pace.takeRoom('album', tenAMinute)).toBe(true)
    expect(await pace.takeRoom('album', tenAMinute)).toBe(false)
    await pace.count('album', 5)
    const [row] = await test.database.rows<{ calls: number }>(
      sql`select cardinality(calls) as calls from chat_calls where chat = 'album'`,
    )
    expect(row).toEqual({ calls: 15 })
  })

  it('has room again once the calls are older than the window', async () => {
    const pace = createChatPace(test.database)
    const windows = [{ calls: 1, ms: 1_000 }, ...tenAMinute]
    expect(await pace.takeRoom('later', windows)).toBe(true)
    expect(await pace.takeRoom('later', windows)).toBe(false)
    await test.database.rows(sql`update chat_calls set calls = array[now() - interval '1 second'] where chat = 'later'`)
    expect(await pace.takeRoom('later', windows)).toBe(true)
    // the older call has left the shorter window only
    await test.database.rows(sql`
      update chat_calls set calls = array_fill(now() - interval '59 seconds', array[10]) where chat = 'later'`)
    expect(await pace.takeRoom('later', windows)).toBe(false)
    await test.database.rows(sql`
      update chat_calls set calls = array_fill(now() - interval '61 seconds', array[10]) where chat = 'later'`)
    expect(await pace.takeRoom('later', windows)).toBe(true)
  })

  it('has no room while the platform asks for a pause, which has a limit', async () => {
    const pace = createChatPace(test.database)
    await pace.count('paused', 1)
    await pace.pause('paused', 99_999_999_000)
    expect(await pace.takeRoom('paused', tenAMinute)).toBe(false)
    const [row] = await test.database.rows<{ minutes: number }>(sql`
      select ceil(extract(epoch from paused_until - now()) / 60)::int as minutes from chat_calls where chat = 'paused'`)
    expect(row).toEqual({ minutes: 10 })
    await test.database.rows(sql`update chat_calls set paused_until = now() where chat = 'paused'`)
    expect(await pace.takeRoom('paused', tenAMinute)).toBe(true)
  })

  it('is forgotten when a chat has been silent', async () => {
    const pace = createChatPace(test.database)
    await pace.count('silent', 1)
    await pace.count('lively', 1)
    await test.database.rows(sql`update chat_calls set calls = array[now() - interval '1 hour'] where chat = 'silent'`)
    await forgetOldCalls(test.database)
    const rows = await test.database.rows(sql`select chat from chat_calls where chat in ('silent', 'lively')`)
    expect(rows).toEqual([{ chat: 'lively' }])
  })
})
