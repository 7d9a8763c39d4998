/** Chats on Telegram that take no answer any more: each request ends, in another chat or with a refund. */
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { AppError } from '../../src/core/errors.ts'
import type { From } from '../emulators/telegram/index.ts'
import { createPlain, pngOf } from '../helpers/core.ts'
import { createGate } from '../helpers/gate.ts'
import { violations } from '../helpers/invariants.ts'
import { openTestTelegram, type TestTelegram } from '../helpers/telegram.ts'

const ADA: From = { userId: 501 }
const GROUP: From = { chatId: -4000001, chatType: 'group', userId: 501 }
const FORUM = { chatId: -1001234567890, threadId: 77, userId: 501 }

/** What Telegram says of a group that the bot was removed from, may not write to, or that is gone. */
const ofGroups = [
  'Forbidden: bot was kicked from the group chat',
  'Forbidden: bot was kicked from the supergroup chat',
  'Forbidden: bot is not a member of the supergroup chat',
  'Forbidden: the group chat was deleted',
  'Bad Request: chat not found',
  'Bad Request: have no rights to send a message',
  'Bad Request: not enough rights to send photos to the chat',
  'Bad Request: CHAT_WRITE_FORBIDDEN',
  'Bad Request: TOPIC_CLOSED',
  'Bad Request: TOPIC_DELETED',
  'Bad Request: message thread not found',
]
const ofPeople = [
  'Forbidden: bot was blocked by the user',
  'Forbidden: user is deactivated',
  "Forbidden: bot can't initiate conversation with a user",
  'Bad Request: chat not found',
]

describe('a chat that refuses answers', () => {
  let test: TestTelegram
  let drawing: ReturnType<typeof createGate>
  afterEach(async () => {
    await test.atRest()
    const wrong = await violations(test.core.database)
    await test.close()
    expect(test.telegram.violations).toEqual([])
    expect(wrong).toEqual([])
  })

  async function open({ fails = false } = {}) {
    drawing = createGate()
    const plain = createPlain({
      start: async ({ input }) => {
        await drawing.pass(undefined)
        if (fails) throw new AppError('moderated')
        const image = await pngOf(64, 64)
        return { state: 'done', images: JSON.stringify(input).includes('two') ? [image, image] : [image] }
      },
    })
    test = await openTestTelegram({ providers: [plain], limits: { welcome: 5 } })
    // the person has started the bot
    test.telegram.open(ADA)
  }

  /** Asks, and waits until it is being drawn. */
  async function ask(from: From) {
    const sent = test.telegram.say('/flux a cat', from)
    await test.telegram.waitFor(sent.chatId, ({ fromBot }) => fromBot)
    await expect.poll(test.states).toEqual(['running'])
    return sent
  }
  const balance = () => test.core.database.rows(sql`select balance from users`)

  it.each(ofGroups)('is replaced by the private chat of the person: %s', async (description) => {
    await open()
    const { chatId } = await ask(FORUM)
    test.telegram.refuse(chatId, description)
    drawing.open()
    const shown = await test.telegram.waitFor(501, ({ photo }) => photo !== undefined)
    expect(shown.text).toContain('a cat')
    await test.atRest()
    expect(await test.states()).toEqual(['delivered'])
    expect(await balance()).toEqual([{ balance: 4 }])
    expect(test.telegram.botMessages(501)).toHaveLength(1)
  })

  it.each(ofPeople)('gives the credits back if no other is left: %s', async (description) => {
    await open()
    const { chatId } = await ask(ADA)
    test.telegram.refuse(chatId, description)
    drawing.open()
    await test.atRest()
    expect(await test.states()).toEqual(['failed'])
    expect(await balance()).toEqual([{ balance: 5 }])
  })

  it('gives the credits back if the person has blocked the bot as well', async () => {
    await open()
    const { chatId } = await ask(GROUP)
    test.telegram.block(chatId)
    test.telegram.block(501)
    drawing.open()
    await test.atRest()
    expect(await test.states()).toEqual(['failed'])
    expect(await balance()).toEqual([{ balance: 5 }])
  })

  it('says in private why a request has failed', async () => {
    await open({ fails: true })
    const { chatId } = await ask(GROUP)
    test.telegram.refuse(chatId, 'Forbidden: bot was kicked from the group chat')
    drawing.open()
    await test.telegram.waitFor(501, ({ text }) => text.includes('1 credit given back'))
    await test.atRest()
    expect(await test.states()).toEqual(['failed'])
  })

  it('gets the result later if it asks for a pause', async () => {
    await open()
    const { chatId } = await ask(FORUM)
    test.telegram.faults.add({ kind: '429', match: { path: /^editMessageMedia$/ }, times: 1, retryAfterSeconds: 4 })
    drawing.open()
    await test.telegram.waitFor(chatId, ({ photo }) => photo !== undefined)
    await test.atRest()
    expect(await test.states()).toEqual(['delivered'])
  })

  it('gets each answer in its turn while it is in slow mode, and albums go to the people, or are refunded', async () => {
    await open()
    const { telegram, core } = test
    const group = { chatId: -1001234567890 }
    telegram.slowDown(telegram.open(group), 3)
    const [ada, eve] = [
      { ...group, userId: 501 },
      { ...group, userId: 502 },
    ]
    telegram.say('/flux a cat', ada)
    telegram.say('/flux a dog', eve)
    await expect.poll(test.states).toEqual(['running', 'running'])
    drawing.open()
    await telegram.waitFor(group.chatId, ({ photo, text }) => photo !== undefined && text.includes('a cat'))
    await telegram.waitFor(group.chatId, ({ photo, text }) => photo !== undefined && text.includes('a dog'))
    const turns = telegram.requests.filter(({ method, status }) => method === 'sendMessage' && status === 429)
    expect(turns[0]?.description).toMatch(/^Too Many Requests: retry after [123]$/)
    // Telegram takes no album in slow mode
    telegram.say('/flux two cats --n 2', ada)
    await telegram.waitFor(501, ({ text }) => text.includes('two cats'))
    await test.atRest()
    telegram.say('/flux two dogs --n 2', eve)
    await expect.poll(test.states).toEqual(['delivered', 'delivered', 'delivered', 'failed'])
    expect(telegram.botMessages(501).filter(({ photo }) => photo)).toHaveLength(2)
    const balances = sql`select balance from users join identities on user_id = users.id order by identities.id`
    expect(await core.database.rows(balances)).toEqual([{ balance: 2 }, { balance: 4 }])
  })
})

describe('a forum topic', () => {
  it('is opened and closed without an answer, and a result that it takes no more goes to the person', async () => {
    const drawing = createGate()
    const plain = createPlain({
      start: async () => ({ state: 'done', images: [await drawing.pass(await pngOf(64, 64)), await pngOf(64, 64)] }),
    })
    const test = await openTestTelegram({ providers: [plain], limits: { welcome: 5 } })
    const { telegram } = test
    telegram.open(ADA)
    telegram.openTopic(FORUM)
    telegram.closeTopic(FORUM)
    telegram.reopenTopic(FORUM)
    await expect.poll(() => telegram.pendingUpdates()).toBe(0)
    const { messageId } = telegram.say('/flux two cats --n 2', FORUM)
    const waiting = await telegram.waitFor(FORUM.chatId, ({ fromBot }) => fromBot)
    expect(waiting).toMatchObject({ threadId: 77, replyTo: messageId })
    telegram.closeTopic(FORUM)
    drawing.open()
    await telegram.waitFor(501, ({ text }) => text.includes('two cats'))
    await test.atRest()
    await test.quiet()
    expect(await test.states()).toEqual(['delivered'])
    expect(telegram.botMessages(501).filter(({ photo }) => photo)).toHaveLength(2)
    expect(telegram.requests.filter(({ description }) => description)).toMatchObject([
      { method: 'sendMediaGroup', description: 'Bad Request: TOPIC_CLOSED' },
    ])
    // of five updates, the four about the topic leave nothing in the inbox
    expect(await test.core.database.rows(sql`select key from inbox`)).toHaveLength(1)
    expect(telegram.botMessages(FORUM.chatId).length).toBeLessThanOrEqual(1)
    expect(await violations(test.core.database)).toEqual([])
    await test.close()
    expect(telegram.violations).toEqual([])
  })
})

describe('a group that became a supergroup', () => {
  it('keeps its settings, its results and its requests under way', async () => {
    const drawing = createGate()
    const plain = createPlain({
      start: async () => {
        await drawing.pass(undefined)
        return { state: 'done', images: [await pngOf(64, 64)] }
      },
    })
    const test = await openTestTelegram({ providers: [plain], limits: { welcome: 5 } })
    const { telegram, core } = test
    telegram.open(GROUP)
    telegram.promote(-4000001, 501)
    telegram.say('/settings ratio 16:9 here', GROUP)
    const setting = sql`select chat, aspect from chat_settings`
    await expect.poll(() => core.database.rows(setting)).toEqual([{ chat: 'telegram:-4000001', aspect: '16:9' }])
    telegram.say('/flux a cat', GROUP)
    await expect.poll(test.states).toEqual(['running'])
    const newId = telegram.migrate(-4000001)
    await expect.poll(() => core.database.rows(setting)).toEqual([{ chat: `telegram:${newId}`, aspect: '16:9' }])
    drawing.open()
    const shown = await telegram.waitFor(newId, ({ photo }) => photo !== undefined)
    await test.atRest()
    expect(telegram.botMessages(newId)).toHaveLength(1)
    // others of the group may press its buttons
    const pressed = telegram.press(shown, '⭐', { userId: 502 })
    expect((await pressed.answered()).text).toContain('favourites')
    expect(await violations(core.database)).toEqual([])
    await test.close()
    expect(telegram.violations).toEqual([])
  })
})
