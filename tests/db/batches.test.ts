import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import type { Core } from '../../src/core/core.ts'
import { endDelivered } from '../../src/core/generation/end.ts'
import { type Generation, saveStored } from '../../src/core/generation/row.ts'
import type { StoredPicture } from '../../src/core/media/image-rows.ts'
import { takeUp } from '../../src/core/worker/take-up.ts'
import { inBatches } from '../../src/db/batches.ts'
import { databases } from '../helpers/backends.ts'
import { openTestCore, type TestCore } from '../helpers/core.ts'
import { createGate } from '../helpers/gate.ts'
import { violations } from '../helpers/invariants.ts'
import { recordStatements } from '../helpers/statements.ts'

const failed = (code: string) => Object.assign(new Error(code), { code })
const problemOf = (call: Promise<unknown>) => call.then(String, (error: Error) => error.message)

describe('a batch', () => {
  const setUp = (fail: (calls: readonly string[]) => string | undefined = () => undefined) => {
    const gate = createGate()
    const batches: string[][] = []
    const act = inBatches<object, string, string>({
      keyOf: (call) => call.slice(0, 1),
      isAlone: (call) => call === 'alone',
      async run(_, calls) {
        batches.push([...calls])
        await gate.pass(undefined)
        const code = fail(calls)
        if (code) throw failed(code)
        return calls.map((call) => call.toUpperCase())
      },
    })
    const core = {}
    return { batches, gate, call: (name: string) => act(core, name) }
  }

  it('starts at once with one call, and later calls share the next', async () => {
    const { batches, gate, call } = setUp()
    const all = ['a', 'b', 'c'].map(call)
    expect(batches).toEqual([['a']])
    gate.open()
    expect(await Promise.all(all)).toEqual(['A', 'B', 'C'])
    expect(batches).toEqual([['a'], ['b', 'c']])
    await call('d')
    expect(batches.at(-1)).toEqual(['d'])
  })

  it('takes one call with a key, in their order, and none that runs alone', async () => {
    const { batches, gate, call } = setUp()
    const all = ['a', 'b1', 'b2', 'c', 'b3', 'alone'].map(call)
    expect(batches).toEqual([['a'], ['alone']])
    gate.open()
    await Promise.all(all)
    expect(batches).toEqual([['a'], ['alone'], ['b1', 'c'], ['b2'], ['b3']])
  })

  it('that hangs holds up the calls with its own key only', async () => {
    const gate = createGate()
    const started: string[] = []
    const act = inBatches<object, string, string>({
      keyOf: (call) => call.slice(0, 1),
      async run(_, calls) {
        started.push(...calls)
        if (calls.includes('a1')) await gate.pass(undefined)
        return calls
      },
    })
    const core = {}
    const [first, second, other] = ['a1', 'a2', 'b'].map((call) => act(core, call))
    expect(await other).toBe('b')
    expect(await act(core, 'c')).toBe('c')
    expect(started).toEqual(['a1', 'b', 'c'])
    gate.open()
    expect(await Promise.all([first, second])).toEqual(['a1', 'a2'])
  })

  it('has at most 50 calls', async () => {
    const { batches, gate, call } = setUp()
    const all = Array.from({ length: 120 }, (_, n) => call(String.fromCharCode(1_000 + n)))
    gate.open()
    await Promise.all(all)
    expect(batches.map(({ length }) => length)).toEqual([1, 50, 50, 19])
  })

  it('that the database refuses runs each call alone, and only the wrong one fails', async () => {
    const { batches, gate, call } = setUp((calls) => (calls.includes('wrong') ? '23505' : undefined))
    const all = ['a', 'b', 'wrong', 'c'].map((name) => problemOf(call(name)))
    gate.open()
    expect(await Promise.all(all)).toEqual(['A', 'B', '23505', 'C'])
    expect(batches).toEqual([['a'], ['b', 'wrong', 'c'], ['b'], ['wrong'], ['c']])
  })

  it.each(['CONNECTION_CLOSED', 'EPIPE', '08006', '57P01'])(
    'whose end is unknown (%s) does not run its calls again',
    async (code) => {
      const { batches, gate, call } = setUp((calls) => (calls.length > 1 ? code : undefined))
      const all = ['a', 'b', 'c'].map((name) => problemOf(call(name)))
      gate.open()
      expect(await Promise.all(all)).toEqual(['A', code, code])
      expect(batches).toHaveLength(2)
    },
  )
})

describe.each(databases())('steps of requests in batches on %s', (kind) => {
  let test: TestCore
  let core: Core
  afterEach(() => test.close())

  const accepted = async (people: number) => {
    test = await openTestCore(kind, { limits: { inFlight: 99, perMinute: 99 } })
    core = test.core
    for (let n = 0; n < people; n++) await test.say('a cat', { who: `p${n}` })
    const rows = await core.database.rows<{ id: string }>(sql`select id from generations order by id`)
    return rows.map(({ id }) => id)
  }
  const takenUp = async (ids: readonly string[]) =>
    (await Promise.all(ids.map((id) => takeUp(core, id)))).filter(
      (each): each is Generation => typeof each === 'object' && 'id' in each,
    )
  const pictureOf = (id: string): StoredPicture => ({
    key: `${id}-0.png`,
    role: 'output',
    position: 0,
    type: 'image/png',
    width: 8,
    height: 8,
    bytes: 9,
    flagged: false,
  })
  const statesOf = async () => {
    const rows = await core.database.rows<{ state: string }>(sql`select state from generations order by id`)
    return rows.map(({ state }) => state)
  }

  it('takes up each request once', async () => {
    const ids = await accepted(6)
    const statements = recordStatements(core.database)
    const taken = await takenUp([...ids, ...ids])
    expect(taken.map(({ id }) => id).sort()).toEqual(ids)
    expect(taken.every(({ attempt, state }) => attempt === 1 && state === 'running')).toBe(true)
    const updates = statements.filter((statement) => statement.sql.includes('attempt + 1'))
    // the first alone, the others together, and the second ones
    expect(updates.length).toBeLessThanOrEqual(3)
  })

  it('an error of one stored result fails no other', async () => {
    const ids = await accepted(5)
    const taken = await takenUp(ids)
    const wrong = taken[3]
    const keyOfOther = `${taken[1]?.id}-0.png`
    const stored = taken.map((each) => {
      const picture = pictureOf(each.id)
      const saved = saveStored(core, each, [each === wrong ? { ...picture, key: keyOfOther } : picture])
      return problemOf(saved.then((row) => row?.attempt))
    })
    const results = await Promise.all(stored)
    expect(results.filter((result) => result === '1')).toHaveLength(4)
    expect(results[3]).not.toBe('1')
    expect((await statesOf()).filter((state) => state === 'stored')).toHaveLength(4)
  })

  it('charges each person once, and changes nothing for a worker that lost its row', async () => {
    const ids = await accepted(5)
    const taken = await takenUp(ids)
    const saved = await Promise.all(taken.map((each) => saveStored(core, each, [pictureOf(each.id)])))
    expect(saved).toMatchObject(Array.from({ length: 5 }, () => ({ attempt: 1, balance: 19 })))
    const shown = { posted: 'test:1', quoted: {}, costMicros: null } as const
    const late = { ...taken[2], attempt: 0 } as Generation
    const ends = [...taken, ...taken, late].map((each) => endDelivered(core, each, shown))
    expect((await Promise.all(ends)).filter(Boolean)).toHaveLength(5)
    expect(new Set(await statesOf())).toEqual(new Set(['delivered']))
    const rows = await core.database.rows<{ balance: number; held: number; n: number }>(sql`
      select balance, held, (select count(*)::int from ledger where user_id = users.id and kind = 'capture') as n from users`)
    expect(rows).toEqual(Array.from({ length: 5 }, () => ({ balance: 19, held: 0, n: 1 })))
    expect(await violations(core.database)).toEqual([])
  })
})
