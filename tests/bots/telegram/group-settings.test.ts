/** The settings of a Telegram group: its administrators find them below their own, and they count for each member. */
import { sql } from 'drizzle-orm'
import { expect, it } from 'vitest'
import { violations } from '../../helpers/invariants.ts'
import { openTestTelegram } from '../../helpers/telegram.ts'

const chatId = -1001234567890
const manager = { chatId, userId: 501 }
const member = { chatId, userId: 502 }

it('sets the ratio and sends pictures in private for all members of a group', async () => {
  const test = await openTestTelegram()
  const { telegram } = test
  const answerTo = async (text: string, from: typeof manager) => {
    const { messageId } = telegram.say(text, from)
    return telegram.waitFor(chatId, ({ fromBot, replyTo }) => fromBot && replyTo === messageId)
  }
  const labels = ({ buttons }: Awaited<ReturnType<typeof answerTo>>) => buttons.flat().map(({ label }) => label)
  telegram.open({ userId: 502 })
  expect(labels(await answerTo('/settings', member))).not.toContain('👥 Settings of this group')
  telegram.promote(chatId, 501)
  const own = await answerTo('/settings', manager)
  telegram.press(own, '👥 Settings of this group', member)
  telegram.press(own, '👥 Settings of this group', manager)
  const ofGroup = await telegram.waitFor(chatId, ({ text }) => text.startsWith('⚙️ The settings of this group'))
  expect(labels(ofGroup)).toEqual(['🖼 Pictures', '💬 Answers', '🎨 Models'])
  telegram.press(ofGroup, '💬 Answers', manager)
  const question = await telegram.waitFor(chatId, ({ text }) => text.includes('⚙️ Settings for answers'))
  telegram.say('Private: on', { ...manager, replyTo: question.messageId })
  await telegram.waitFor(chatId, ({ text }) => text.includes('Private: on · this group’s'))
  expect((await answerTo('/settings ratio 16:9 here', manager)).text).toContain('Ratio: 16:9 · this group’s')

  expect((await answerTo('/flux a cat', member)).text).toContain('private message')
  await telegram.waitFor(502, ({ photo }) => photo !== undefined)
  await test.atRest()
  const requests = sql`select request->>'aspect' as aspect, private from generations`
  expect(await test.core.database.rows(requests)).toEqual([{ aspect: '16:9', private: true }])
  expect(telegram.botMessages(chatId).filter(({ photo }) => photo)).toEqual([])
  const wrong = await violations(test.core.database)
  await test.close()
  expect([...wrong, ...telegram.violations]).toEqual([])
})
