/** A request on Telegram from its acceptance to its picture: one message, which is edited. */
import { afterEach, expect, it } from 'vitest'
import type { ImageProvider } from '../../../src/core/ports/providers.ts'
import { createPlain, pngOf } from '../../helpers/core.ts'
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
