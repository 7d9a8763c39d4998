/** The Telegram emulator: inline queries, edited messages, and chats that refuse everything. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { errorOf, openTestBot, type TestBot, user } from './telegram/bot.ts'

let test: TestBot
beforeEach(async () => {
  test = await openTestBot({ inlineLifeMs: 60_000 })
})
afterEach(async () => {
  await test.stop()
  expect(test.telegram.violations).toEqual([])
})

describe('an inline query', () => {
  const ask = () => test.telegram.askInline('a cat', { userId: user }).update.inline_query!.id

  it('is answered once, with files that the bot has sent', async () => {
    const api = test.api()
    test.telegram.open({ userId: user })
    await test.photo(20, 20)
    const { photo = [] } = test.telegram.botMessages(user)[0]!.raw
    const id = ask()
    const result = { type: 'photo', id: 'one', photo_file_id: photo.at(-1)!.file_id } as const
    expect(await errorOf(api.answerInlineQuery(id, [{ ...result, photo_file_id: 'nothing' }]))).toBe(
      '400 Bad Request: wrong file identifier/HTTP URL specified',
    )
    expect(await errorOf(api.answerInlineQuery(id, [result, result]))).toBe('400 Bad Request: RESULT_ID_DUPLICATE')
    const button = { text: 'Draw', start_parameter: 'not allowed' }
    expect(await errorOf(api.answerInlineQuery(id, [result], { button }))).toBe('400 Bad Request: START_PARAM_INVALID')
    expect(await api.answerInlineQuery(id, [result], { is_personal: true })).toBe(true)
    expect(await errorOf(api.answerInlineQuery(id, [result]))).toContain('query is too old')
  })
})

describe('a message', () => {
  it('that a person edits is an update with the new words', async () => {
    const sent = test.telegram.say('/flux a cat', { userId: user })
    const update = test.telegram.editMessage(sent, '/flux a dog')
    expect(update.edited_message).toMatchObject({ message_id: sent.messageId, text: '/flux a dog' })
    expect(update.edited_message?.edit_date).toBeGreaterThanOrEqual(sent.message.date)
  })

  it.each(['Bad Request: TOPIC_CLOSED', 'Forbidden: bot is not a member of the supergroup chat'])(
    'of the bot is refused by a chat that refuses everything: %s',
    async (description) => {
      const chatId = test.telegram.open({ chatType: 'supergroup', userId: user })
      test.telegram.refuse(chatId, description)
      const code = description.startsWith('Bad') ? 400 : 403
      expect(await errorOf(test.api().sendMessage(chatId, 'x'))).toBe(`${code} ${description}`)
    },
  )
})
