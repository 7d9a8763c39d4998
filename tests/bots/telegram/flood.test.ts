/** Many answers at once in one group of Telegram, whose limit refuses some of them. */
import { sql } from 'drizzle-orm'
import { afterEach, expect, it } from 'vitest'
import { allActions } from '../../../src/bots/actions/index.ts'
import { allCommands } from '../../../src/bots/commands/index.ts'
import { createDispatch } from '../../../src/bots/dispatch.ts'
import { type TelegramPace, telegramPace } from '../../../src/bots/telegram/pace.ts'
import { createPlain, pngOf } from '../../helpers/core.ts'
import { createGate } from '../../helpers/gate.ts'
import { violations } from '../../helpers/invariants.ts'
import { openTestTelegram, type TestTelegram } from '../../helpers/telegram.ts'

const group = { chatId: -1003000000002, chatType: 'supergroup' as const }
/** Stands for a minute. */
const minuteMs = 600
const results = 40

/** Learns the limit when Telegram refuses a call. */
const pace: TelegramPace = {
  ...telegramPace,
  turns: { ...telegramPace.turns, group: { always: [], afterRefusal: [{ calls: 20, ms: minuteMs * 1.1 }] } },
}

let test: TestTelegram
afterEach(async () => {
  await test.atRest()
  const wrong = await violations(test.core.database)
  await test.close()
  expect(test.telegram.violations).toEqual([])
  expect(wrong).toEqual([])
})

const inGroup = () => test.telegram.botMessages(group.chatId)
const callsThat = (method: RegExp, status = 200) =>
  test.telegram.requests.filter(
    (call) => Number(call.params.chat_id) === group.chatId && method.test(call.method) && call.status === status,
  )

it('posts each of many results in one group exactly once, and keeps no other chat waiting', async () => {
  const drawing = createGate()
  const plain = createPlain({
    start: async () => {
      await drawing.pass(undefined)
      return { state: 'done', images: [await pngOf(64, 64)] }
    },
  })
  test = await openTestTelegram({ providers: [plain], limits: { welcome: 5 }, bot: { pace } })
  const { telegram } = test
  telegram.limitFlood({ perGroupPerMinute: 20, minuteMs })
  telegram.open({ userId: 900 })
  for (let n = 0; n < results; n++) telegram.say(`/flux cat ${n}`, { ...group, userId: 501 + n })
  await expect.poll(async () => (await test.states()).length).toBe(results)
  drawing.open()
  telegram.say('/flux a dog', { userId: 900 })
  await telegram.waitFor(900, ({ photo }) => photo !== undefined)
  expect(callsThat(/^editMessageMedia$/).length).toBeLessThan(results)
  await test.atRest()
  await test.quiet()
  expect((await test.states()).filter((state) => state === 'delivered')).toHaveLength(results + 1)
  const shown = inGroup().map(({ text, photo }) => (photo ? /cat \d+/.exec(text)?.[0] : text))
  expect(shown.toSorted()).toEqual(Array.from({ length: results }, (_, n) => `cat ${n}`).toSorted())
  expect(callsThat(/^sendMessage$/)).toHaveLength(results)
  expect(callsThat(/^editMessageMedia$/)).toHaveLength(results)
  // most calls know that there is no room
  expect(callsThat(/^(send|edit)/, 429).length).toBeLessThanOrEqual(results)
})

it('answers every command in a group at its limit once, also if the process stops while answers wait', async () => {
  test = await openTestTelegram({ works: false, bot: { pace } })
  const { telegram, bot, core } = test
  // for longer than the test lasts
  telegram.limitFlood({ perGroupPerMinute: 3, minuteMs: 600_000 })
  for (let n = 0; n < 9; n++) telegram.say('/credits', { ...group, userId: 501 + n })
  const waiting = sql`select key from inbox where handled_at is null and claimed_until > now() + interval '1 minute'`
  await expect.poll(async () => (await core.database.rows(waiting)).length).toBe(6)
  expect(inGroup()).toHaveLength(3)
  await bot.stop()
  telegram.limitFlood(undefined)
  await core.database.rows(sql`delete from chat_calls`)
  const next = await test.another(undefined, { starts: false })
  await next.start(createDispatch(core, { commands: allCommands, actions: allActions }))
  await test.quiet()
  expect(inGroup()).toHaveLength(9)
  expect(new Set(inGroup().map(({ replyTo }) => replyTo)).size).toBe(9)
})

it('ends the waiting of a pressed button at once, also if its answer has to wait for room in the group', async () => {
  test = await openTestTelegram({ limits: { welcome: 5 }, bot: { pace } })
  const { telegram, core } = test
  const asker = { ...group, userId: 501 }
  telegram.say('/flux a cat', asker)
  const shown = await telegram.waitFor(group.chatId, ({ photo }) => photo !== undefined)
  await test.atRest()
  telegram.limitFlood({ perGroupPerMinute: 1, minuteMs: 600_000 })
  telegram.say('/credits', { ...group, userId: 502 })
  await expect.poll(() => inGroup().length).toBe(2)
  const waiting = sql`select key from inbox where handled_at is null and claimed_until > now() + interval '1 minute'`
  // files, a question, and other buttons of the pressed message
  const buttons = shown.buttons.flat().filter(({ label }) => /Original|Edit|Delete/.test(label))
  const answers = await Promise.all(buttons.map(({ label }) => telegram.press(shown, label, asker).answered(10_000)))
  expect(answers).toEqual([{ showAlert: false }, { showAlert: false }, { showAlert: false }])
  await expect.poll(async () => (await core.database.rows(waiting)).length).toBe(3)
  expect(inGroup()).toHaveLength(2)
  await test.bot.stop()
  telegram.limitFlood(undefined)
  await core.database.rows(sql`delete from chat_calls`)
  const next = await test.another(undefined, { starts: false })
  await next.start(createDispatch(core, { commands: allCommands, actions: allActions }))
  await test.quiet()
  expect(inGroup()).toHaveLength(4)
})
