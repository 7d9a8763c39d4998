/** How long Telegram waits for the answer to a pre-checkout query while many updates wait. */
import { sql } from 'drizzle-orm'
import { expect, it } from 'vitest'
import { isQuiet } from '../../helpers/machine.ts'
import { openTestTelegram } from '../../helpers/telegram.ts'

const waves = 10
const updatesEach = 500
const queriesEach = 20
/** Telegram then cancels the payment. */
const telegramWaitsMs = 10_000
const buyer = { userId: 501 }

const limitMs = isQuiet ? 2_000 : telegramWaitsMs

it(`is less than ${limitMs / 1000} s for 99 of 100 queries behind 500 updates`, async () => {
  const test = await openTestTelegram({ limits: { welcome: 0 }, works: false })
  const { telegram, core } = test
  telegram.say('/buy small', buyer)
  await telegram.waitFor(buyer.userId, ({ raw }) => raw.invoice !== undefined)
  const [order] = await core.database.rows<{ id: string }>(sql`select id from orders`)
  const offer = { payload: order!.id, stars: 150 }
  const times: number[] = []
  for (let wave = 0; wave < waves; wave++) {
    for (let number = 0; number < updatesEach; number++) telegram.say(`/buy ${number}`, { userId: 600 + (number % 50) })
    const asked = Array.from({ length: queriesEach }, () => telegram.askCheckout(offer, buyer))
    const answers = await Promise.all(asked)
    const waiting = await core.database.rows(sql`select key from inbox where handled_at is null`)
    expect(waiting.length).toBeGreaterThan(queriesEach)
    expect(answers.filter(({ ok }) => !ok)).toEqual([])
    times.push(...answers.map(({ answeredMs }) => answeredMs))
    await core.database.rows(sql`delete from inbox where handled_at is null`)
  }
  const p99 = times.toSorted((a, b) => a - b)[Math.ceil(times.length * 0.99) - 1]!
  process.stdout.write(`pre-checkout p99 ${p99} ms\n`)
  expect(p99).toBeLessThan(limitMs)
  await test.close()
  expect(telegram.violations).toEqual([])
})
