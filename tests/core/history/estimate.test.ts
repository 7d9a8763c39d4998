import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { estimateOf } from '../../../src/core/history/estimate.ts'
import { createExpectations } from '../../../src/core/history/expectations.ts'
import { type Outcome, outcomeOf } from '../../../src/core/history/outcome.ts'
import { quickest } from '../../helpers/backends.ts'
import { openTestCore, type TestCore } from '../../helpers/core.ts'

let test: TestCore
beforeAll(async () => {
  test = await openTestCore(quickest)
})
afterAll(() => test.close())

async function outcomeFor(key: string): Promise<Outcome> {
  const [row] = await test.core.database.rows<{ id: string }>(sql`select id from generations where key = ${key}`)
  const outcome = await outcomeOf(test.core, null, row?.id ?? '')
  if (!outcome) throw new Error(`${key} was not accepted`)
  return outcome
}

it('estimates the remaining time from recent requests, the place in the queue and the progress', async () => {
  const first = await test.say('a cat')
  expect(await estimateOf(test.core, await outcomeFor(first.key))).toBeNull()
  await test.work()
  for (const call of [first, await test.say('a cat'), await test.say('a cat')]) await test.ended(call)
  await test.core.database.rows(sql`
    update generations g set stored_at = started_at + make_interval(secs => (array[4, 8, 100])[o.at])
    from (select id, row_number() over (order by id)::int as at from generations) o where o.id = g.id`)

  const core = { ...test.core, expectations: createExpectations(test.core.database) }
  expect(await estimateOf(core, await outcomeFor(first.key))).toBeNull()
  const next = { ...(await outcomeFor(first.key)), state: 'queued', startedAt: null, position: 1 } as const
  // five run at a time
  expect(await estimateOf(core, next)).toBe(8)
  expect(await estimateOf(core, { ...next, position: 5 })).toBe(8)
  expect(await estimateOf(core, { ...next, position: 6 })).toBe(16)

  const running = { ...next, state: 'running', position: null } as const
  const since = (seconds: number) => new Date(Date.now() - seconds * 1000)
  expect(await estimateOf(core, { ...running, startedAt: since(5.5) })).toBe(3)
  expect(await estimateOf(core, { ...running, startedAt: since(60) })).toBe(1)
  expect(await estimateOf(core, { ...running, startedAt: since(5.5), percent: 25 })).toBe(17)
  expect(await estimateOf(core, { ...running, model: 'another', startedAt: since(1) })).toBeNull()
})
