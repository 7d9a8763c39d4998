import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../src/core/errors.ts'
import { receiveWebhook, webhookToken } from '../../../src/core/generation/provider-webhook.ts'
import type { ImageProvider, Progress } from '../../../src/core/ports/providers.ts'
import type { Json } from '../../../src/db/json.ts'
import { hooks } from '../../../src/http/operations/provider-webhooks.ts'
import { createApp } from '../../../src/http/server/app.ts'
import { sketch } from '../../../src/models/sketch.ts'
import { databases } from '../../helpers/backends.ts'
import { createPlain, openTestCore, pngOf, type TestCore } from '../../helpers/core.ts'
import { violations } from '../../helpers/invariants.ts'

const large = '{"seed": 17454220438242315174}'

describe.each(databases())('the webhook for providers on %s', (kind) => {
  let test: TestCore
  afterEach(async () => {
    const wrong = await violations(test.core.database)
    await test.close()
    expect(wrong).toEqual([])
  })

  /** Done once the webhook was called; polled only after a minute. */
  const patient = (over: Partial<ImageProvider> = {}) => {
    const messages: (Json | undefined)[] = []
    const provider: ImageProvider = {
      ...createPlain({ repeatable: false }),
      start: async () => ({ state: 'pending', ticket: { request: 1 }, waitMs: 60_000 }),
      check: async (ticket, task): Promise<Progress> => {
        messages.push(task.webhookMessage)
        if (task.webhookMessage === undefined) return { state: 'pending', ticket, waitMs: 60_000 }
        return { state: 'done', images: [await pngOf(64, 64)] }
      },
      receive: async ({ headers, body }) => {
        if (headers['x-proof'] !== 'right') throw new AppError('forged')
        return JSON.parse(body.toString()) as Json
      },
      ...over,
    }
    return { provider, messages }
  }
  const open = async (provider: ImageProvider) => {
    test = await openTestCore(kind, { providers: [provider], models: [sketch] })
    const app = createApp({
      log: test.core.log,
      plugins: [hooks((call) => receiveWebhook(test.core, call))],
    })
    await test.work()
    const call = await test.say('a cat')
    const rows = await test.core.database.rows<{ id: string }>(sql`select id from generations where key = ${call.key}`)
    const id = rows[0]?.id ?? ''
    const post = (
      token = webhookToken(test.core.secretKey, id),
      proof = 'right',
      name = 'sketch',
      about = id,
      payload = large,
    ) =>
      app.inject({
        method: 'POST',
        url: `/hooks/${name}/${about}/${token}`,
        headers: { 'content-type': 'application/json', 'x-proof': proof },
        payload,
      })
    const running = () =>
      expect
        .poll(async () => {
          const [row] = await test.core.database.rows<{ ticket: Json }>(
            sql`select ticket from generations where id = ${id}`,
          )
          return row?.ticket
        })
        .toEqual({ request: 1 })
    return { call, post, running }
  }

  it('wakes the worker that waits for the picture, and ignores a second call', async () => {
    const { provider, messages } = patient()
    const { call, post, running } = await open(provider)
    await running()
    expect((await post()).statusCode).toBe(200)
    expect(await test.ended(call)).toBe('delivered')
    expect(messages).toHaveLength(1)
    expect((await post()).statusCode).toBe(200)
    expect(messages).toHaveLength(1)
  })

  it('wakes the worker at each call, with the latest message', async () => {
    const { provider, messages } = patient({
      check: async (ticket, task): Promise<Progress> => {
        messages.push(task.webhookMessage)
        if (messages.length < 3) return { state: 'pending', ticket, waitMs: 60_000 }
        return { state: 'done', images: [await pngOf(64, 64)] }
      },
    })
    const { call, post, running } = await open(provider)
    await running()
    for (const [at, payload] of ['{"at": 1}', '{"at": 1}', '{"at": 2}'].entries()) {
      expect((await post(undefined, 'right', 'sketch', undefined, payload)).statusCode).toBe(200)
      await expect.poll(() => messages.length).toBe(at + 1)
    }
    expect(messages).toEqual([{ at: 1 }, { at: 1 }, { at: 2 }])
    expect(await test.ended(call)).toBe('delivered')
  })

  it('notifies those that follow an id that no request has', async () => {
    const { provider } = patient()
    const { call, post, running } = await open(provider)
    await running()
    const id = '5b4c7f0e-2a57-4d5e-9a51-0a1b6ad3e1f0'
    const calls = test.core.events.follow(id, ['webhook'])
    const waiting = calls.wait(30_000, AbortSignal.timeout(30_000))
    expect((await post(webhookToken(test.core.secretKey, id), 'wrong', 'sketch', id)).statusCode).toBe(401)
    expect((await post(webhookToken(test.core.secretKey, id), 'right', 'sketch', id)).statusCode).toBe(200)
    expect(await waiting).toBe(true)
    calls.stop()
    await post()
    expect(await test.ended(call)).toBe('delivered')
  })

  it('proves that a submission arrived whose response was lost', async () => {
    const lost = patient({
      start: async () => {
        throw new AppError('provider_failed')
      },
      find: async (task) =>
        task.webhookMessage === undefined ? 'unknown' : { state: 'done', images: [await pngOf(64, 64)] },
    })
    const { call, post } = await open(lost.provider)
    await expect
      .poll(async () => (await test.core.database.rows(sql`select from generations where state = 'running'`)).length)
      .toBe(1)
    expect((await post()).statusCode).toBe(200)
    expect(await test.ended(call)).toBe('delivered')
  })

  it('ignores calls without the right token, signature, provider or generation', async () => {
    const { provider, messages } = patient()
    const { call, post, running } = await open(provider)
    await running()
    for (const answer of [
      await post('x'.repeat(32)),
      await post(''),
      await post(undefined, 'wrong'),
      await post(undefined, undefined, 'fal'),
    ]) {
      expect([401, 404]).toContain(answer.statusCode)
    }
    expect((await post(webhookToken(test.core.secretKey, 'other'), 'right', 'sketch', 'other')).statusCode).toBe(200)
    expect(messages).toEqual([])
    await post()
    expect(await test.ended(call)).toBe('delivered')
  })
})
