/** The sweeper ends requests past their deadline, even if a chat or a provider asked for a longer pause. */
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../src/core/errors.ts'
import { databases } from '../../helpers/backends.ts'
import { createChat, createPlain, openTestCore, type TestCore, type TestCoreOptions } from '../../helpers/core.ts'
import { violations } from '../../helpers/invariants.ts'

const threeYearsMs = 99_999_999_000

describe.each(databases())('the deadline on %s', (kind) => {
  let test: TestCore
  const open = async (options?: TestCoreOptions) => {
    test = await openTestCore(kind, options)
    return test
  }
  afterEach(async () => {
    const wrong = await violations(test.core.database)
    await test.close()
    expect(wrong).toEqual([])
  })
  /** Milliseconds from the deadline to the next look. */
  const lateness = async (call: { key: string }) => {
    const [row] = await test.core.database.rows<{ ms: number }>(sql`
      select (extract(epoch from wake_at - deadline_at) * 1000)::float8 as ms from generations where key = ${call.key}`)
    return row?.ms
  }

  it.each(['queued', 'running'])('ends a %s request that would be looked at in three years', async (state) => {
    const { core, say, ended, work } = await open()
    const call = await say('a cat')
    await core.database.rows(sql`
      update generations set state = ${state}, deadline_at = now() - interval '1 second',
        wake_at = now() + interval '3 years'`)
    await test.lose()
    await work()
    expect(await ended(call)).toBe('failed')
  })

  it('caps the pause that a chat asks for before it shows a picture', async () => {
    const chat = createChat({ postsAnew: true })
    chat.refuse = (reply) =>
      reply.state === 'waiting' ? undefined : new AppError('chat_unavailable', {}, { retryAfterMs: threeYearsMs })
    const { core, say, ended, work } = await open({ chat })
    await work()
    const call = await say('a cat')
    await expect
      .poll(() => core.database.rows(sql`select state, lease_until as held from generations`))
      .toEqual([{ state: 'stored', held: null }])
    expect(await lateness(call)).toBeLessThan(60_000)
    await core.database.rows(sql`update generations set deadline_at = now() - interval '1 minute'`)
    expect(await ended(call)).toBe('failed')
  })

  it('leaves a row alone that waits for the last try of its chat', async () => {
    const { core, say, ended, work } = await open()
    const call = await say('a cat')
    await core.database.rows(sql`
      update generations set state = 'stored', attempt = 1, lease_until = null, deadline_at = now() - interval '1 second',
        wake_at = now() + interval '25 seconds'`)
    await test.lose()
    const before = await core.database.rows(sql`select wake_at, attempt from generations`)
    await work()
    const other = await say('a dog')
    expect(await ended(other)).toBe('delivered')
    expect(await core.database.rows(sql`select wake_at, attempt from generations where key <> ${other.key}`)).toEqual(
      before,
    )
    await core.database.rows(sql`update generations set state = 'running', wake_at = now() where key <> ${other.key}`)
    expect(await ended(call)).toBe('failed')
  })

  it('caps the pause that a chat asks for before it shows a failure', async () => {
    const chat = createChat()
    chat.refuse = (reply) =>
      reply.state === 'failed' ? new AppError('chat_unavailable', {}, { retryAfterMs: threeYearsMs }) : undefined
    const refused = createPlain({ start: async () => Promise.reject(new AppError('moderated')) })
    const { core, say, ended, work } = await open({ chat, providers: [refused] })
    await work()
    const call = await say('a cat')
    await expect
      .poll(() =>
        core.database.rows(sql`select state, error is null or lease_until is not null as held from generations`),
      )
      .toEqual([{ state: 'running', held: false }])
    expect(await lateness(call)).toBeLessThan(60_000)
    await core.database.rows(sql`update generations set deadline_at = now() - interval '1 minute'`)
    expect(await ended(call)).toBe('failed')
  })

  it('comes before the pause that a provider asks for', async () => {
    const busy = () =>
      new AppError('provider_busy', { provider: 'sketch' }, { neverRan: true, retryAfterMs: threeYearsMs })
    const provider = createPlain({ start: async () => Promise.reject(busy()) })
    const { say, ended, work } = await open({ providers: [provider] })
    await work()
    expect(await ended(await say('a cat'))).toBe('failed')
  })

  it('ends requests whose chat does not answer without waiting for one after the other', async () => {
    const chat = createChat()
    let waiting = 0
    let release = () => {}
    const all = new Promise<void>((resolve) => {
      release = resolve
    })
    const { edit, post } = chat
    const hold = async () => {
      if (++waiting === 3) release()
      await all
    }
    const { core, say, ended, work } = await open({ chat, limits: { inFlight: 3 } })
    const calls = [await say('a cat'), await say('a dog'), await say('a fox')]
    chat.edit = async (...args) => hold().then(() => edit(...args))
    chat.post = async (...args) => hold().then(() => post(...args))
    await core.database.rows(sql`
      update generations set deadline_at = now() - interval '1 second', wake_at = now() - interval '1 second'`)
    await test.lose()
    await work()
    for (const call of calls) expect(await ended(call)).toBe('failed')
  })
})
