/** Forms on Telegram: questions that a reply answers. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { allCommands } from '../../src/bots/commands/index.ts'
import { questionOf } from '../../src/bots/telegram/outgoing/question.ts'
import { createTelegram, type Telegram } from '../../src/bots/telegram/telegram.ts'
import type { Call } from '../../src/core/ports/chat.ts'
import type { Form } from '../../src/core/ports/forms.ts'
import { type From, startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts'
import { openTestDatabase, quickest, type TestDatabase } from '../helpers/backends.ts'
import { says } from '../helpers/chat.ts'
import { pngOf } from '../helpers/core.ts'
import { keepLog } from '../helpers/log.ts'

const form: Form = {
  id: '1:edit:one',
  title: 'Edit',
  fields: [
    { name: 'prompt', kind: 'text', label: 'Prompt', hint: 'What to draw', value: 'a cat' },
    {
      name: 'aspect',
      kind: 'choice',
      label: 'Ratio',
      choices: ['1:1', '16:9'].map((value) => ({ value, label: value })),
    },
  ],
}
const group: From = { chatType: 'supergroup' }

describe('a question', () => {
  let telegram: TelegramEmulator
  let test: TestDatabase
  let bot: Telegram
  let calls: Call[]

  beforeEach(async () => {
    telegram = await startTelegram()
    test = await openTestDatabase(quickest)
    bot = createTelegram({
      token: telegram.token,
      apiUrl: telegram.apiUrl,
      database: test.database,
      commands: allCommands,
      log: keepLog(),
      webhookSecret: 'secret',
      publicUrl: 'http://127.0.0.1:9',
    })
    calls = []
    await bot.start(async (call) => {
      calls.push(call)
      const isPress = call.act.kind === 'press'
      await bot.post(call.address, isPress ? says('Edit', 'info', { form }) : says(`seen ${calls.length}`, 'info'))
    })
  })
  afterEach(async () => {
    await bot.stop()
    await test.drop()
    await telegram.stop()
    expect(telegram.violations).toEqual([])
  })

  const deliver = (update: unknown) => bot.handleUpdate(update, 'secret')

  /** Posts a result, presses its button, and resolves with the question. */
  async function asked(from: From = {}) {
    const sent = telegram.say('/flux a cat', from)
    await deliver(sent.update)
    const shown = await telegram.waitFor(sent.chatId, ({ fromBot }) => fromBot)
    const thread = from.threadId ?? ''
    const posted = `telegram:${sent.chatId}:${shown.messageId}:text:${thread}:` as const
    await bot.edit(posted, says('a cat', 'done', { buttons: [[{ id: form.id, action: 'edit' }]] }))
    const press = telegram.press(shown, form.id, from)
    await deliver(press.update)
    await press.answered(10_000)
    calls = []
    return telegram.waitFor(sent.chatId, ({ opensReplyOf }) => opensReplyOf !== undefined)
  }
  const nextCall = async () => {
    await expect.poll(() => calls.length).toBe(1)
    return calls[0]!
  }

  it('opens the reply box in a private chat, with the values to copy', async () => {
    const question = await asked()
    expect(question.opensReplyOf).toBe('everyone')
    const copied = question.entities.map(({ type, offset, length }) => [
      type,
      question.text.slice(offset, offset + length),
    ])
    expect(copied).toEqual([
      ['pre', 'a cat'],
      ['code', 'Ratio: 1:1'],
    ])
    const call = telegram.requests.find(({ params }) => JSON.stringify(params).includes('force_reply'))
    expect(call?.params).toMatchObject({ reply_markup: { input_field_placeholder: 'What to draw' } })
  })

  it('opens it for the presser only in a group, and stays in the topic', async () => {
    const question = await asked({ ...group, userId: 7, threadId: 77 })
    expect(question).toMatchObject({ opensReplyOf: [7], threadId: 77 })
  })

  it('is answered by a reply', async () => {
    const { messageId: replyTo, replyTo: pressed } = await asked()
    const sent = telegram.say('a dog\nRatio: 16:9', { replyTo })
    await deliver(sent.update)
    expect(await nextCall()).toMatchObject({
      key: `telegram:${sent.chatId}:${sent.messageId}`,
      act: { kind: 'form', form: form.id, fields: {}, text: 'a dog\nRatio: 16:9', on: `${sent.chatId}:${pressed}` },
    })
  })

  it.each([
    ['a message that is no reply', async () => telegram.say('a dog'), { kind: 'message', text: 'a dog' }],
    [
      'a command in a reply',
      async (replyTo: number) => telegram.say('/help', { replyTo }),
      { kind: 'command', name: 'help' },
    ],
  ])('is not answered by %s', async (_title, send, act) => {
    const { messageId } = await asked()
    await deliver((await send(messageId)).update)
    expect((await nextCall()).act).toMatchObject(act)
  })

  it.each(['a dog', ''])('is answered by a picture with the caption "%s"', async (caption) => {
    const { messageId: replyTo } = await asked()
    const data = await pngOf(9, 9)
    await deliver(telegram.sendPhoto({ data, ...(caption && { caption }) }, { replyTo }).update)
    const { act, images } = await nextCall()
    expect(act).toMatchObject({ kind: 'form', form: form.id, text: caption })
    expect(images).toHaveLength(1)
    expect((await images[0]!.load(1_000_000)).length).toBeGreaterThan(0)
  })

  it('says that pictures may be added', async () => {
    const pictures = { name: 'pictures', kind: 'files', label: 'More pictures' } as const
    const { text } = questionOf({ ...form, fields: [...form.fields, pictures] }, { locale: 'en', limit: 4096 })
    expect(text).toMatch(/\n\n📎 More pictures: send them with your answer\.$/)
  })

  it('is explained to another person who replies', async () => {
    const { chatId, messageId: replyTo } = await asked({ ...group, userId: 7 })
    const sent = telegram.say('a dog', { ...group, chatId, userId: 8, replyTo })
    await deliver(sent.update)
    const answer = await telegram.waitFor(chatId, (message) => message.replyTo === sent.messageId && message.fromBot)
    expect(answer.text).toContain('Only the person who pressed the button can answer this')
    expect(calls).toEqual([])
  })

  it('is over when the process did not learn its message, so that an answer is never a paid request', async () => {
    const sent = telegram.say('/flux a cat')
    await deliver(sent.update)
    const shown = await telegram.waitFor(sent.chatId, ({ fromBot }) => fromBot)
    await bot.edit(`telegram:${sent.chatId}:${shown.messageId}:text::`, {
      ...says('a cat', 'done'),
      buttons: [[{ id: form.id, action: 'edit' }]],
    })
    telegram.faults.add({ kind: 'dropAfter', match: { path: /sendMessage/ }, times: 1 })
    await deliver(telegram.press(shown, form.id).update)
    const question = await telegram.waitFor(sent.chatId, ({ opensReplyOf }) => opensReplyOf !== undefined)
    await telegram.waitForCall('answerCallbackQuery')
    calls = []
    const reply = telegram.say('a dog', { replyTo: question.messageId })
    await deliver(reply.update)
    const answer = await telegram.waitFor(sent.chatId, ({ replyTo }) => replyTo === reply.messageId)
    expect(answer.text).toContain('Press the button again')
    // replies to other texts are requests as before
    await deliver(telegram.say('a dog', { replyTo: sent.messageId }).update)
    expect((await nextCall()).act).toEqual({ kind: 'message', text: 'a dog' })
  })

  it('is not asked where the bot may not write, and the press says so', async () => {
    const sent = telegram.say('/flux a cat', { ...group, userId: 7 })
    await deliver(sent.update)
    const shown = await telegram.waitFor(sent.chatId, ({ fromBot }) => fromBot)
    await bot.edit(`telegram:${sent.chatId}:${shown.messageId}:text::`, {
      ...says('a cat', 'done'),
      buttons: [[{ id: form.id, action: 'edit' }]],
    })
    telegram.block(sent.chatId)
    const press = telegram.press(shown, form.id, { userId: 7 })
    await deliver(press.update)
    expect(await press.answered(10_000)).toMatchObject({ text: 'The chat could not be reached.', showAlert: true })
  })
})

describe('the text of a question', () => {
  const limit = 4096

  it('fits into a message, and its parts to copy are where they should be', () => {
    const names = fc.array(fc.string({ minLength: 1, maxLength: 60 }), { maxLength: 100 })
    const value = fc.string({ maxLength: 4000, unit: 'grapheme' })
    fc.assert(
      fc.property(value, names, fc.constantFrom('en', 'zh'), (text, values, locale) => {
        const choices = values.map((each) => ({ value: each, label: each }))
        const [first, second] = form.fields
        const long: Form = {
          ...form,
          fields: [
            { ...first!, value: text },
            { ...second!, choices },
          ],
        }
        const question = questionOf(long, { locale, limit, mention: 7 })
        expect(question.text.length).toBeLessThanOrEqual(limit)
        for (const { offset, length } of question.entities) {
          expect(length).toBeGreaterThan(0)
          expect(offset + length).toBeLessThanOrEqual(question.text.length)
        }
      }),
    )
  })

  it('is in the language of the person', () => {
    expect(questionOf(form, { locale: 'zh', limit }).text).toBe(
      'Edit\n请回复这条消息，写下新的文字。点按当前文字即可复制：\n\na cat\n\n要修改其他内容，请另起一行，例如：\nRatio：1:1 （1:1、16:9）',
    )
  })
})
