/** A lane whose requests take longer than a request may: it refuses more of them, in chats and in the API, and holds nothing. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { accountOf, readAccount } from '../../../src/core/accounts/accounts.ts'
import { openEverything, type Service } from './service.ts'

let service: Service
beforeEach(async () => {
  service = await openEverything({ limits: { deadlineMs: 60_000, inFlight: 1_000, perMinute: 6_000, welcome: 100 } })
})
afterEach(async () => {
  await service.close()
})

/** Requests took ten seconds, and five run at a time. */
async function measureTen() {
  const { test } = service
  const worker = await test.work()
  await test.ended(await test.say('a cat', { who: 'first' }))
  await worker.stop(2_000)
  await test.core.database.rows(sql`update generations set stored_at = started_at + interval '10 seconds'`)
}

async function answerFor(who: string) {
  const call = await service.test.say('a cat', { who })
  return service.test.chat.last(call.address)?.content
}

it('refuses the person whose requests fill it, and takes one of another person', async () => {
  await measureTen()
  for (let sent = 0; sent < 31; sent++) expect(await answerFor('heavy')).toMatchObject({ kind: 'queued' })
  await expect.poll(() => answerFor('heavy')).toMatchObject({ kind: 'refusal', error: 'busy' })
  const heavy = await accountOf(service.test.core, { id: 'test:heavy', name: 'heavy', handle: 'heavy' })
  const { held } = await readAccount(service.test.core, heavy)
  expect(await answerFor('heavy')).toEqual({ kind: 'refusal', error: 'busy', data: { minutes: 2 } })
  expect(await readAccount(service.test.core, heavy)).toMatchObject({ held, inFlight: held })
  expect(await answerFor('light')).toMatchObject({ kind: 'queued' })
})

it('says in the API when to come again', async () => {
  await measureTen()
  const key = await service.keyWith(100)
  const draw = () =>
    service.app.inject({
      method: 'POST',
      url: '/v1/images/generations',
      headers: { authorization: `Bearer ${key}`, prefer: 'respond-async' },
      payload: { prompt: 'a cat' },
    })
  for (let sent = 0; sent < 36; sent++) await draw()
  await expect.poll(async () => (await draw()).statusCode).toBe(503)
  const { headers, body } = await draw()
  expect(JSON.parse(body).error).toMatchObject({ code: 'busy', message: expect.stringContaining('about 2 min') })
  expect(Number(headers['retry-after'])).toBeGreaterThan(0)
  expect(headers['x-should-retry']).toBe('true')
})
