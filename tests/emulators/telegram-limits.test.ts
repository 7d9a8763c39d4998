/** The Telegram emulator with grammY: flood limits, file sizes, deletion and rights. */
import { type Api, type GrammyError, InputFile } from 'grammy'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { errorOf, openTestBot, picture, type TestBot, user } from './telegram/bot.ts'
import { floodLimits, type TelegramEmulator } from './telegram/index.ts'

const group = { chatId: -1001000000001, chatType: 'supergroup' as const, userId: user }

let test: TestBot
let telegram: TelegramEmulator
let api: Api

beforeEach(async () => {
  test = await openTestBot({ maxPhotoBytes: 5_000, maxFileBytes: 10_000 })
  telegram = test.telegram
  api = test.api()
  telegram.open({ chatId: user })
})

afterEach(async () => {
  await test.stop()
  expect(telegram.violations).toEqual([])
})

describe('slow mode', () => {
  it('rejects a message before its time with the seconds to wait, and albums always, but no edits', async () => {
    telegram.slowDown(telegram.open(group), 30)
    const { message_id: id } = await api.sendMessage(group.chatId, 'one')
    expect(await errorOf(api.sendMessage(group.chatId, 'two'))).toMatch(/^429 Too Many Requests: retry after (29|30)$/)
    const item = { type: 'photo' as const, media: new InputFile(await picture(64, 64), 'x.png') }
    const album = api.sendMediaGroup(group.chatId, [item, { ...item, media: new InputFile(await picture(64, 64)) }])
    expect(await errorOf(album)).toBe('400 Bad Request: SLOWMODE_MULTI_MSGS_DISABLED')
    await api.editMessageText(group.chatId, id, 'edited')
    telegram.slowDown(group.chatId, 0)
    await api.sendMessage(group.chatId, 'two')
  })
})

describe('a flood limit', () => {
  it('is Telegram’s until a test sets another one: 20 messages to a chat at once, and then one a second', async () => {
    telegram.open(group)
    for (const chatId of [user, group.chatId]) {
      for (let number = 1; number <= 20; number++) await api.sendMessage(chatId, String(number))
      expect(await errorOf(api.sendMessage(chatId, '21'))).toMatch(/^429 Too Many Requests: retry after \d+$/)
      expect(telegram.botMessages(chatId)).toHaveLength(20)
      // as many as the bot may send in a second
      telegram.limitFlood(floodLimits)
    }
  })

  it('rejects messages and edits of one chat with the seconds to wait', async () => {
    telegram.limitFlood({ perChatPerSecond: 1 })
    telegram.open({ chatId: 502 })
    const { message_id: id } = await api.sendMessage(user, 'one')
    const error = await api.sendMessage(user, 'two').catch((thrown: GrammyError) => thrown)
    expect(error).toMatchObject({
      error_code: 429,
      description: 'Too Many Requests: retry after 1',
      parameters: { retry_after: 1 },
    })
    expect(await errorOf(api.editMessageText(user, id, 'edited'))).toBe('429 Too Many Requests: retry after 1')
    await api.sendMessage(502, 'one')
    expect(telegram.botMessages(user).map(({ text }) => text)).toEqual(['one'])
    telegram.limitFlood(undefined)
    await api.editMessageText(user, id, 'edited')
  })

  it('of a group does not apply to private chats, and counts each picture of an album', async () => {
    telegram.limitFlood({ perGroupPerMinute: 2 })
    telegram.open(group)
    const item = async () => ({ type: 'photo' as const, media: new InputFile(await picture(64, 64), 'x.png') })
    await api.sendMediaGroup(group.chatId, [await item(), await item()])
    expect(await errorOf(api.sendMessage(group.chatId, 'x'))).toMatch(/^429 Too Many Requests: retry after (59|60)$/)
    for (const text of ['1', '2', '3']) await api.sendMessage(user, text)
  })

  it('of the bot applies to all chats together', async () => {
    telegram.limitFlood({ perSecond: 2 })
    telegram.open({ chatId: 502 })
    await api.sendMessage(user, '1')
    await api.sendMessage(502, '1')
    expect(await errorOf(api.sendMessage(502, '2'))).toBe('429 Too Many Requests: retry after 1')
  })
})

describe('a file', () => {
  it('over the limit for photos can be sent as a document, up to the limit for files', async () => {
    const noise = (bytes: number) => new InputFile(Buffer.alloc(bytes, 1), 'x.png')
    expect(await errorOf(api.sendPhoto(user, noise(5_001)))).toBe(
      '400 Bad Request: file of size 5001 bytes is too big for a photo; the maximum size is 5000 bytes',
    )
    await api.sendDocument(user, noise(10_000))
    expect(await errorOf(api.sendDocument(user, noise(10_001)))).toBe('413 Request Entity Too Large')
    expect(telegram.botMessages(user)).toHaveLength(1)
  })
})

describe('a deleted message', () => {
  it('of the bot is neither shown nor edited', async () => {
    const { message_id: id } = await api.sendMessage(user, 'one')
    await api.deleteMessage(user, id)
    expect(telegram.messages(user)).toEqual([])
    expect(await errorOf(api.deleteMessage(user, id))).toBe('400 Bad Request: message to delete not found')
    expect(await errorOf(api.editMessageText(user, id, 'x'))).toBe('400 Bad Request: message to edit not found')
  })

  it('that a person deleted cannot be edited, and its buttons not be pressed', async () => {
    const reply_markup = { inline_keyboard: [[{ text: 'Again', callback_data: 'again' }]] }
    const { message_id: messageId } = await api.sendMessage(user, 'one', { reply_markup })
    telegram.deleteMessage({ chatId: user, messageId })
    expect(await errorOf(api.editMessageText(user, messageId, 'x'))).toBe('400 Bad Request: message to edit not found')
    expect(() => telegram.press({ chatId: user, messageId }, 'Again')).toThrow(`no message ${messageId}`)
  })

  it('can be one of 100, of which missing ones are skipped', async () => {
    const { message_id: id } = await api.sendMessage(user, 'one')
    await api.deleteMessages(user, [id, 9998, 9999])
    expect(telegram.messages(user)).toEqual([])
    const many = Array.from({ length: 101 }, (_, n) => n + 1)
    expect(await errorOf(api.deleteMessages(user, many))).toMatch('too many message identifiers specified')
    expect(await errorOf(api.deleteMessages(user, []))).toMatch('message identifiers are not specified')
  })

  it('of a person can be deleted by the bot in private, not in a group', async () => {
    const own = telegram.say('mine', { userId: user })
    await api.deleteMessage(user, own.messageId)
    const theirs = telegram.say('ours', group)
    expect(await errorOf(api.deleteMessage(group.chatId, theirs.messageId))).toMatch("can't be deleted for everyone")
  })
})

describe('a member of a group', () => {
  it('is an administrator while promoted', async () => {
    telegram.say('hi', { ...group, userId: 502, firstName: 'Bob' })
    const status = async () => (await api.getChatMember(group.chatId, 502)).status
    expect(await status()).toBe('member')
    telegram.promote(group.chatId, 502)
    expect(await status()).toBe('administrator')
    expect(await api.getChatAdministrators(group.chatId)).toMatchObject([{ user: { id: 502, first_name: 'Bob' } }])
    telegram.promote(group.chatId, 502, false)
    expect(await api.getChatAdministrators(group.chatId)).toEqual([])
  })

  it('gets no private message before opening the chat with the bot', async () => {
    telegram.say('hi', { ...group, userId: 502 })
    expect(await errorOf(api.sendMessage(502, 'x'))).toBe("403 Forbidden: bot can't initiate conversation with a user")
    telegram.say('/start', { userId: 502 })
    await api.sendMessage(502, 'x')
  })
})
