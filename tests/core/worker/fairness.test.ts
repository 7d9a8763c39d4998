/** The order of requests that wait for one place: one person's many requests do not keep another's waiting. */
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import type { Call } from '../../../src/core/ports/chat.ts'
import { backends } from '../../helpers/backends.ts'
import { createPlain, openTestCore, pngOf, type TestCore } from '../../helpers/core.ts'
import { createGate } from '../../helpers/gate.ts'
import { violations } from '../../helpers/invariants.ts'

/** Requests of one person that wait behind the one that is drawn. */
const waiting = 40

describe.each(backends())('a single request on %s', (kind) => {
  let test: TestCore
  const gate = createGate()
  afterEach(async () => {
    gate.open()
    await test.close()
  })

  it('starts second, although forty requests of another person came before it', async () => {
    const started: string[] = []
    const provider = createPlain({
      start: async ({ id }) => {
        started.push(id)
        return { state: 'done', images: [await gate.pass(await pngOf(64, 64))] }
      },
    })
    test = await openTestCore(kind, {
      providers: [provider],
      concurrency: 1,
      providerMs: 60_000,
      limits: { welcome: 100, inFlight: 1 + waiting, perMinute: 2 * waiting, deadlineMs: 300_000 },
    })
    await test.work()
    const calls: Call[] = [await test.say('a fox, 0', { who: 'ann' })]
    // the only place is taken until the gate opens
    await gate.arrived
    for (let number = 1; number <= waiting; number++) calls.push(await test.say(`a fox, ${number}`, { who: 'ann' }))
    const single = await test.say('a hen', { who: 'bob' })
    gate.open()
    for (const call of [...calls, single]) expect(await test.ended(call)).toBe('delivered')
    const rows = await test.core.database.rows<{ id: string; key: string }>(sql`select id, key from generations`)
    const keyOf = new Map(rows.map(({ id, key }) => [id, key]))
    const order = started.map((id) => keyOf.get(id))
    expect(order).toEqual([calls[0]?.key, single.key, ...calls.slice(1).map(({ key }) => key)])
    expect(await violations(test.core.database)).toEqual([])
  })
})
