import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../src/core/errors.ts'
import type { ImageProvider } from '../../../src/core/ports/providers.ts'
import { keepLeases } from '../../../src/core/worker/leases.ts'
import { perform } from '../../../src/core/worker/perform.ts'
import { backends } from '../../helpers/backends.ts'
import {
  attachment,
  createChat,
  createPlain,
  openTestCore,
  pngOf,
  type TestCore,
  type TestCoreOptions,
} from '../../helpers/core.ts'
import { createGate } from '../../helpers/gate.ts'
import { violations } from '../../helpers/invariants.ts'

describe.each(backends())('a request on %s', (kind) => {
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
  const balance = async (who = 'ann') => {
    const [row] = await test.core.database.rows<{ balance: number }>(
      sql`select balance from users u join identities i on i.user_id = u.id where i.id = ${`test:${who}`}`,
    )
    return row?.balance
  }
  const count = async () => {
    const [row] = await test.core.database.rows<{ n: number }>(sql`select count(*)::int as n from generations`)
    return row?.n
  }

  it('becomes a posted picture and costs its price', async () => {
    const { say, ended, work, chat } = await open()
    await work()
    const call = await say('a cute cat 16:9 --n 2')
    expect(await ended(call)).toBe('delivered')
    const shown = chat.last(call.address)
    expect(shown).toMatchObject({ state: 'done' })
    expect(shown?.pictures).toHaveLength(1)
    // two credits were held and the provider delivered one picture, so one credit is released
    expect(await balance()).toBe(19)
    await say('/history')
    expect(chat.messages.at(-1)?.history.at(-1)?.text).toContain('a cute cat')
  })

  it('that arrives three times makes one generation', async () => {
    const { say, ended, work } = await open()
    await work()
    const [call] = await Promise.all([1, 2, 3].map(() => say('a cat', { key: 'test:same', address: 'test:same' })))
    expect(await ended(call!)).toBe('delivered')
    await say('a cat', { key: 'test:same', address: 'test:same' })
    expect(await count()).toBe(1)
    expect(await balance()).toBe(19)
  })

  it('is accepted once of 200 concurrent ones when there is one credit', async () => {
    const { say, chat, work } = await open({ limits: { welcome: 1, inFlight: 300, perMinute: 300 } })
    const calls = await Promise.all(Array.from({ length: 200 }, () => say('a cat')))
    expect(await count()).toBe(1)
    const refused = calls.filter((call) => chat.last(call.address)?.text.includes('costs 1 credit'))
    expect(refused).toHaveLength(199)
    await work()
    const accepted = calls.find((call) => !refused.includes(call))
    await test.ended(accepted!)
    expect(await balance()).toBe(0)
  })

  it('that is invalid is refused with a reason, and nothing is charged or stored', async () => {
    const { say, chat } = await open()
    const answer = async (text: string, over = {}) => chat.last((await say(text, over)).address)?.text
    expect(await answer('a cat --ar 5:7')).toContain('It offers: 1:1, 1:2')
    expect(await answer('16:9')).toContain('Write what to draw')
    expect(await answer('a cat --steps 999')).toContain('1–50')
    expect(await answer('a cat --model nix')).toContain('Models: sketch')
    expect(await answer('/nix')).toContain('/help')
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    expect(await answer('night', { images: [attachment(svg, 'cat.png')] })).toContain('PNG, JPEG and WebP')
    const big = Buffer.alloc(11 * 1024 * 1024)
    expect(await answer('night', { images: [attachment(big)] })).toContain('10 MB')
    expect(await count()).toBe(0)
    expect((await test.core.database.rows(sql`select key from images`)).length).toBe(0)
  })

  it('is refused beyond 3 under way and 20 a minute for each person', async () => {
    const { say, chat, ended, work } = await open({ limits: { welcome: 100 } })
    const first = await Promise.all(Array.from({ length: 10 }, () => say('a cat')))
    expect(await count()).toBe(3)
    expect(first.filter((call) => chat.last(call.address)?.text.includes('3 requests under way'))).toHaveLength(7)
    await work()
    const accepted = first.filter((call) => chat.last(call.address)?.state !== 'failed')
    for (const call of accepted) await ended(call)
    for (let n = 3; n < 20; n++) await ended(await say('a cat'))
    // one more is allowed every three seconds, and a busy machine may need longer than that for the first twenty
    const answers: string[] = []
    while (answers.length < 20 && !answers.at(-1)?.includes('20 requests a minute')) {
      const call = await say('a cat')
      answers.push(chat.last(call.address)?.text ?? '')
      if (!answers.at(-1)?.includes('20 requests')) await ended(call)
    }
    expect(answers.at(-1)).toContain('20 requests a minute')
    // other people are not affected
    expect(await ended(await say('a cat', { who: 'bob' }))).toBe('delivered')
  })

  it('does not load the pictures of a refused request, and recognises a repeated one', async () => {
    const { say, chat, ended, work } = await open({ limits: { inFlight: 1 } })
    let read = 0
    const picture = await pngOf(40, 30)
    const load = async () => {
      read++
      return picture
    }
    const images = [{ name: 'cat.png', load }]
    const call = await say('make it night', { images })
    await say('make it night', { images })
    expect(read).toBe(1)
    await say('make it night', { images, key: call.key, address: call.address })
    expect(chat.last(call.address)?.state).toBe('waiting')
    expect(await count()).toBe(1)
    await work()
    expect(await ended(call)).toBe('delivered')
  })

  it('with unreadable pictures counts in the rate limit, and costs nothing', async () => {
    const { say, chat } = await open({ limits: { perMinute: 3 } })
    const images = [attachment(Buffer.from('no picture'))]
    const calls = []
    for (let n = 0; n < 4; n++) calls.push(await say('night', { images }))
    const answers = calls.map((call) => chat.last(call.address)?.text ?? '')
    expect(answers.map((text) => text.includes('3 requests a minute'))).toEqual([false, false, false, true])
    expect(await balance()).toBe(20)
  })

  it('passes cleaned pictures to the provider', async () => {
    const seen: number[] = []
    const provider = createPlain({
      start: async (task) => {
        seen.push(...task.images.map((image) => image.width))
        return { state: 'done', images: [await pngOf(32, 32)] }
      },
    })
    const { say, ended, work } = await open({ providers: [provider] })
    await work()
    const images = [attachment(await pngOf(40, 30)), attachment(await pngOf(50, 30))]
    expect(await ended(await say('make it night', { images }))).toBe('delivered')
    expect(seen).toEqual([40, 50])
  })

  it('is refunded with a reason when the provider refuses it', async () => {
    const provider = createPlain({ start: async () => Promise.reject(new AppError('moderated')) })
    const { say, ended, work, chat } = await open({ providers: [provider] })
    await work()
    const call = await say('a cat')
    expect(await ended(call)).toBe('failed')
    expect(chat.last(call.address)?.text).toContain('refused this for its content')
    expect(chat.last(call.address)?.text).toContain('1 credit given back')
    expect(await balance()).toBe(20)
  })

  it('is retried when the provider was busy', async () => {
    let tries = 0
    const provider = createPlain({
      start: async () => {
        if (++tries < 3) throw new AppError('provider_busy', {}, { retryAfterMs: 20, neverRan: true })
        return { state: 'done', images: [await pngOf(32, 32)] }
      },
    })
    const { say, ended, work } = await open({ providers: [provider] })
    await work()
    expect(await ended(await say('a cat'))).toBe('delivered')
    expect(tries).toBe(3)
  })

  it('is not submitted twice when the first submission may have cost something', async () => {
    let starts = 0
    const provider: ImageProvider = {
      name: 'sketch',
      start: async () => {
        starts++
        throw new Error('socket hang up')
      },
    }
    const { say, ended, work } = await open({ providers: [provider] })
    const call = await say('a cat')
    // the state after a worker died right after a submission
    await test.core.database.rows(sql`update generations set submit_at = now(), state = 'running', attempt = 1`)
    await work()
    expect(await ended(call)).toBe('failed')
    expect(starts).toBe(0)
    expect(await ended(await say('a dog'))).toBe('failed')
    expect(starts).toBe(1)
    expect(await balance()).toBe(20)
  })

  it('is submitted once its intent is saved; a worker that stops before that takes the intent back', async () => {
    const intents: unknown[] = []
    const intent = () =>
      test.core.database.rows(sql`select attempt, state, submit_at is not null as saved from generations`)
    const provider: ImageProvider = {
      name: 'sketch',
      start: async () => {
        intents.push(...(await intent()))
        return { state: 'done', images: [await pngOf(64, 64)] }
      },
    }
    const { core, say, ended, work } = await open({ providers: [provider] })
    const call = await say('a cat')
    const [row] = await core.database.rows<{ id: string }>(sql`select id from generations`)
    const leases = keepLeases(core)
    await perform(core, leases, row?.id ?? '', AbortSignal.abort(new Error('this process stops')))
    leases.stop()
    expect(await intent()).toEqual([{ attempt: 1, state: 'running', saved: false }])
    await core.database.rows(sql`update generations set state = 'queued'`)
    await work()
    expect(await ended(call)).toBe('delivered')
    expect(intents).toEqual([{ attempt: 2, state: 'running', saved: true }])
  })

  it('gets its input pictures when it is handled again, if the process that had them did not store them', async () => {
    const { say, ended, work } = await open()
    await work()
    const { store } = test.core
    const died = createGate()
    Object.assign(test.core, { store: { ...store, put: async () => died.pass(undefined) } })
    const act = { key: 'test:same', address: 'test:same', images: [attachment(await pngOf(64, 64))] } as const
    const first = say('night', act)
    await died.arrived
    Object.assign(test.core, { store })
    expect(await ended(await say('night', act))).toBe('delivered')
    died.open()
    await first
    expect([await count(), await balance()]).toEqual([1, 19])
  })

  it('resumes from its ticket after a crash', async () => {
    let starts = 0
    const provider: ImageProvider = {
      name: 'sketch',
      start: async () => {
        starts++
        return { state: 'pending', ticket: { reference: 'r1' }, waitMs: 5 }
      },
      check: async (ticket) => ({ state: 'done', images: [await pngOf(32, 32)], seed: JSON.stringify(ticket) }),
    }
    const { say, ended, work } = await open({ providers: [provider] })
    const call = await say('a cat')
    await test.core.database.rows(
      sql`update generations set submit_at = now(), state = 'running', attempt = 1, ticket = '{"reference":"r0"}'`,
    )
    await work()
    expect(await ended(call)).toBe('delivered')
    expect(starts).toBe(0)
    const [row] = await test.core.database.rows<{ seed: string }>(sql`select seed from generations`)
    expect(row?.seed).toBe('{"reference":"r0"}')
  })

  /** As if no process had run since. */
  const passDeadline = (ago: string) =>
    test.core.database.rows(
      sql`update generations set deadline_at = now() - ${ago}::interval, wake_at = now() - interval '1 second'`,
    )

  it('is ended and refunded past its deadline, even if no worker has it', async () => {
    const { say, ended, work, chat } = await open()
    const call = await say('a cat')
    await passDeadline('1 second')
    await work()
    expect(await ended(call)).toBe('failed')
    expect(chat.last(call.address)?.text).toContain('given up')
  })

  it.each([
    ['is unavailable', undefined],
    ['asks for a pause', 20],
  ])('says that it was given up long past its deadline, although the chat %s at first', async (_, retryAfterMs) => {
    const chat = createChat()
    let refusals = 3
    chat.refuse = (reply) =>
      reply.state === 'failed' && refusals-- > 0 ? new AppError('chat_unavailable', {}, { retryAfterMs }) : undefined
    const { say, ended, work } = await open({ chat })
    const call = await say('a cat')
    await passDeadline('1 hour')
    await work()
    expect(await ended(call)).toBe('failed')
    expect(chat.last(call.address)?.text).toContain('given up')
    expect(await balance()).toBe(20)
  })

  it('ends long past its deadline although the chat takes no answer', async () => {
    const chat = createChat()
    chat.refuse = ({ state }) => (state === 'failed' ? new AppError('chat_unavailable') : undefined)
    const { say, ended, work } = await open({ chat })
    const call = await say('a cat')
    await passDeadline('1 hour')
    await work()
    expect(await ended(call)).toBe('failed')
    expect(await test.core.database.rows(sql`select delivery_tries as tries from generations`)).toEqual([{ tries: 3 }])
    expect(await balance()).toBe(20)
  })

  it('is posted once when the chat fails for a while', async () => {
    const chat = createChat({ postsAnew: true })
    let refusals = 3
    chat.refuse = (reply) =>
      reply.state === 'done' && refusals-- > 0 ? new AppError('chat_unavailable', {}, { retryAfterMs: 20 }) : undefined
    const { say, ended, work } = await open({ chat })
    await work()
    const call = await say('a cat')
    expect(await ended(call)).toBe('delivered')
    expect(chat.messages.filter((message) => message.address === call.address)).toHaveLength(1)
    expect(chat.last(call.address)?.state).toBe('done')
    expect(await balance()).toBe(19)
  })

  it('is not charged when the chat refuses the answer', async () => {
    const chat = createChat()
    const { say, ended, work } = await open({ chat })
    const call = await say('a cat')
    chat.refuse = () => new AppError('chat_refused')
    await work()
    expect(await ended(call)).toBe('failed')
    expect(await balance()).toBe(20)
  })

  it('ends when the queue has lost everything', async () => {
    const { say, ended, work, core, lose } = await open()
    const calls = await Promise.all(['ann', 'bob', 'cid'].map((who) => say('a cat', { who })))
    await lose()
    await core.database.rows(sql`update generations set wake_at = now()`)
    await work()
    for (const call of calls) expect(await ended(call)).toBe('delivered')
  })

  it('to give or take credits is allowed for admins only, and each act counts once', async () => {
    const { say, chat } = await open({ admins: ['test:root'] })
    const answer = async (text: string, over = {}) => chat.last((await say(text, over)).address)?.text
    await say('/credits', { who: 'bob' })
    expect(await answer('/credits give @bob 5')).toContain('Only administrators')
    expect(await answer('/credits give @bob 5', { who: 'root', key: 'test:gift' })).toContain('now 25')
    expect(await answer('/credits give @bob 5', { who: 'root', key: 'test:gift' })).toContain('now 25')
    expect(await answer('/credits take @bob 100', { who: 'root' })).toContain('fewer than 100 credits')
    expect(await answer('/credits give @stranger 5', { who: 'root' })).toContain('stranger is not known here')
    expect(await answer('/credits give @bob 1.5', { who: 'root' })).toContain('whole number')
    expect(await answer('/credits', { who: 'bob' })).toContain('25 credits')
  })
})
