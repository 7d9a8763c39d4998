import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { asPutOff, createChatPace, forgetOldCalls } from '../../../src/core/chats/pace.ts'
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

  it('gives turns to answers that find no room, which come before progress and new answers', async () => {
    const processes = [createChatPace(test.database), createChatPace(test.database)]
    const limits = { always: [{ calls: 4, ms: 60_000 }], afterRefusal: [{ calls: 1, ms: 10_000 }] }
    const ask = (calls = 1, n = 0) => processes[n % 2]!.takeTurn('turns', limits, calls)
    /** Of seconds: what a busy machine takes does not matter. */
    const tens = (ms: number) => Math.round(ms / 10_000)
    const pass = (ms: number) =>
      test.database.rows(sql`
        with span as (select ${`${ms} milliseconds`}::interval as span)
        update chat_calls set paused_until = paused_until - span, calls = array(select made - span from unnest(calls) made),
          turns = array(select turn - span from unnest(turns) turn) from span where chat = 'turns'`)
    const asked = await Promise.all(Array.from({ length: 7 }, (_, n) => ask(1, n)))
    expect(asked.filter((ms) => ms === 0)).toHaveLength(4)
    // the room of four calls opens after a minute, one every ten seconds
    expect(
      asked
        .filter((ms) => ms > 0)
        .map(tens)
        .toSorted(),
    ).toEqual([6, 7, 8])
    // the fourth call of an album needs the first of these to be over
    expect(tens(await ask(2))).toBe(12)
    expect(await processes[0]!.takeRoom('turns', [])).toBe(false)
    const askAgain = () => asPutOff(() => ask())
    await pass(60_300)
    // a new answer does not take the turn of one that was put off
    expect(tens(await ask())).toBe(7)
    expect(await askAgain()).toBe(0)
    // there is room for others only after those that wait
    expect(tens(await askAgain())).toBe(8)
    await pass(10_000)
    expect(await askAgain()).toBe(0)
    expect(tens(await processes[0]!.refused('turns', limits, { calls: 1, pauseMs: 5_000 }))).toBeGreaterThanOrEqual(6)
    expect(tens(await ask())).toBeGreaterThanOrEqual(6)
  })

  it('lets bursts pass until a call is refused, and albums larger than a limit where nothing else was sent', async () => {
    const pace = createChatPace(test.database)
    const limits = { always: [], afterRefusal: [{ calls: 1, ms: 60_000 }] }
    const ask = () => pace.takeTurn('bursts', limits, 4)
    expect([await ask(), await ask()]).toEqual([0, 0])
    expect(await pace.refused('bursts', limits, { calls: 4, pauseMs: 0 })).toBeGreaterThan(50_000)
    expect(await ask()).toBeGreaterThan(50_000)
    await test.database.rows(sql`update chat_calls set calls = '{}', turns = '{}' where chat = 'bursts'`)
    expect(await ask()).toBe(0)
    expect(await ask()).toBeGreaterThan(50_000)
    // a turn that its owner has not used is over
    await test.database.rows(
      sql`update chat_calls set calls = '{}', turns = array[now() - interval '16 seconds'] where chat = 'bursts'`,
    )
    expect(await ask()).toBe(0)
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
