/** Many answers at once in one chat, whose limit refuses some of them at first. */
import { expect, it } from 'vitest'
import { floodLimits } from '../../emulators/telegram/index.ts'
import { openTestTelegram } from '../../helpers/telegram.ts'

const chatId = -1003000000002
const people = 9

it('loses no answer in a group that is at its limit, and repeats few calls', { timeout: 90_000 }, async () => {
  const test = await openTestTelegram()
  const { telegram } = test
  telegram.limitFlood(floodLimits)
  for (let n = 0; n < people; n++) telegram.say('/credits', { chatId, userId: 501 + n })
  await expect.poll(() => telegram.botMessages(chatId).length, { timeout: 60_000 }).toBe(people)
  const refused = telegram.requests.filter(({ status }) => status === 429)
  expect(refused.length).toBeGreaterThan(0)
  expect(refused.length).toBeLessThan(2 * people)
  await test.quiet()
  await test.close()
  expect(telegram.violations).toEqual([])
})
