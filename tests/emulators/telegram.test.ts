/** The Telegram emulator with grammY: messages of people and of the bot, errors, faults and the check of calls. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { autoRetry } from '@grammyjs/auto-retry'
import { Api, type GrammyError, HttpError, InputFile } from 'grammy'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { errorOf, openTestBot, picture, type TestBot, user } from './telegram/bot.ts'
import { startTelegram, type TelegramEmulator } from './telegram/index.ts'

const specPath = join(
  process.env.FLUXBOT_SPECS ?? join(import.meta.dirname, '../../../shared/specs'),
  'telegram-bot-api.json',
)
const forum = { chatId: -1001234567890, threadId: 77, userId: user }

let test: TestBot
let telegram: TelegramEmulator

beforeEach(async () => {
  test = await openTestBot()
  telegram = test.telegram
})

afterEach(async () => {
  await test.stop()
  expect(telegram.violations).toEqual([])
})

describe('a message of a person', () => {
  it('has a photo with a caption, in full size and as a thumbnail', async () => {
    const data = await picture(640, 480)
    const { message } = telegram.sendPhoto({ data, caption: '/edit make it night' }, { userId: user })
    const full = message.photo!.at(-1)!
    expect(full).toMatchObject({ width: 640, height: 480, file_size: data.length })
    expect(message.caption_entities).toEqual([{ type: 'bot_command', offset: 0, length: 5 }])
    expect(await test.download(full.file_id)).toEqual(data)
    expect(await test.download(message.photo![0]!.file_id)).not.toEqual(data)
  })

  it('has a document, which can be too large for a bot to download', async () => {
    const data = Buffer.from('tiny')
    const large = telegram.sendDocument({ data, fileName: 'a.png', fileSize: 11 * 1024 * 1024 }, { userId: user })
    expect(large.message.document).toMatchObject({ mime_type: 'image/png', file_size: 11 * 1024 * 1024 })
    expect(await test.download(large.message.document!.file_id)).toEqual(data)
    const huge = telegram.sendDocument({ data, fileName: 'a.png', fileSize: 5 * 1024 ** 3 }, { userId: user })
    expect(await errorOf(test.api().getFile(huge.message.document!.file_id))).toBe('400 Bad Request: file is too big')
  })

  it('of an album is an update with the id of the album', async () => {
    const data = await picture(64, 64)
    const { updates } = await test.poll()
    const sent = telegram.sendAlbum([{ data, caption: 'these' }, { data }, { data }], { userId: user })
    await expect.poll(() => updates.length).toBe(3)
    expect(new Set(updates.map(({ message }) => message!.media_group_id)).size).toBe(1)
    expect(sent.map(({ message }) => message.caption)).toEqual(['these', undefined, undefined])
  })

  it('has entities for commands, hashtags, mentions and links', () => {
    const { message } = telegram.say('/flux@fluxbot_test_bot a #cat for @ada 16/9 https://x.io/a.', { userId: user })
    const found = message.entities!.map(({ type, offset, length }) => [
      type,
      message.text!.slice(offset, offset + length),
    ])
    expect(found).toEqual([
      ['bot_command', '/flux@fluxbot_test_bot'],
      ['hashtag', '#cat'],
      ['mention', '@ada'],
      ['url', 'https://x.io/a'],
    ])
  })
})

describe('a call of the bot', () => {
  it('sends a photo with a formatted caption', async () => {
    telegram.open({ chatId: user })
    const data = await picture(300, 200)
    const caption = '<b>a &lt;cute&gt; cat</b> · <a href="https://example.com/1">open</a>'
    await test.api().sendPhoto(user, new InputFile(data, 'cat.png'), { caption, parse_mode: 'HTML' })
    const [shown] = telegram.messages(user)
    expect(shown).toMatchObject({ text: 'a <cute> cat · open', fromBot: true, photo: data })
    expect(shown!.entities).toEqual([
      { type: 'bold', offset: 0, length: 12 },
      { type: 'text_link', offset: 15, length: 4, url: 'https://example.com/1' },
    ])
    const [call] = telegram.requests
    expect(call).toMatchObject({ method: 'sendPhoto', status: 200, params: { chat_id: user } })
    expect(call!.files).toMatchObject([{ filename: 'cat.png', size: data.length, data }])
  })

  it('edits a text into a picture and keeps the earlier versions', async () => {
    const api = test.api()
    telegram.open({ chatId: user })
    const reply_markup = { inline_keyboard: [[{ text: 'Cancel', callback_data: 'cancel' }]] }
    const waiting = await api.sendMessage(user, 'Queued…', { reply_markup })
    await api.editMessageText(user, waiting.message_id, '50 %', { reply_markup })
    const data = await picture(128, 128)
    const media = { type: 'photo' as const, media: new InputFile(data, 'cat.png'), caption: 'a cat' }
    await api.editMessageMedia(user, waiting.message_id, media)
    const shown = await telegram.waitFor(user, ({ photo }) => photo !== undefined)
    expect(shown).toMatchObject({ text: 'a cat', photo: data, buttons: [], messageId: waiting.message_id })
    expect(shown.edits.map(({ text }) => text)).toEqual(['Queued…', '50 %'])
    expect(telegram.messages(user)).toHaveLength(1)
    const again = { type: 'photo' as const, media: shown.raw.photo!.at(-1)!.file_id, caption: 'a cat' }
    expect(await errorOf(api.editMessageMedia(user, waiting.message_id, again))).toMatch(
      /^400 .*message is not modified/,
    )
  })

  it('sends an album and a document unchanged', async () => {
    const api = test.api()
    telegram.open({ chatId: user })
    const images = await Promise.all([picture(64, 64), picture(96, 64)])
    await api.sendMediaGroup(
      user,
      images.map((data) => ({ type: 'photo' as const, media: new InputFile(data, 'x.png') })),
    )
    await api.sendDocument(user, new InputFile(images[0]!, 'cat.png'))
    const [first, second, document] = telegram.messages(user)
    expect([first!.photo, second!.photo]).toEqual(images)
    expect(first!.mediaGroupId).toBe(second!.mediaGroupId)
    expect(document!.document).toEqual({ fileName: 'cat.png', mimeType: 'image/png', data: images[0] })
  })

  it('replies inside a topic', async () => {
    const bot = test.bot()
    bot.command('flux', (context) =>
      context.reply('Queued', {
        message_thread_id: context.message!.message_thread_id,
        reply_parameters: { message_id: context.message!.message_id },
      }),
    )
    await test.start(bot)
    const request = telegram.say('/flux a cat', forum)
    expect(request.message).toMatchObject({ message_thread_id: 77, is_topic_message: true })
    expect(request.message.reply_to_message).toMatchObject({
      message_id: 77,
      forum_topic_created: { name: 'Topic 77' },
    })
    const shown = await telegram.waitFor(forum.chatId, ({ fromBot }) => fromBot)
    expect(shown).toMatchObject({ threadId: 77, replyTo: request.messageId, text: 'Queued' })
    const elsewhere = bot.api.sendMessage(forum.chatId, 'x', { message_thread_id: 78 })
    expect(await errorOf(elsewhere)).toBe('400 Bad Request: message thread not found')
  })

  it('cannot send to a closed topic, whose service messages the bot gets', async () => {
    const { updates } = await test.poll()
    const api = test.api()
    const opened = telegram.openTopic(forum)
    const { message_id: id } = await api.sendMessage(forum.chatId, 'x', { message_thread_id: 77 })
    const closed = telegram.closeTopic(forum)
    await expect.poll(() => updates.length).toBe(2)
    const inTopic = { message_thread_id: 77, is_topic_message: true, chat: { is_forum: true } }
    expect([opened.messageId, updates[0]!.message]).toMatchObject([
      77,
      { ...inTopic, message_id: 77, forum_topic_created: { name: 'Topic 77' } },
    ])
    expect(updates[1]!.message).toMatchObject({ ...inTopic, message_id: closed.messageId, forum_topic_closed: {} })
    expect(updates.map(({ message }) => message!.text)).toEqual([undefined, undefined])
    const sent = () => api.sendMessage(forum.chatId, 'y', { message_thread_id: 77 })
    expect(await errorOf(sent())).toBe('400 Bad Request: TOPIC_CLOSED')
    const replied = api.sendMessage(forum.chatId, 'y', { reply_parameters: { message_id: id } })
    expect(await errorOf(replied)).toBe('400 Bad Request: TOPIC_CLOSED')
    await api.editMessageText(forum.chatId, id, 'edited')
    // the general topic is open
    await api.sendMessage(forum.chatId, 'y')
    telegram.reopenTopic(forum)
    expect(await sent()).toMatchObject(inTopic)
  })

  it('cannot send to the thread of a reply outside forums', async () => {
    const chat = { chatType: 'supergroup' as const, userId: user }
    const first = telegram.say('first', chat)
    const { message } = telegram.say('second', { ...chat, replyTo: first.messageId })
    expect(message).toMatchObject({ message_thread_id: first.messageId })
    expect(message.is_topic_message).toBeUndefined()
    const sent = test.api().sendMessage(message.chat.id, 'x', { message_thread_id: message.message_thread_id })
    expect(await errorOf(sent)).toBe('400 Bad Request: message thread not found')
  })

  it('sends a reply to a missing message if that is allowed', async () => {
    telegram.open({ chatId: user })
    const reply_parameters = { message_id: 9999, allow_sending_without_reply: true }
    await test.api().sendMessage(user, 'x', { reply_parameters })
    expect(telegram.messages(user)[0]!.replyTo).toBeUndefined()
  })

  it('stores commands by scope and language', async () => {
    const api = test.api()
    const commands = [{ command: 'flux', description: 'Draw' }]
    await api.setMyCommands(commands)
    await api.setMyCommands(commands, { scope: { type: 'all_private_chats' }, language_code: 'zh' })
    expect(telegram.commands).toEqual([
      { scope: { type: 'default' }, languageCode: '', commands },
      { scope: { type: 'all_private_chats' }, languageCode: 'zh', commands },
    ])
    expect(await api.getMyCommands()).toEqual(commands)
    await api.deleteMyCommands()
    expect(await api.getMyCommands()).toEqual([])
    expect(await errorOf(api.setMyCommands([{ command: 'Flux', description: 'Draw' }]))).toBe(
      '400 Bad Request: BOT_COMMAND_INVALID',
    )
  })

  it('has the same parameters as query, form, multipart and JSON', async () => {
    telegram.open({ chatId: user })
    const url = `${telegram.apiUrl}/bot${telegram.token}/sendMessage`
    const markup = JSON.stringify({ inline_keyboard: [[{ text: 'Go', callback_data: 'go' }]] })
    const fields = { chat_id: String(user), text: 'hello', reply_markup: markup, protect_content: 'true' }
    const form = new FormData()
    for (const [name, value] of Object.entries(fields)) form.set(name, value)
    const json = { ...fields, chat_id: user, reply_markup: JSON.parse(markup) as unknown, protect_content: true }
    await fetch(`${url}?${new URLSearchParams(fields)}`)
    await fetch(url, { method: 'POST', body: new URLSearchParams(fields) })
    await fetch(url, { method: 'POST', body: form })
    await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(json) })
    expect(telegram.requests.map(({ params }) => params)).toEqual([json, json, json, json])
    const shown = telegram
      .messages(user)
      .map(({ text, buttons, raw }) => [text, buttons[0]?.length, raw.has_protected_content])
    expect(shown).toEqual(Array(4).fill(['hello', 1, true]))
  })

  it('requests a payment in Stars and refunds it once', async () => {
    const bot = test.bot()
    bot.on('pre_checkout_query', (context) => context.answerPreCheckoutQuery(true))
    await test.start(bot)
    telegram.open({ chatId: user })
    const prices = [{ label: '100 credits', amount: 50 }]
    const invoice = await bot.api.sendInvoice(user, 'Credits', '100 credits', 'order-1', 'XTR', prices)
    const paid = await telegram.pay({ chatId: user, messageId: invoice.message_id })
    expect(paid.message.successful_payment).toMatchObject({
      invoice_payload: 'order-1',
      total_amount: 50,
      telegram_payment_charge_id: paid.chargeId,
    })
    await bot.api.refundStarPayment(user, paid.chargeId)
    expect(telegram.messages(user).at(-1)!.raw.refunded_payment).toMatchObject({ invoice_payload: 'order-1' })
    expect(await errorOf(bot.api.refundStarPayment(user, paid.chargeId))).toMatch('CHARGE_ALREADY_REFUNDED')
    expect((await bot.api.getStarTransactions()).transactions).toMatchObject([
      { id: paid.chargeId, source: { invoice_payload: 'order-1' } },
      { id: paid.chargeId, receiver: { type: 'user' } },
    ])
    const checkout = telegram.requests.find(({ method }) => method === 'answerPreCheckoutQuery')
    const answered = String(checkout?.params.pre_checkout_query_id)
    expect(await errorOf(bot.api.answerPreCheckoutQuery(answered, true))).toMatch('query is too old')
    const refused = telegram.askCheckout({ payload: 'order-1', stars: 1, currency: 'USD' }, { userId: user })
    expect(await refused).toMatchObject({ ok: true, error: '' })
  })

  it('takes no late answer to a pre-checkout query, and cancels the payment', async () => {
    const own = await startTelegram({ checkoutLifeMs: 20 })
    const api = new Api(own.token, { apiRoot: own.apiUrl })
    await expect(own.askCheckout({ payload: 'order-1', stars: 1 }, { userId: user })).rejects.toThrow('did not answer')
    const [update] = await api.getUpdates()
    const late = api.answerPreCheckoutQuery(String(update?.pre_checkout_query?.id), true)
    expect(await errorOf(late)).toMatch('query is too old')
    await own.stop()
  })
})

describe("a rejected call has Telegram's error text", () => {
  const button = (callback_data: string) => ({ reply_markup: { inline_keyboard: [[{ text: 'x', callback_data }]] } })
  const link = (url: string) => ({ reply_markup: { inline_keyboard: [[{ text: 'x', url }]] } })
  const html = { parse_mode: 'HTML' as const }
  const cases: [string, (api: Api, messageId: number) => Promise<unknown>][] = [
    ['chat not found', (api) => api.sendMessage(999, 'x')],
    ['message text is empty', (api) => api.sendMessage(user, '<b> </b>', html)],
    ['message is too long', (api) => api.sendMessage(user, 'x'.repeat(4097))],
    ['message caption is too long', () => test.photo(64, 64, 'x'.repeat(1025))],
    [
      'message to be replied not found',
      (api) => api.sendMessage(user, 'x', { reply_parameters: { message_id: 9999 } }),
    ],
    ['message to edit not found', (api) => api.editMessageText(user, 9999, 'x')],
    ['message to delete not found', (api) => api.deleteMessage(user, 9999)],
    [
      'message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message',
      (api, messageId) => api.editMessageText(user, messageId, 'here'),
    ],
    ['there is no caption in the message to edit', (api, messageId) => api.editMessageCaption(user, messageId)],
    ['BUTTON_DATA_INVALID', (api) => api.sendMessage(user, 'x', button('é'.repeat(33)))],
    [
      "inline keyboard button URL 'http://localhost:8080/panel' is invalid: Wrong HTTP URL",
      (api) => api.sendMessage(user, 'x', link('http://localhost:8080/panel')),
    ],
    ['PHOTO_INVALID_DIMENSIONS', () => test.photo(2100, 100)],
    ['IMAGE_PROCESS_FAILED', (api) => api.sendPhoto(user, new InputFile(Buffer.from('<html>'), 'x.png'))],
    [
      'file of size 10485761 bytes is too big for a photo; the maximum size is 10485760 bytes',
      (api) => api.sendPhoto(user, new InputFile(Buffer.alloc(10 * 1024 * 1024 + 1), 'x.png')),
    ],
    [
      'query is too old and response timeout expired or query ID is invalid',
      (api) => api.answerCallbackQuery('12345678901234'),
    ],
    [`can't parse entities: Unsupported start tag "x" at byte offset 3`, (api) => api.sendMessage(user, 'é <x>', html)],
    [
      `can't parse entities: Can't find end tag corresponding to start tag "b"`,
      (api) => api.sendMessage(user, '<b>x', html),
    ],
    [
      `can't parse entities: Unmatched end tag at byte offset 7, expected "</i>", found "</b>"`,
      (api) => api.sendMessage(user, '<b><i>x</b></i>', html),
    ],
    [
      'INVOICE_TITLE_INVALID',
      (api) => api.sendInvoice(user, 'x'.repeat(33), 'x', 'order-1', 'XTR', [{ label: 'x', amount: 1 }]),
    ],
    ['wrong file_id or the file is temporarily unavailable', (api) => api.getFile('nonsense')],
  ]

  it.each(cases)('%s', async (description, call) => {
    telegram.open({ chatId: user })
    const { message_id } = await test.api().sendMessage(user, 'here')
    expect(await errorOf(call(test.api(), message_id))).toBe(`400 Bad Request: ${description}`)
    expect(telegram.requests.at(-1)).toMatchObject({ status: 400, description: `Bad Request: ${description}` })
  })

  it('for a wrong token and an unknown path', async () => {
    const wrong = new Api('1:wrong', { apiRoot: telegram.apiUrl })
    expect(await errorOf(wrong.getMe())).toBe('401 Unauthorized')
    const get = (path: string) => fetch(`${telegram.apiUrl}${path}`).then((response) => response.json())
    const notFound = { ok: false, error_code: 404, description: 'Not Found' }
    expect(await get(`/file/bot${telegram.token}/photos/file_9.jpg`)).toEqual(notFound)
    expect(await get('/')).toEqual(notFound)
  })

  it('for a person who blocked the bot, until they unblock it', async () => {
    const { bot, updates } = await test.poll()
    telegram.say('hi', { userId: user })
    telegram.block(user)
    expect(await errorOf(bot.api.sendMessage(user, 'x'))).toBe('403 Forbidden: bot was blocked by the user')
    await expect.poll(() => updates.at(-1)?.my_chat_member?.new_chat_member.status).toBe('kicked')
    telegram.unblock(user)
    await bot.api.sendMessage(user, 'x')
  })

  it('with the new id of a group that became a supergroup', async () => {
    const { chatId } = telegram.say('hi', { chatType: 'group', userId: user })
    const newId = telegram.migrate(chatId)
    const error = await test
      .api()
      .sendMessage(chatId, 'x')
      .catch((thrown: GrammyError) => thrown)
    expect(error).toMatchObject({ error_code: 400, parameters: { migrate_to_chat_id: newId } })
    await test.api().sendMessage(newId, 'x')
    expect(telegram.messages(newId).at(-1)).toMatchObject({ text: 'x', fromBot: true })
  })
})

describe('a fault', () => {
  it('of kind 429 has the time to retry, which auto-retry respects', async () => {
    telegram.open({ chatId: user })
    telegram.faults.add({ kind: '429', match: { path: /^sendMessage$/ }, times: 1, retryAfterSeconds: 1 })
    telegram.faults.add({ kind: '429', match: { path: /^sendChatAction$/ }, times: 1, retryAfterSeconds: 60 })
    const api = test.api()
    api.config.use(autoRetry({ maxRetryAttempts: 2, maxDelaySeconds: 5 }))
    const started = Date.now()
    await api.sendMessage(user, 'hello')
    expect(Date.now() - started).toBeGreaterThanOrEqual(990)
    expect(telegram.requests.map(({ status, fault }) => [status, fault])).toEqual([
      [429, '429'],
      [200, undefined],
    ])
    const error = await api.sendChatAction(user, 'typing').catch((thrown: GrammyError) => thrown)
    expect(error).toMatchObject({
      error_code: 429,
      description: 'Too Many Requests: retry after 60',
      parameters: { retry_after: 60 },
    })
  })

  it('of kind dropAfter sends the message and loses the response', async () => {
    telegram.open({ chatId: user })
    telegram.faults.add({ kind: 'dropAfter', match: { path: /^sendMessage$/ }, times: 1 })
    await expect(test.api().sendMessage(user, 'sent')).rejects.toBeInstanceOf(HttpError)
    expect(telegram.messages(user).map(({ text }) => text)).toEqual(['sent'])
    expect(telegram.requests).toMatchObject([{ method: 'sendMessage', status: 0, fault: 'dropAfter' }])
  })

  it('of kind 500 or 502html sends no message', async () => {
    telegram.open({ chatId: user })
    telegram.faults.add({ kind: '500', times: 1 })
    telegram.faults.add({ kind: '502html', times: 1 })
    expect(await errorOf(test.api().sendMessage(user, 'x'))).toBe('500 Internal Server Error')
    await expect(test.api().sendMessage(user, 'x')).rejects.toBeInstanceOf(HttpError)
    expect(telegram.messages(user)).toEqual([])
  })
})

describe.skipIf(!existsSync(specPath))('the check against the API description', () => {
  it('reports violations in the calls of the bot', async () => {
    const own = await startTelegram()
    own.open({ chatId: user })
    const call = (method: string, params: object) =>
      fetch(`${own.apiUrl}/bot${own.token}/${method}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(params),
      })
    await call('sendMessage', { chat_id: user, text: 'x', thread: 5, reply_parameters: { message_id: 'one' } })
    await call('sendMessage', { chat_id: user, text: 7 })
    await call('sendMessage', { text: 'x' })
    await call('sendPhoto', { chat_id: user, photo: 'x', reply_markup: { inline_keyboard: [{ text: 'x' }] } })
    await call('setMyCommands', { commands: [], scope: { type: 'chat' } })
    await call('sendGift', {})
    expect(own.violations).toEqual([
      'sendMessage: thread is unknown',
      'sendMessage.reply_parameters.message_id: "one" is not Integer',
      'sendMessage.text: 7 is not String',
      'sendMessage: chat_id is missing',
      'sendPhoto.reply_markup.inline_keyboard[0]: {"text":"x"} is not Array of InlineKeyboardButton',
      'setMyCommands.scope: chat_id is missing',
      'sendGift: the emulator does not have this method',
    ])
    await own.stop()
  })
})
