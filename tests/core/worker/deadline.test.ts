/** The deadline of a request follows the timeout of the provider that draws it. */
import { sql } from 'drizzle-orm'
import { afterEach, expect, it } from 'vitest'
import type { Candidate } from '../../../src/core/core.ts'
import { AppError } from '../../../src/core/errors.ts'
import { oldestUnfinished, requestsUnderWay } from '../../../src/core/history/backlog.ts'
import { queueRule } from '../../../src/core/history/queue-rule.ts'
import { sketch } from '../../../src/models/sketch.ts'
import { quickest } from '../../helpers/backends.ts'
import { createPlain, openTestCore, type TestCore, type TestCoreOptions } from '../../helpers/core.ts'

const minute = 60_000
const usual = { deadlineMs: 14 * minute, afterTimeoutMs: minute }

let test: TestCore
const open = async (options: TestCoreOptions) => {
  test = await openTestCore(quickest, { limits: usual, ...options })
  return test
}
afterEach(() => test.close())

const minutesToDeadline = async () => {
  const [row] = await test.core.database.rows<{ minutes: number }>(
    sql`select (extract(epoch from deadline_at - created_at) / 60)::float8 as minutes from generations`,
  )
  return Math.round(row?.minutes ?? 0)
}

it.each([
  [5, 14],
  [13, 14],
  [20, 21],
  [60, 61],
])('with a timeout of %i minutes is %i minutes after the acceptance', async (timeout, deadline) => {
  const { say } = await open({ providerMs: timeout * minute })
  await say('a cat')
  expect(await minutesToDeadline()).toBe(deadline)
})

it('lets a request wait in a lane for as long as the provider of the lane may take', async () => {
  const { core } = await open({ providerMs: 20 * minute })
  const candidate = { userId: '', request: { model: 'sketch', images: 0 } } as unknown as Candidate
  const waiting = (seconds: number) => Object.assign(core.expectations, { secondsOfWork: async () => 5 * seconds })
  waiting(16 * 60)
  expect(await queueRule(core, candidate)).toBeUndefined()
})

it('keeps a request in the lists of its account until then', async () => {
  const { core, say } = await open({ providerMs: 60 * minute })
  const long = await say('a cat')
  const [row] = await core.database.rows<{ id: string; user: string }>(
    sql`select id, user_id as user from generations where key = ${long.key}`,
  )
  const hourAgo = Date.now() - 60 * minute
  expect(parseInt(oldestUnfinished(core).replaceAll('-', '').slice(0, 12), 16)).toBeLessThan(hourAgo)
  expect(await requestsUnderWay(core, row?.user ?? '', 5)).toHaveLength(1)
})

it('moves with the request to a provider that may take longer', async () => {
  const refuses = () => Promise.reject(new AppError('provider_account', { provider: 'first' }, { neverRan: true }))
  const providers = [createPlain({ name: 'first', start: refuses }), createPlain({ name: 'second' })]
  const routes = providers.map(({ name: provider }) => ({ ...sketch.routes[0]!, provider }))
  const { core, say, ended, work } = await open({ providers, models: [{ ...sketch, routes }], providerMs: 5 * minute })
  const second = core.providers.get('second')!
  Object.assign(second, { settings: { ...second.settings, timeoutMs: 20 * minute } })
  const call = await say('a cat')
  expect(await minutesToDeadline()).toBe(14)
  await work()
  expect(await ended(call)).toBe('delivered')
  expect(await minutesToDeadline()).toBe(21)
})
