import { existsSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { autoRetry } from '@grammyjs/auto-retry'
import { Api, Bot, GrammyError, HttpError, InputFile, type PollingOptions, webhookCallback } from 'grammy'
import type { Update } from 'grammy/types'
import sharp from 'sharp'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startTelegram, type TelegramEmulator } from './telegram/index.ts'

const specPath = join(
  process.env.FLUXBOT_SPECS ?? join(import.meta.dirname, '../../../shared/specs'),
  'telegram-bot-api.json',
)
const USER = 501
const FORUM = { chatId: -1001234567890, threadId: 77, userId: USER }

let telegram: TelegramEmulator
let stops: (() => Promise<unknown>)[]

beforeEach(async () => {
  telegram = await startTelegram()
  stops = [() => telegram.stop()]
})

afterEach(async () => {
  for (const stop of stops.toReversed()) await stop()
  expect(telegram.violations).toEqual([])
})

describe('updates by polling', () => {
  it('arrive once and are confirmed by the next offset', async () => {
    const { updates } = await poll()
    const first = telegram.say('one', { userId: USER })
    const second = telegram.say('two', { userId: USER })
    await expect.poll(() => updates.length).toBe(2)
    expect(updates).toEqual([first.update, second.update])
    expect(second.update.update_id).toBe(first.update.update_id + 1)
    await expect.poll(() => telegram.pendingUpdates()).toBe(0)
  })

  it('wake a held connection, so that a quiet bot asks once', async () => {
    const { updates, bot } = await poll()
    await telegram.waitForCall('deleteWebhook')
    const before = asked()
    await new Promise((resolve) => setTimeout(resolve, 300)) // that nothing happens can only be seen by waiting
    expect(asked() - before).toBeLessThanOrEqual(1)
    const said = Date.now()
    telegram.say('wake up', { userId: USER })
    await expect.poll(() => updates.length, { interval: 5 }).toBe(1)
    expect(Date.now() - said).toBeLessThan(200)
    await bot.stop()
    expect(asked()).toBeLessThanOrEqual(4)
  })

  it('leave the connection open for as long as asked, and not longer', async () => {
    const api = client()
    const started = Date.now()
    expect(await api.getUpdates({ timeout: 1 })).toEqual([])
    expect(Date.now() - started).toBeGreaterThanOrEqual(990)
  })

  it('keep coming until they are confirmed, by limit and offset', async () => {
    const api = client()
    const [one, two, three] = ['1', '2', '3'].map((text) => telegram.say(text, { userId: USER }).update)
    expect(await api.getUpdates({ limit: 2 })).toEqual([one, two])
    expect(await api.getUpdates()).toEqual([one, two, three])
    expect(await api.getUpdates({ offset: two!.update_id + 1 })).toEqual([three])
    expect(await api.getUpdates({ offset: -1 })).toEqual([three])
    expect(await api.getUpdates({ offset: three!.update_id + 1 })).toEqual([])
  })

  it('are only of the kinds the bot asked for', async () => {
    const api = client()
    await api.getUpdates({ allowed_updates: ['callback_query'] })
    telegram.say('not wanted', { userId: USER })
    expect(await api.getUpdates()).toEqual([])
    await api.getUpdates({ allowed_updates: ['message'] })
    telegram.say('wanted', { userId: USER })
    expect(await api.getUpdates()).toHaveLength(1)
  })

  it('can be delivered again under the same id', async () => {
    const { updates } = await poll()
    const { update } = telegram.say('twice', { userId: USER })
    await expect.poll(() => updates.length).toBe(1)
    await expect.poll(() => telegram.pendingUpdates()).toBe(0)
    telegram.redeliver(update)
    await expect.poll(() => updates).toEqual([update, update])
  })

  it('go to one poller: the older one is turned away', async () => {
    const api = client()
    const older = refusal(api.getUpdates({ timeout: 20 }))
    await expect.poll(() => asked()).toBe(1)
    const newer = client().getUpdates({ timeout: 20 })
    expect(await older).toBe(
      '409 Conflict: terminated by other getUpdates request; make sure that only one bot instance is running',
    )
    telegram.say('for the newer', { userId: USER })
    expect(await newer).toHaveLength(1)
  })

  it('survive a lost answer', async () => {
    const api = client()
    const { update } = telegram.say('precious', { userId: USER })
    telegram.faults.add({ kind: 'dropAfter', match: { path: /^getUpdates$/ }, times: 1 })
    await expect(api.getUpdates({ timeout: 5 })).rejects.toBeInstanceOf(HttpError)
    expect(await api.getUpdates({ timeout: 5 })).toEqual([update])
  })
})

describe('updates by webhook', () => {
  it('are posted with the secret, in order within a chat, until they are taken', async () => {
    const bot = createBot()
    await bot.init()
    const taken: string[] = []
    bot.on('message:text', (context) => void taken.push(context.message.text))
    const handle = webhookCallback(bot, 'http', { secretToken: 'hush-1' })
    let refusals = 2
    const url = await listen((req, res) => {
      if (refusals === 0) return void handle(req, res)
      refusals -= 1
      res.writeHead(503).end()
    })
    await bot.api.setWebhook(url, { secret_token: 'hush-1' })
    for (const text of ['1', '2', '3']) telegram.say(text, { userId: USER })
    await expect.poll(() => taken).toEqual(['1', '2', '3'])
    await expect.poll(() => telegram.pendingUpdates()).toBe(0)
    const info = await bot.api.getWebhookInfo()
    expect(info).toMatchObject({ url, pending_update_count: 0 })
    expect(info.last_error_message).toBe('Wrong response from the webhook: 503 Service Unavailable')
  })

  it('carry no more than one request per chat at a time', async () => {
    const running = new Map<number, number>()
    let most = 0
    let together = 0
    const url = await listen(async (req, res) => {
      let body = ''
      for await (const chunk of req) body += chunk
      const chat = (JSON.parse(body) as Update).message!.chat.id
      running.set(chat, (running.get(chat) ?? 0) + 1)
      most = Math.max(most, running.get(chat)!)
      together = Math.max(
        together,
        [...running.values()].reduce((sum, count) => sum + count, 0),
      )
      setTimeout(() => {
        running.set(chat, running.get(chat)! - 1)
        res.end()
      }, 20)
    })
    await client().setWebhook(url)
    for (const userId of [1, 2, 1, 2, 1]) telegram.say('hi', { userId })
    await expect.poll(() => telegram.pendingUpdates()).toBe(0)
    expect({ most, together }).toEqual({ most: 1, together: 2 })
  })

  it('exclude polling, until the webhook is deleted', async () => {
    const api = client()
    const held = refusal(api.getUpdates({ timeout: 20 }))
    await expect.poll(() => asked()).toBe(1)
    await api.setWebhook('http://127.0.0.1:9')
    expect(await held).toBe('409 Conflict: terminated by setWebhook request')
    expect(await refusal(api.getUpdates())).toBe(
      "409 Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
    )
    await api.deleteWebhook({ drop_pending_updates: true })
    expect(await api.getUpdates()).toEqual([])
  })

  it('may be answered with a method call', async () => {
    const url = await listen((_req, res) => {
      res.setHeader('content-type', 'application/json')
      res.end(JSON.stringify({ method: 'sendMessage', chat_id: USER, text: 'at once' }))
    })
    await client().setWebhook(url)
    telegram.say('hi', { userId: USER })
    expect((await telegram.waitFor(USER, ({ fromBot }) => fromBot)).text).toBe('at once')
  })
})

describe('what people send', () => {
  it('a photo with a caption can be downloaded, full size and thumbnail', async () => {
    const data = await picture(640, 480)
    const { message } = telegram.sendPhoto({ data, caption: '/edit make it night' }, { userId: USER })
    const full = message.photo!.at(-1)!
    expect(full).toMatchObject({ width: 640, height: 480, file_size: data.length })
    expect(message.caption_entities).toEqual([{ type: 'bot_command', offset: 0, length: 5 }])
    expect(await download(full.file_id)).toEqual(data)
    expect(await download(message.photo![0]!.file_id)).not.toEqual(data)
  })

  it('a document may be larger than a bot can get', async () => {
    const data = Buffer.from('tiny')
    const large = telegram.sendDocument({ data, fileName: 'a.png', fileSize: 11 * 1024 * 1024 }, { userId: USER })
    expect(large.message.document).toMatchObject({ mime_type: 'image/png', file_size: 11 * 1024 * 1024 })
    expect(await download(large.message.document!.file_id)).toEqual(data)
    const huge = telegram.sendDocument({ data, fileName: 'a.png', fileSize: 5 * 1024 ** 3 }, { userId: USER })
    expect(await refusal(client().getFile(huge.message.document!.file_id))).toBe('400 Bad Request: file is too big')
  })

  it('an album comes as separate updates of one group', async () => {
    const data = await picture(64, 64)
    const { updates } = await poll()
    const sent = telegram.sendAlbum([{ data, caption: 'these' }, { data }, { data }], { userId: USER })
    await expect.poll(() => updates.length).toBe(3)
    expect(new Set(updates.map(({ message }) => message!.media_group_id)).size).toBe(1)
    expect(sent.map(({ message }) => message.caption)).toEqual(['these', undefined, undefined])
  })

  it('commands and mentions are marked', () => {
    const { message } = telegram.say('/flux@fluxbot_test_bot a #cat for @ada 16/9 https://x.io/a.', { userId: USER })
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

  it('a press carries the data and gets the answer, even of a button that is gone', async () => {
    const bot = createBot()
    bot.callbackQuery('v1:again', (context) => context.answerCallbackQuery({ text: 'One moment', show_alert: true }))
    await start(bot)
    telegram.open({ chatId: USER })
    const reply_markup = { inline_keyboard: [[{ text: 'Again', callback_data: 'v1:again' }]] }
    const sent = await bot.api.sendMessage(USER, 'Done', { reply_markup })
    const ref = { chatId: USER, messageId: sent.message_id }
    expect(await telegram.press(ref, 'Again').answered()).toMatchObject({ text: 'One moment', showAlert: true })
    await bot.api.editMessageText(USER, sent.message_id, 'Busy')
    expect(await telegram.press(ref, 'v1:again').answered()).toMatchObject({ text: 'One moment' })
    expect(() => telegram.press(ref, 'Delete')).toThrow('no button "Delete"; there are: "Again" (v1:again)')
  })
})

describe('what the bot sends', () => {
  it('a photo from memory is seen with its caption as people read it', async () => {
    telegram.open({ chatId: USER })
    const data = await picture(300, 200)
    const caption = '<b>a &lt;cute&gt; cat</b> · <a href="https://example.com/1">open</a>'
    await client().sendPhoto(USER, new InputFile(data, 'cat.png'), { caption, parse_mode: 'HTML' })
    const [shown] = telegram.messages(USER)
    expect(shown).toMatchObject({ text: 'a <cute> cat · open', fromBot: true, photo: data })
    expect(shown!.entities).toEqual([
      { type: 'bold', offset: 0, length: 12 },
      { type: 'text_link', offset: 15, length: 4, url: 'https://example.com/1' },
    ])
    const [call] = telegram.requests
    expect(call).toMatchObject({ method: 'sendPhoto', status: 200, params: { chat_id: USER } })
    expect(call!.files).toMatchObject([{ filename: 'cat.png', size: data.length, data }])
  })

  it('a text becomes the picture, and what stood there before is remembered', async () => {
    const api = client()
    telegram.open({ chatId: USER })
    const reply_markup = { inline_keyboard: [[{ text: 'Cancel', callback_data: 'cancel' }]] }
    const waiting = await api.sendMessage(USER, 'Queued…', { reply_markup })
    await api.editMessageText(USER, waiting.message_id, '50 %', { reply_markup })
    const data = await picture(128, 128)
    const media = { type: 'photo' as const, media: new InputFile(data, 'cat.png'), caption: 'a cat' }
    await api.editMessageMedia(USER, waiting.message_id, media)
    const shown = await telegram.waitFor(USER, ({ photo }) => photo !== undefined)
    expect(shown).toMatchObject({ text: 'a cat', photo: data, buttons: [], messageId: waiting.message_id })
    expect(shown.edits.map(({ text }) => text)).toEqual(['Queued…', '50 %'])
    expect(telegram.messages(USER)).toHaveLength(1)
    const again = { type: 'photo' as const, media: shown.raw.photo!.at(-1)!.file_id, caption: 'a cat' }
    expect(await refusal(api.editMessageMedia(USER, waiting.message_id, again))).toMatch(
      /^400 .*message is not modified/,
    )
  })

  it('an album and an original file arrive whole', async () => {
    const api = client()
    telegram.open({ chatId: USER })
    const images = await Promise.all([picture(64, 64), picture(96, 64)])
    await api.sendMediaGroup(
      USER,
      images.map((data) => ({ type: 'photo' as const, media: new InputFile(data, 'x.png') })),
    )
    await api.sendDocument(USER, new InputFile(images[0]!, 'cat.png'))
    const [first, second, document] = telegram.messages(USER)
    expect([first!.photo, second!.photo]).toEqual(images)
    expect(first!.mediaGroupId).toBe(second!.mediaGroupId)
    expect(document!.document).toEqual({ fileName: 'cat.png', mimeType: 'image/png', data: images[0] })
  })

  it('a reply in a topic stays in the topic', async () => {
    const bot = createBot()
    bot.command('flux', (context) =>
      context.reply('Queued', {
        message_thread_id: context.message!.message_thread_id,
        reply_parameters: { message_id: context.message!.message_id },
      }),
    )
    await start(bot)
    const asked = telegram.say('/flux a cat', FORUM)
    expect(asked.message).toMatchObject({ message_thread_id: 77, is_topic_message: true })
    expect(asked.message.reply_to_message).toMatchObject({ message_id: 77, forum_topic_created: { name: 'Topic 77' } })
    const shown = await telegram.waitFor(FORUM.chatId, ({ fromBot }) => fromBot)
    expect(shown).toMatchObject({ threadId: 77, replyTo: asked.messageId, text: 'Queued' })
    const elsewhere = bot.api.sendMessage(FORUM.chatId, 'x', { message_thread_id: 78 })
    expect(await refusal(elsewhere)).toBe('400 Bad Request: message thread not found')
  })

  it('a reply in an ordinary supergroup carries a thread nothing can be sent to', async () => {
    const chat = { chatType: 'supergroup' as const, userId: USER }
    const first = telegram.say('first', chat)
    const { message } = telegram.say('second', { ...chat, replyTo: first.messageId })
    expect(message).toMatchObject({ message_thread_id: first.messageId })
    expect(message.is_topic_message).toBeUndefined()
    const sent = client().sendMessage(message.chat.id, 'x', { message_thread_id: message.message_thread_id })
    expect(await refusal(sent)).toBe('400 Bad Request: message thread not found')
  })

  it('its command lists are kept by scope and language', async () => {
    const api = client()
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
    expect(await refusal(api.setMyCommands([{ command: 'Flux', description: 'Draw' }]))).toBe(
      '400 Bad Request: BOT_COMMAND_INVALID',
    )
  })

  it('parameters may come as query, form, multipart or JSON', async () => {
    telegram.open({ chatId: USER })
    const url = `${telegram.apiUrl}/bot${telegram.token}/sendMessage`
    const markup = JSON.stringify({ inline_keyboard: [[{ text: 'Go', callback_data: 'go' }]] })
    const fields = { chat_id: String(USER), text: 'hello', reply_markup: markup, protect_content: 'true' }
    const form = new FormData()
    for (const [name, value] of Object.entries(fields)) form.set(name, value)
    const json = { ...fields, chat_id: USER, reply_markup: JSON.parse(markup) as unknown, protect_content: true }
    await fetch(`${url}?${new URLSearchParams(fields)}`)
    await fetch(url, { method: 'POST', body: new URLSearchParams(fields) })
    await fetch(url, { method: 'POST', body: form })
    await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(json) })
    expect(telegram.requests.map(({ params }) => params)).toEqual([json, json, json, json])
    const shown = telegram
      .messages(USER)
      .map(({ text, buttons, raw }) => [text, buttons[0]?.length, raw.has_protected_content])
    expect(shown).toEqual(Array(4).fill(['hello', 1, true]))
  })

  it('Stars are asked for, paid, and given back once', async () => {
    const bot = createBot()
    bot.on('pre_checkout_query', (context) => context.answerPreCheckoutQuery(true))
    await start(bot)
    telegram.open({ chatId: USER })
    const prices = [{ label: '100 credits', amount: 50 }]
    const invoice = await bot.api.sendInvoice(USER, 'Credits', '100 credits', 'order-1', 'XTR', prices)
    const paid = await telegram.pay({ chatId: USER, messageId: invoice.message_id })
    expect(paid.message.successful_payment).toMatchObject({
      invoice_payload: 'order-1',
      total_amount: 50,
      telegram_payment_charge_id: paid.chargeId,
    })
    await bot.api.refundStarPayment(USER, paid.chargeId)
    expect(telegram.messages(USER).at(-1)!.raw.refunded_payment).toMatchObject({ invoice_payload: 'order-1' })
    expect(await refusal(bot.api.refundStarPayment(USER, paid.chargeId))).toMatch('CHARGE_ALREADY_REFUNDED')
    expect((await bot.api.getStarTransactions()).transactions).toHaveLength(2)
  })
})

describe('refusals are worded as Telegram words them', () => {
  const button = (callback_data: string) => ({ reply_markup: { inline_keyboard: [[{ text: 'x', callback_data }]] } })
  const link = (url: string) => ({ reply_markup: { inline_keyboard: [[{ text: 'x', url }]] } })
  const html = { parse_mode: 'HTML' as const }
  const cases: [string, (api: Api, messageId: number) => Promise<unknown>][] = [
    ['chat not found', (api) => api.sendMessage(999, 'x')],
    ['message text is empty', (api) => api.sendMessage(USER, '<b> </b>', html)],
    ['message is too long', (api) => api.sendMessage(USER, 'x'.repeat(4097))],
    ['message caption is too long', (api) => photo(api, 64, 64, 'x'.repeat(1025))],
    [
      'message to be replied not found',
      (api) => api.sendMessage(USER, 'x', { reply_parameters: { message_id: 9999 } }),
    ],
    ['message to edit not found', (api) => api.editMessageText(USER, 9999, 'x')],
    ['message to delete not found', (api) => api.deleteMessage(USER, 9999)],
    [
      'message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message',
      (api, messageId) => api.editMessageText(USER, messageId, 'here'),
    ],
    ['there is no caption in the message to edit', (api, messageId) => api.editMessageCaption(USER, messageId)],
    ['BUTTON_DATA_INVALID', (api) => api.sendMessage(USER, 'x', button('é'.repeat(33)))],
    [
      "inline keyboard button URL 'http://localhost:8080/panel' is invalid: Wrong HTTP URL",
      (api) => api.sendMessage(USER, 'x', link('http://localhost:8080/panel')),
    ],
    ['PHOTO_INVALID_DIMENSIONS', (api) => photo(api, 2100, 100)],
    ['IMAGE_PROCESS_FAILED', (api) => api.sendPhoto(USER, new InputFile(Buffer.from('<html>'), 'x.png'))],
    [
      'file of size 10485761 bytes is too big for a photo; the maximum size is 10485760 bytes',
      (api) => api.sendPhoto(USER, new InputFile(Buffer.alloc(10 * 1024 * 1024 + 1), 'x.png')),
    ],
    [
      'query is too old and response timeout expired or query ID is invalid',
      (api) => api.answerCallbackQuery('12345678901234'),
    ],
    [`can't parse entities: Unsupported start tag "x" at byte offset 3`, (api) => api.sendMessage(USER, 'é <x>', html)],
    [
      `can't parse entities: Can't find end tag corresponding to start tag "b"`,
      (api) => api.sendMessage(USER, '<b>x', html),
    ],
    [
      `can't parse entities: Unmatched end tag at byte offset 7, expected "</i>", found "</b>"`,
      (api) => api.sendMessage(USER, '<b><i>x</b></i>', html),
    ],
    ['wrong file_id or the file is temporarily unavailable', (api) => api.getFile('nonsense')],
  ]

  it.each(cases)('%s', async (description, call) => {
    telegram.open({ chatId: USER })
    const { message_id } = await client().sendMessage(USER, 'here')
    expect(await refusal(call(client(), message_id))).toBe(`400 Bad Request: ${description}`)
    expect(telegram.requests.at(-1)).toMatchObject({ status: 400, description: `Bad Request: ${description}` })
  })

  it('an expired button press cannot be answered', async () => {
    const api = client()
    telegram.open({ chatId: USER })
    const { message_id } = await api.sendMessage(USER, 'x', button('go'))
    const { queryId } = telegram.press({ chatId: USER, messageId: message_id }, 'go', { expired: true })
    expect(await refusal(api.answerCallbackQuery(queryId))).toMatch('query is too old')
  })

  it('a reply to nothing can be allowed', async () => {
    telegram.open({ chatId: USER })
    const reply_parameters = { message_id: 9999, allow_sending_without_reply: true }
    await client().sendMessage(USER, 'x', { reply_parameters })
    expect(telegram.messages(USER)[0]!.replyTo).toBeUndefined()
  })

  it('a wrong token, an unknown method and a forgotten path', async () => {
    const stranger = new Api('1:nobody', { apiRoot: telegram.apiUrl })
    expect(await refusal(stranger.getMe())).toBe('401 Unauthorized')
    const get = (path: string) => fetch(`${telegram.apiUrl}${path}`).then((response) => response.json())
    const notFound = { ok: false, error_code: 404, description: 'Not Found' }
    expect(await get(`/file/bot${telegram.token}/photos/file_9.jpg`)).toEqual(notFound)
    expect(await get('/')).toEqual(notFound)
  })

  it('a user who blocked the bot, and one who came back', async () => {
    const { bot, updates } = await poll()
    telegram.say('hi', { userId: USER })
    telegram.block(USER)
    expect(await refusal(bot.api.sendMessage(USER, 'x'))).toBe('403 Forbidden: bot was blocked by the user')
    await expect.poll(() => updates.at(-1)?.my_chat_member?.new_chat_member.status).toBe('kicked')
    telegram.unblock(USER)
    await bot.api.sendMessage(USER, 'x')
  })

  it('a group that became a supergroup says where it went', async () => {
    const { chatId } = telegram.say('hi', { chatType: 'group', userId: USER })
    const newId = telegram.migrate(chatId)
    const error = await client()
      .sendMessage(chatId, 'x')
      .catch((thrown: GrammyError) => thrown)
    expect(error).toMatchObject({ error_code: 400, parameters: { migrate_to_chat_id: newId } })
    await client().sendMessage(newId, 'x')
    expect(telegram.messages(newId).at(-1)).toMatchObject({ text: 'x', fromBot: true })
  })
})

describe('faults', () => {
  it('429 says when to come back, and auto-retry does', async () => {
    telegram.open({ chatId: USER })
    telegram.faults.add({ kind: '429', match: { path: /^sendMessage$/ }, times: 1, retryAfterSeconds: 1 })
    telegram.faults.add({ kind: '429', match: { path: /^sendChatAction$/ }, times: 1, retryAfterSeconds: 60 })
    const api = client()
    api.config.use(autoRetry({ maxRetryAttempts: 2, maxDelaySeconds: 5 }))
    const started = Date.now()
    await api.sendMessage(USER, 'patience')
    expect(Date.now() - started).toBeGreaterThanOrEqual(990)
    expect(telegram.requests.map(({ status, fault }) => [status, fault])).toEqual([
      [429, '429'],
      [200, undefined],
    ])
    const error = await api.sendChatAction(USER, 'typing').catch((thrown: GrammyError) => thrown)
    expect(error).toMatchObject({
      error_code: 429,
      description: 'Too Many Requests: retry after 60',
      parameters: { retry_after: 60 },
    })
  })

  it('a lost answer still leaves the message there', async () => {
    telegram.open({ chatId: USER })
    telegram.faults.add({ kind: 'dropAfter', match: { path: /^sendMessage$/ }, times: 1 })
    await expect(client().sendMessage(USER, 'sent')).rejects.toBeInstanceOf(HttpError)
    expect(telegram.messages(USER).map(({ text }) => text)).toEqual(['sent'])
    expect(telegram.requests).toMatchObject([{ method: 'sendMessage', status: 0, fault: 'dropAfter' }])
  })

  it('a server error and a proxy page leave nothing', async () => {
    telegram.open({ chatId: USER })
    telegram.faults.add({ kind: '500', times: 1 })
    telegram.faults.add({ kind: '502html', times: 1 })
    expect(await refusal(client().sendMessage(USER, 'x'))).toBe('500 Internal Server Error')
    await expect(client().sendMessage(USER, 'x')).rejects.toBeInstanceOf(HttpError)
    expect(telegram.messages(USER)).toEqual([])
  })
})

describe.skipIf(!existsSync(specPath))('the API description', () => {
  it('catches what the bot sends wrong', async () => {
    const own = await startTelegram()
    stops.push(() => own.stop())
    own.open({ chatId: USER })
    const call = (method: string, params: object) =>
      fetch(`${own.apiUrl}/bot${own.token}/${method}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(params),
      })
    await call('sendMessage', { chat_id: USER, text: 'x', thread: 5, reply_parameters: { message_id: 'one' } })
    await call('sendMessage', { chat_id: USER, text: 7 })
    await call('sendMessage', { text: 'x' })
    await call('sendPhoto', { chat_id: USER, photo: 'x', reply_markup: { inline_keyboard: [{ text: 'x' }] } })
    await call('setMyCommands', { commands: [], scope: { type: 'chat' } })
    await call('sendGift', {})
    expect(own.violations).toEqual([
      'sendMessage: thread is unknown',
      'sendMessage.reply_parameters.message_id: "one" is not Integer',
      'sendMessage.text: 7 is not String',
      'sendMessage: chat_id is missing',
      'sendPhoto.reply_markup.inline_keyboard[0]: {"text":"x"} is not Array of InlineKeyboardButton',
      'setMyCommands.scope: chat_id is missing',
      'sendGift: Telegram has this method, the emulator does not',
    ])
  })
})

function client(): Api {
  return new Api(telegram.token, { apiRoot: telegram.apiUrl })
}

function createBot(): Bot {
  return new Bot(telegram.token, { client: { apiRoot: telegram.apiUrl } })
}

/** Resolves once the bot polls; it is stopped after the test. */
async function start(bot: Bot, options: PollingOptions = {}) {
  await new Promise<void>((running, failed) => {
    bot.start({ timeout: 20, ...options, onStart: () => running() }).catch(failed)
  })
  stops.push(() => bot.stop())
}

async function poll() {
  const bot = createBot()
  const updates: Update[] = []
  bot.use((context) => void updates.push(context.update))
  await start(bot)
  return { bot, updates }
}

function asked(): number {
  return telegram.requests.filter(({ method }) => method === 'getUpdates').length
}

async function refusal(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => 'not refused',
    (thrown: unknown) => thrown,
  )
  return error instanceof GrammyError ? `${error.error_code} ${error.description}` : String(error)
}

function picture(width: number, height: number): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: '#48c' } })
    .png()
    .toBuffer()
}

async function photo(api: Api, width: number, height: number, caption?: string) {
  return api.sendPhoto(USER, new InputFile(await picture(width, height), 'x.png'), { caption })
}

async function download(fileId: string): Promise<Buffer> {
  const { file_path } = await client().getFile(fileId)
  const response = await fetch(`${telegram.apiUrl}/file/bot${telegram.token}/${file_path}`)
  return Buffer.from(await response.arrayBuffer())
}

async function listen(handle: RequestListener): Promise<string> {
  const server = createServer(handle)
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  stops.push(async () => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/telegram`
}
