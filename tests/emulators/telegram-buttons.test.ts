/** The Telegram emulator with grammY: buttons and presses, also with two bot processes. */
import { type Api, InputFile } from 'grammy'
import type { InlineKeyboardButton, Update } from 'grammy/types'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { errorOf, openTestBot, picture, type TestBot, user } from './telegram/bot.ts'
import type { MessageRef, TelegramEmulator } from './telegram/index.ts'

const BOB = 502
const group = { chatId: -1001000000001, chatType: 'supergroup' as const, userId: user }
const TOO_OLD = '400 Bad Request: query is too old and response timeout expired or query ID is invalid'

const keyboard = (...buttons: InlineKeyboardButton[]) => ({ reply_markup: { inline_keyboard: [buttons] } })
const again = { text: 'Again', callback_data: 'v1:again:7' }

let test: TestBot
let telegram: TelegramEmulator
let api: Api
/** Violations that a test expects. */
let expected: string[]

beforeEach(async () => {
  test = await openTestBot()
  telegram = test.telegram
  api = test.api()
  expected = []
  telegram.open({ chatId: user })
})

afterEach(async () => {
  await test.stop()
  expect(telegram.violations).toEqual(expected)
})

/** Sends a message with a button to the private chat. */
async function withButton(): Promise<MessageRef> {
  const { message_id: messageId } = await api.sendMessage(user, 'Done', keyboard(again))
  return { chatId: user, messageId }
}

const shown = ({ chatId, messageId }: MessageRef) =>
  telegram.messages(chatId).find((message) => message.messageId === messageId)!

describe('a button', () => {
  it('is shown with its label, data, style and link', async () => {
    const rows = [
      [{ ...again, style: 'primary' as const }],
      [
        { text: 'Delete', callback_data: 'v1:delete:7', style: 'danger' as const },
        { text: 'Open', url: 'https://example.com/7' },
      ],
    ]
    const sent = await api.sendMessage(user, 'Done', { reply_markup: { inline_keyboard: rows } })
    const ref = { chatId: user, messageId: sent.message_id }
    expect(telegram.botMessages(user).map(({ buttons }) => buttons)).toEqual([
      [
        [{ label: 'Again', id: 'v1:again:7', style: 'primary' }],
        [
          { label: 'Delete', id: 'v1:delete:7', style: 'danger' },
          { label: 'Open', url: 'https://example.com/7' },
        ],
      ],
    ])
    expect(() => telegram.press(ref, 'Open')).toThrow('sends nothing to the bot')
    expect(() => telegram.press(ref, 'Vary')).toThrow('no button "Vary"; there are: "Again" (v1:again:7)')
  })

  it('stays with an edit that has reply_markup and is removed by one that has not', async () => {
    const ref = await withButton()
    await api.editMessageText(user, ref.messageId, '50 %', keyboard(again))
    expect(shown(ref).buttons.flat()).toHaveLength(1)
    await api.editMessageText(user, ref.messageId, '60 %')
    expect(shown(ref)).toMatchObject({ text: '60 %', buttons: [] })

    const media = { type: 'photo' as const, media: new InputFile(await picture(64, 64), 'x.png'), caption: 'cat' }
    await api.editMessageMedia(user, ref.messageId, media, keyboard(again))
    expect(shown(ref)).toMatchObject({ text: 'cat', buttons: [[{ id: 'v1:again:7' }]] })
    await api.editMessageCaption(user, ref.messageId, { caption: 'a cat', ...keyboard(again) })
    expect(shown(ref)).toMatchObject({ text: 'a cat', buttons: [[{ id: 'v1:again:7' }]] })
    await api.editMessageCaption(user, ref.messageId, { caption: 'the cat' })
    expect(shown(ref)).toMatchObject({ text: 'the cat', buttons: [] })
    const { media: _media, ...same } = media
    const file = shown(ref).raw.photo!.at(-1)!.file_id
    await api.editMessageMedia(user, ref.messageId, { ...same, media: file }, keyboard(again))
    await api.editMessageMedia(user, ref.messageId, { ...same, media: file })
    expect(shown(ref)).toMatchObject({ text: 'cat', buttons: [] })
  })

  it('is added, replaced and removed by editMessageReplyMarkup', async () => {
    const ref = await withButton()
    const more = { text: 'More', callback_data: 'v1:more:7' }
    await api.editMessageReplyMarkup(user, ref.messageId, keyboard(again, more))
    expect(shown(ref).buttons).toEqual([
      [
        { label: 'Again', id: 'v1:again:7' },
        { label: 'More', id: 'v1:more:7' },
      ],
    ])
    expect(await errorOf(api.editMessageReplyMarkup(user, ref.messageId, keyboard(again, more)))).toMatch(
      'message is not modified',
    )
    await api.editMessageReplyMarkup(user, ref.messageId)
    expect(shown(ref)).toMatchObject({ text: 'Done', buttons: [] })
  })

  it('is ignored in an album', async () => {
    const item = async (width: number) => ({
      type: 'photo' as const,
      media: new InputFile(await picture(width, 64), 'x.png'),
    })
    const [first] = await api.sendMediaGroup(user, [await item(64), await item(65)])
    expect(await errorOf(api.editMessageReplyMarkup(user, first!.message_id, keyboard(again)))).toMatch(
      'message is not modified',
    )
    expected = ['an album has no inline keyboard: send the buttons in a message of their own']
  })

  const limits: [string, InlineKeyboardButton, string][] = [
    ['over 64 bytes of data', { text: 'x', callback_data: 'é'.repeat(33) }, 'BUTTON_DATA_INVALID'],
    [
      'without data',
      { text: 'x', callback_data: '' },
      "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
    ],
    [
      'of an unknown style',
      { ...again, style: 'secondary' as 'primary' },
      "can't parse inline keyboard button: invalid button style specified",
    ],
    [
      'with a link to localhost',
      { text: 'x', url: 'http://localhost:8080/panel' },
      "inline keyboard button URL 'http://localhost:8080/panel' is invalid: Wrong HTTP URL",
    ],
    [
      'with a link of another scheme',
      { text: 'x', url: 'ftp://example.com' },
      "inline keyboard button URL 'ftp://example.com' is invalid: Unsupported URL protocol",
    ],
  ]

  it.each(limits)('%s is rejected', async (_name, button, description) => {
    expect(await errorOf(api.sendMessage(user, 'x', keyboard(button)))).toBe(`400 Bad Request: ${description}`)
    expect(telegram.messages(user)).toEqual([])
  })

  it('with 64 bytes of data is accepted, 101 buttons are not', async () => {
    await api.sendMessage(user, 'x', keyboard({ text: 'x', callback_data: 'x'.repeat(64) }))
    const many = Array.from({ length: 101 }, (_, n) => ({ text: `${n}`, callback_data: `${n}` }))
    expect(await errorOf(api.sendMessage(user, 'x', keyboard(...many)))).toMatch('reply markup is too long')
  })

  it('with two actions is reported as a violation', async () => {
    await api.sendMessage(user, 'x', keyboard({ ...again, url: 'https://example.com' } as InlineKeyboardButton))
    expected = ['button "Again" has more than one action: callback_data, url']
  })
})

describe('a press', () => {
  it('sends the data, the message and the chat instance, and gets the answer', async () => {
    const bot = test.bot()
    const updates: Update[] = []
    bot.callbackQuery(/^v1:/, (context) => {
      updates.push(context.update)
      return context.answerCallbackQuery({ text: 'One moment', show_alert: true })
    })
    await test.start(bot)
    const ref = await withButton()
    const press = telegram.press(ref, 'Again')
    expect(await press.answered()).toEqual({ text: 'One moment', showAlert: true })
    expect(updates).toEqual([press.update])
    expect(press.update.callback_query).toMatchObject({
      id: press.queryId,
      from: { id: user },
      data: 'v1:again:7',
      chat_instance: expect.stringMatching(/^-?\d+$/),
      message: { message_id: ref.messageId, chat: { id: user }, text: 'Done', reply_markup: {} },
    })
  })

  it('is possible after an edit removed the button', async () => {
    const ref = await withButton()
    await api.editMessageText(user, ref.messageId, 'Busy')
    expect(telegram.press(ref, 'v1:again:7').update.callback_query!.data).toBe('v1:again:7')
  })

  it('in a group is by the person the message replies to, or by any other', async () => {
    const request = telegram.say('/flux a cat', { ...group, userId: BOB, firstName: 'Bob' })
    const sent = await api.sendMessage(group.chatId, 'Done', {
      ...keyboard(again),
      reply_parameters: { message_id: request.messageId },
    })
    const ref = { chatId: group.chatId, messageId: sent.message_id }
    expect(telegram.press(ref, 'Again').update.callback_query!.from).toMatchObject({ id: BOB, first_name: 'Bob' })
    const other = telegram.press(ref, 'Again', { userId: 503, firstName: 'Eve' })
    expect(other.update.callback_query).toMatchObject({
      from: { id: 503, first_name: 'Eve' },
      message: { chat: { id: group.chatId } },
    })
  })

  it('has only the chat and id of a message that the bot can no longer access', async () => {
    const ref = await withButton()
    const { update } = telegram.press(ref, 'Again', { inaccessible: true })
    expect(update.callback_query!.message).toEqual({
      chat: expect.objectContaining({ id: user }),
      message_id: ref.messageId,
      date: 0,
    })
  })

  it('is answered once', async () => {
    const { queryId, answered } = telegram.press(await withButton(), 'Again')
    await api.answerCallbackQuery(queryId)
    expect(await answered()).toEqual({ showAlert: false })
    expect(await errorOf(api.answerCallbackQuery(queryId, { text: 'again' }))).toBe(TOO_OLD)
    expect(await errorOf(api.answerCallbackQuery('12345678901234'))).toBe(TOO_OLD)
  })

  it('is answered within 150 seconds', async () => {
    const ref = await withButton()
    await api.answerCallbackQuery(telegram.press(ref, 'Again', { ageMs: 140_000 }).queryId)
    const late = telegram.press(ref, 'Again', { ageMs: 150_000 })
    expect(await errorOf(api.answerCallbackQuery(late.queryId))).toBe(TOO_OLD)
    const expired = telegram.press(ref, 'Again')
    telegram.expirePress(expired)
    expect(await errorOf(api.answerCallbackQuery(expired.queryId))).toBe(TOO_OLD)
  })

  it('is answered with 200 characters and a link to the bot at most', async () => {
    const { queryId, answered } = telegram.press(await withButton(), 'Again')
    const url = 't.me/fluxbot_test_bot?start=show_7'
    const answer = (other: object) => errorOf(api.answerCallbackQuery(queryId, other))
    expect(await answer({ text: 'x'.repeat(201) })).toBe('400 Bad Request: MESSAGE_TOO_LONG')
    expect(await answer({ url: 'https://example.com' })).toBe('400 Bad Request: URL_INVALID')
    await api.answerCallbackQuery(queryId, { text: 'x'.repeat(200), url })
    expect(await answered()).toEqual({ text: 'x'.repeat(200), url, showAlert: false })
  })
})

describe('two bot processes', () => {
  it('that poll both get an update which neither has confirmed', async () => {
    const { update } = telegram.press(await withButton(), 'Again')
    const other = test.api()
    expect(await api.getUpdates({ timeout: 1 })).toEqual([update])
    expect(await other.getUpdates({ timeout: 1 })).toEqual([update])
    expect(await api.getUpdates({ offset: update.update_id + 1 })).toEqual([])
    expect(await other.getUpdates()).toEqual([])
  })

  it('behind a proxy both get the same update by webhook', async () => {
    const received: [string, Update, unknown][] = []
    const open = (name: string) =>
      test.listen(async (req, res) => {
        let body = ''
        for await (const chunk of req) body += chunk
        received.push([name, JSON.parse(body) as Update, req.headers['x-telegram-bot-api-secret-token']])
        res.end()
      })
    await api.setWebhook(await open('one'), { secret_token: 'hush' })
    telegram.mirrorWebhook(await open('two'))
    const { update } = telegram.press(await withButton(), 'Again')
    await expect.poll(() => telegram.pendingUpdates()).toBe(0)
    expect(received).toHaveLength(2)
    expect(received).toEqual(
      expect.arrayContaining([
        ['one', update, 'hush'],
        ['two', update, 'hush'],
      ]),
    )
    telegram.mirrorWebhook(undefined)
    telegram.say('hi', { userId: user })
    await expect.poll(() => received.length).toBe(3)
    expect(received.at(-1)![0]).toBe('one')
  })
})

describe('a reply box', () => {
  const force_reply = true as const
  const of = (sent: { message_id: number; chat: { id: number } }) =>
    shown({ chatId: sent.chat.id, messageId: sent.message_id }).opensReplyOf

  it('opens for everyone in the chat', async () => {
    expect(of(await api.sendMessage(user, 'Which?', { reply_markup: { force_reply } }))).toBe('everyone')
    expect(of(await api.sendMessage(user, 'No question'))).toBeUndefined()
  })

  it('opens for people who are mentioned or replied to, when it is selective', async () => {
    telegram.open(group)
    const reply_markup = { force_reply, selective: true }
    const person = { id: BOB, is_bot: false, first_name: 'Bob' }
    const entities = [{ type: 'text_mention' as const, offset: 0, length: 5, user: person }]
    expect(of(await api.sendMessage(group.chatId, 'Which?', { reply_markup, entities }))).toEqual([BOB])
    const { messageId: message_id } = telegram.say('hello', group)
    const reply_parameters = { message_id }
    expect(of(await api.sendMessage(group.chatId, 'Which?', { reply_markup, reply_parameters }))).toEqual([user])
    expect(of(await api.sendMessage(group.chatId, 'Which?', { reply_markup }))).toEqual([])
  })

  it('takes a placeholder of 1 to 64 characters', async () => {
    const ask = (length: number) =>
      api.sendMessage(user, 'Which?', { reply_markup: { force_reply, input_field_placeholder: 'p'.repeat(length) } })
    await ask(64)
    expect(await errorOf(ask(65))).toMatch(/^400/)
  })
})
