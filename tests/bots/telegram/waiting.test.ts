/** A request on Telegram from its acceptance to its picture: one message, which is edited. */
import { sql } from 'drizzle-orm'
import { afterEach, expect, it } from 'vitest'
import type { ImageProvider } from '../../../src/core/ports/providers.ts'
import { createPlain, pngOf } from '../../helpers/core.ts'
import { createGate } from '../../helpers/gate.ts'
import { violations } from '../../helpers/invariants.ts'
import { openTestTelegram, type TestTelegram } from '../../helpers/telegram.ts'

const ADA = { userId: 501 }

let test: TestTelegram
afterEach(async () => {
  const wrong = await violations(test.core.database)
  await test.close()
  expect(test.telegram.violations).toEqual([])
  expect(wrong).toEqual([])
})

it('waits, shows its progress and a button to cancel in one message, which becomes the picture', async () => {
  let isDrawn = false
  const provider: ImageProvider = {
    ...createPlain(),
    start: async () => ({ state: 'pending', ticket: {}, waitMs: 50 }),
    check: async (ticket) =>
      isDrawn
        ? { state: 'done', images: [await pngOf(64, 64)] }
        : { state: 'pending', ticket, waitMs: 50, percent: 40 },
  }
  test = await openTestTelegram({ providers: [provider], limits: { welcome: 5 }, works: false })
  const { telegram } = test
  const { messageId } = telegram.say('a cat', ADA)
  const waiting = await telegram.waitFor(501, ({ fromBot, replyTo }) => fromBot && replyTo === messageId)
  expect(waiting.text).toBe('⏳ In the queue: a cat')
  expect(waiting.buttons.flat().map(({ id }) => id)).toEqual([expect.stringContaining(':cancel:')])
  expect((await telegram.waitForCall('sendChatAction')).params).toMatchObject({ chat_id: 501, action: 'upload_photo' })
  await test.work()
  const drawing = await telegram.waitFor(501, ({ text }) => text.includes('40'))
  expect(drawing.buttons.flat().map(({ id }) => id)).toEqual(waiting.buttons.flat().map(({ id }) => id))
  isDrawn = true
  const shown = await telegram.waitFor(501, ({ photo }) => photo !== undefined)
  await test.atRest()
  expect([drawing.messageId, shown.messageId]).toEqual([waiting.messageId, waiting.messageId])
  expect(shown.buttons.flat().map(({ id }) => id)).not.toContainEqual(expect.stringContaining(':cancel:'))
  expect(telegram.botMessages(501)).toHaveLength(1)
})

it('shows the place in the queue with an estimate, and changes both as others come first or are done', async () => {
  const gates = [createGate(), createGate()]
  let starts = 0
  const slow = createPlain({
    start: async () => {
      const gate = gates[starts++ - 1]
      const image = await pngOf(64, 64)
      return { state: 'done', images: [gate ? await gate.pass(image) : image] }
    },
  })
  test = await openTestTelegram({ providers: [slow], concurrency: 1, limits: { welcome: 5 } })
  const { telegram, core } = test
  telegram.say('a first cat', ADA)
  await telegram.waitFor(501, ({ photo }) => photo !== undefined)
  await test.atRest()
  // from now on pictures are expected to take 20 seconds
  await core.database.rows(sql`update generations set started_at = stored_at - interval '20 seconds'`)
  telegram.say('a slow cat', ADA)
  await gates[0]!.arrived
  const shows = (userId: number, text: string) => telegram.waitFor(userId, (message) => message.text === text)
  telegram.say('a later cat', ADA)
  const waiting = await shows(501, '⏳ Number 1 in the queue, about 20 s: a later cat')
  // the first request of another person comes before the second one of this person
  telegram.say('a dog', { userId: 502 })
  await shows(502, '⏳ Number 1 in the queue, about 20 s: a dog')
  const behind = await shows(501, '⏳ Number 2 in the queue, about 40 s: a later cat')
  gates[0]!.open()
  await gates[1]!.arrived
  const isAhead = /^⏳ Number 1 in the queue, about \d+ s: a later cat$/
  const ahead = await telegram.waitFor(
    501,
    ({ text, edits }) => edits.length > behind.edits.length && isAhead.test(text),
  )
  expect([behind.messageId, ahead.messageId]).toEqual([waiting.messageId, waiting.messageId])
  gates[1]!.open()
  await test.atRest()
  expect(telegram.botMessages(501).map(({ photo }) => photo !== undefined)).toEqual([true, true, true])
  expect(telegram.botMessages(502).map(({ photo }) => photo !== undefined)).toEqual([true])
})
