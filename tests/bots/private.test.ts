/** Private requests and personal settings on Discord, Telegram and the page: who sees what, and where it goes. */
import { sql } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import { request } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { allActions } from '../../src/bots/actions/index.ts'
import { allCommands } from '../../src/bots/commands/index.ts'
import { createDiscord } from '../../src/bots/discord/discord.ts'
import { createDispatch } from '../../src/bots/dispatch.ts'
import { createTelegram } from '../../src/bots/telegram/telegram.ts'
import { signInToken } from '../../src/bots/web/access.ts'
import { createWeb } from '../../src/bots/web/web.ts'
import type { Parts } from '../../src/compose.ts'
import { accountOf } from '../../src/core/accounts/accounts.ts'
import type { ChatSurface } from '../../src/core/ports/chat.ts'
import type { Enhancer } from '../../src/core/ports/providers.ts'
import { createApp } from '../../src/http/server/app.ts'
import { type DiscordEmulator, type OptionValue, startDiscord } from '../emulators/discord/index.ts'
import { startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts'
import { quickest } from '../helpers/backends.ts'
import { openTestCore, type TestCore } from '../helpers/core.ts'
import { violations } from '../helpers/invariants.ts'
import { keepLog } from '../helpers/log.ts'
import { freePort } from '../helpers/ports.ts'

const poet: Enhancer = {
  model: 'poet',
  enhance: async (prompt) => `a splendid ${prompt}`,
  close: async () => undefined,
}
const soon = { timeout: 60_000 }

let test: TestCore
let surface: ChatSurface

async function openWith(create: (parts: Parts) => ChatSurface): Promise<void> {
  let parts = {} as Parts
  const opened = await openTestCore(quickest, {
    enhancer: poet,
    surfaces: (given) => {
      parts = given
      return []
    },
  })
  surface = create(parts)
  test = { ...opened, core: Object.assign(opened.core, { surfaces: new Map([[surface.name, surface]]) }) }
  await test.work()
  await surface.start(createDispatch(test.core, { commands: allCommands, actions: allActions }))
}

async function close(): Promise<void> {
  const underWay = sql`select id from generations where ended_at is null`
  await expect.poll(() => test.core.database.rows(underWay), soon).toEqual([])
  await surface.stop()
  const wrong = await violations(test.core.database)
  await test.close()
  expect(wrong).toEqual([])
}

const accepted = () =>
  test.core.database.rows<{ private: boolean; channel: string | null; state: string }>(
    sql`select private, channel, state from generations order by id`,
  )

describe('on Discord', () => {
  let discord: DiscordEmulator
  const log = keepLog()
  beforeEach(async () => {
    discord = await startDiscord()
    const facts = new Map<string, string>()
    await openWith(({ database, models }) =>
      createDiscord({
        token: discord.token,
        apiUrl: discord.apiUrl,
        database,
        commands: allCommands,
        actions: allActions,
        models,
        facts: { get: async (name) => facts.get(name), set: async (name, value) => void facts.set(name, value) },
        log,
      }),
    )
    await discord.waitForBot()
  })
  afterEach(async () => {
    await close()
    await discord.stop()
    expect(discord.violations).toEqual([])
  })

  const draw = async (options: Record<string, OptionValue>) => {
    const asked = discord.slash('flux', options)
    await asked.waitForAck()
    const ephemeral = asked.reply()?.ephemeral
    const shown = await asked.waitForReply(({ attachments }) => attachments.length > 0)
    return { ephemeral, shown }
  }
  const set = async (options: Record<string, OptionValue>) => {
    const shown = await discord.slash('settings', options).waitForReply()
    expect(shown.ephemeral).toBe(true)
    return shown.content
  }

  it('acknowledges privately when the option says so, and shows the picture to the person only', async () => {
    const { ephemeral, shown } = await draw({ prompt: 'a cat', private: true })
    expect(ephemeral).toBe(true)
    expect(shown.visibleTo).toBe(discord.person.id)
    expect(await accepted()).toMatchObject([{ private: true, channel: null }])
  })

  it('acknowledges privately when the settings say so, unless the option says otherwise', async () => {
    await set({ private: 'on' })
    expect((await draw({ prompt: 'a cat' })).ephemeral).toBe(true)
    expect((await draw({ prompt: 'a cat', private: false })).ephemeral).toBe(false)
    expect(await accepted()).toMatchObject([{ private: true }, { private: false, channel: discord.channelId }])
  })

  it('acknowledges privately when the settings cannot be read', async () => {
    const { database } = test.core
    await database.rows(sql`alter table user_settings rename to out_of_reach`)
    const asked = discord.slash('flux', { prompt: 'a cat' })
    await asked.waitForAck()
    expect(asked.reply()?.ephemeral).toBe(true)
    expect((await asked.waitForReply()).content).toContain('Something went wrong on our side')
    await database.rows(sql`alter table out_of_reach rename to user_settings`)
  })

  it('turns a public acknowledgement into a private answer for a flag in the prompt', async () => {
    const asked = discord.slash('flux', { prompt: 'a cat --private' })
    const shown = await asked.waitForFollowUp(({ attachments }) => attachments.length > 0)
    expect([shown.ephemeral, asked.reply()]).toEqual([true, undefined])
  })

  it('answers a private message of a channel in a direct message, and says so there', async () => {
    await set({ private: 'on' })
    const message = discord.sendMessage(`<@${discord.botUser.id}> a cat`)
    const dm = discord.dmChannel(discord.person.id)
    const inDm = ({ channelId, attachments }: { channelId: string; attachments: unknown[] }) =>
      channelId === dm && attachments.length > 0
    await discord.waitForMessage(inDm)
    const notice = await discord.waitForMessage(({ replyTo }) => replyTo === message.id)
    expect(notice.content).toContain('The answer goes to you in a private message')
    expect(notice.attachments).toEqual([])
    // another one at once does not take its place
    discord.sendMessage(`<@${discord.botUser.id}> a dog`)
    const pictures = () => discord.botMessages(dm).filter(({ attachments }) => attachments.length > 0)
    await expect.poll(() => pictures().length).toBe(2)
    expect(pictures().map(({ content }) => /a (cat|dog)/.exec(content)?.[1])).toEqual(['cat', 'dog'])
  })

  it('sets the language, and every typed option reaches the request', async () => {
    expect(await set({ language: 'zh', ratio: '16:9' })).toContain('比例：16:9 · 你的设置')
    const { shown } = await draw({ prompt: 'a cat', count: 2, seed: '9007199254740991', enhance: 'off' })
    expect(shown.content).toContain('种子')
    const [row] = await test.core.database.rows<{ request: object }>(sql`select request from generations`)
    expect(row?.request).toMatchObject({ count: 2, seed: '9007199254740991', aspect: '16:9' })
  })

  it('shows an enhanced prompt in the same message that becomes the picture', async () => {
    const asked = discord.slash('flux', { prompt: 'a cat', enhance: 'ask' })
    const shown = await asked.waitForReply(({ buttons }) => buttons.length > 0)
    expect(shown.content).toContain('a splendid a cat')
    discord.press(shown, shown.buttons[0]![0]!.label!)
    const drawn = await discord.waitForMessage(({ attachments }) => attachments.length > 0)
    expect(drawn.id).toBe(shown.id)
  })

  it('draws an enhanced prompt in its message long after it was asked for', async () => {
    const asked = discord.slash('flux', { prompt: 'a cat', enhance: 'ask' })
    const shown = await asked.waitForReply(({ buttons }) => buttons.length > 0)
    discord.expireToken(asked)
    discord.press(shown, shown.buttons[0]![0]!.label!)
    const drawn = await discord.waitForMessage(({ attachments }) => attachments.length > 0)
    expect([drawn.id, drawn.channelId]).toEqual([shown.id, discord.channelId])
    expect(discord.botMessages()).toHaveLength(1)
  })

  it('shows a draft that is drawn for long in its message, as the bot, after the press has expired', async () => {
    const asked = discord.slash('flux', { prompt: 'a cat', enhance: 'ask' })
    const shown = await asked.waitForReply(({ buttons }) => buttons.length > 0)
    const { edit } = surface
    let press: ReturnType<typeof discord.press> | undefined
    Object.assign(surface, {
      edit: (...[posted, reply, sent]: Parameters<typeof edit>) => {
        if (reply.state === 'done') discord.expireToken(press!)
        return edit(posted, reply, sent)
      },
    })
    press = discord.press(shown, shown.buttons[0]![0]!.label!)
    const drawn = await discord.waitForMessage(({ attachments }) => attachments.length > 0)
    expect([drawn.id, drawn.channelId]).toEqual([shown.id, discord.channelId])
    // its buttons work and its message is known
    const sent = () => test.core.database.rows(sql`select message from sent_messages`)
    await expect.poll(sent, soon).toEqual([{ message: shown.id }])
    expect(discord.botMessages()).toHaveLength(1)
  })

  it('answers a form about a prompt whose message can no longer be changed, and posts that one no second time', async () => {
    const asked = discord.slash('flux', { prompt: 'a cat', enhance: 'ask' })
    const shown = await asked.waitForReply(({ buttons }) => buttons.length > 0)
    const opened = discord.press(shown, shown.buttons[0]![2]!.label!)
    await opened.waitForAck()
    discord.expireToken(asked)
    const submitted = discord.submitModal(opened, { prompt: 'a wolf' })
    await submitted.waitForReply(({ attachments }) => attachments.length > 0)
    expect(discord.botMessages().map(({ id }) => id)).toEqual([shown.id, submitted.reply()?.id])
    const [row] = await test.core.database.rows<{ live: boolean }>(sql`
      select address like ${`%${submitted.id}%`} as live from generations`)
    expect(row?.live).toBe(true)
  })

  it('shows settings with buttons that open forms', async () => {
    const asked = discord.slash('settings')
    const shown = await asked.waitForReply()
    const opened = discord.press(shown, '🖼 Pictures')
    await opened.waitForAck()
    const submitted = discord.submitModal(opened, { aspect: ['16:9'] })
    expect((await submitted.waitForReply()).content).toContain('Ratio: 16:9 · yours')
  })
})

describe('on Telegram', () => {
  let telegram: TelegramEmulator
  let bot: ReturnType<typeof createTelegram>
  const group = { chatId: -1001000000001, chatType: 'supergroup', userId: 501 } as const
  beforeEach(async () => {
    telegram = await startTelegram()
    await openWith((parts) => {
      bot = createBot(parts)
      return bot
    })
  })

  const createBot = ({ database }: Pick<Parts, 'database'>) =>
    createTelegram({
      token: telegram.token,
      apiUrl: telegram.apiUrl,
      database,
      commands: allCommands,
      log: keepLog(),
      webhookSecret: 'secret',
      publicUrl: 'http://127.0.0.1:9',
    })

  afterEach(async () => {
    await close()
    await telegram.stop()
    expect(telegram.violations).toEqual([])
  })

  async function say(text: string, from: object = group) {
    const sent = telegram.say(text, from)
    await bot.handleUpdate(sent.update, 'secret')
    return sent
  }
  const answerTo = (chatId: number, messageId: number) =>
    telegram.waitFor(chatId, ({ fromBot, replyTo }) => fromBot && replyTo === messageId)

  it('sends a private picture of a group to the person, and says so in the group', async () => {
    await say('/start', { userId: 501 })
    const sent = await say('/flux a cat --private')
    expect((await answerTo(group.chatId, sent.messageId)).text).toContain('The answer goes to you in a private message')
    await telegram.waitFor(501, ({ photo }) => photo !== undefined)
    expect(telegram.botMessages(group.chatId)).toHaveLength(1)
    expect(await accepted()).toMatchObject([{ private: true, channel: null }])
  })

  it('refuses before anything is paid when the bot may not write to the person', async () => {
    const sent = await say('/flux a cat --private')
    expect((await answerTo(group.chatId, sent.messageId)).text).toContain('Start a private chat with it first')
    expect(await accepted()).toEqual([])
  })

  it('asks for the words of an edit in the private chat, where the question quotes the private prompt', async () => {
    await say('/start', { userId: 501 })
    await say('/flux a secret cat --private')
    await telegram.waitFor(501, ({ photo }) => photo !== undefined)
    const [row] = await test.core.database.rows<{ id: string }>(sql`select id from generations`)
    const sent = await say(`/edit ${row!.id}`)
    expect((await answerTo(group.chatId, sent.messageId)).text).toContain('The answer goes to you in a private message')
    const question = await telegram.waitFor(501, ({ opensReplyOf }) => opensReplyOf !== undefined)
    expect(question.text).toContain('a secret cat')
    expect(
      telegram
        .botMessages(group.chatId)
        .map(({ text }) => text)
        .join(),
    ).not.toContain('secret')
    await say('a secret dog', { userId: 501, replyTo: question.messageId })
    await expect.poll(accepted, soon).toMatchObject([{ private: true }, { private: true }])
  })

  it('answers an administrator in the private chat, and bans no person before it can', async () => {
    Object.assign(test.core, { isAdmin: (id: string) => id === 'telegram:501' })
    const userId = await accountOf(test.core, { id: 'telegram:502', name: 'Eve' })
    const banned = () => test.core.database.rows(sql`select banned from users where id = ${userId}::uuid`)
    const refused = await say('/ban telegram:502 a secret reason')
    expect((await answerTo(group.chatId, refused.messageId)).text).toContain('Start a private chat with it first')
    expect(await banned()).toEqual([{ banned: false }])
    await say('/start', { userId: 501 })
    for (const text of ['/ban telegram:502 a secret reason', '/credits show telegram:502', '/limits telegram:502']) {
      const sent = await say(text)
      expect((await answerTo(group.chatId, sent.messageId)).text).toContain('The answer goes to you in a private')
    }
    await telegram.waitFor(501, ({ text }) => text?.includes('a secret reason') === true)
    expect(telegram.botMessages(501).filter(({ text }) => text?.includes('Eve'))).toHaveLength(3)
    expect(await banned()).toEqual([{ banned: true }])
  })

  it('lets people who manage the group set its values', async () => {
    const first = await say('/settings private on here')
    expect((await answerTo(group.chatId, first.messageId)).text).toContain('Only people who may manage')
    telegram.promote(group.chatId, 501)
    const second = await say('/settings ratio 16:9 here')
    expect((await answerTo(group.chatId, second.messageId)).text).toContain('Ratio: 16:9 · this group’s')
    const third = await say('/flux a cat', { ...group, userId: 502 })
    await expect.poll(() => accepted(), soon).toHaveLength(1)
    await telegram.waitFor(
      group.chatId,
      ({ photo, replyTo }) => photo !== undefined && replyTo === third.messageId,
      20_000,
    )
    const [row] = await test.core.database.rows<{ request: object }>(sql`select request from generations`)
    expect(row?.request).toMatchObject({ aspect: '16:9' })
  })

  it('sends the original file after the picture when the settings say so', async () => {
    const from = { userId: 501 }
    await say('/settings original on', from)
    await say('/flux a cat', from)
    await telegram.waitFor(501, ({ document }) => document !== undefined)
    const shown = telegram.botMessages(501).filter(({ photo, document }) => photo || document)
    expect(shown.map(({ photo }) => photo !== undefined).sort()).toEqual([false, true])
    const parts = () => test.core.database.rows<{ part: number }>(sql`select part from sent_messages order by part`)
    await expect.poll(parts, soon).toEqual([{ part: 0 }, { part: 1 }])
  })

  it('turns the message with an enhanced prompt into the picture, and edits by a reply', async () => {
    const sent = await say('/flux a cat --enhance=ask')
    const shown = await answerTo(group.chatId, sent.messageId)
    const press = telegram.press(shown, shown.buttons[0]![0]!.label, { userId: 501 })
    await bot.handleUpdate(press.update, 'secret')
    expect((await press.answered(20_000)).text).toBe('On its way.')
    const drawn = await telegram.waitFor(group.chatId, ({ photo }) => photo !== undefined)
    expect(drawn.messageId).toBe(shown.messageId)

    const again = await say('/flux a dog --enhance=ask')
    const draft = await answerTo(group.chatId, again.messageId)
    const edit = telegram.press(draft, '✏️ Edit it · 1 credit', { userId: 501 })
    await bot.handleUpdate(edit.update, 'secret')
    const question = await telegram.waitFor(group.chatId, ({ opensReplyOf }) => opensReplyOf !== undefined)
    const words = await say('a splendid wolf', { ...group, replyTo: question.messageId })
    await telegram.waitFor(
      group.chatId,
      ({ photo, replyTo }) => photo !== undefined && replyTo === words.messageId,
      20_000,
    )
  })

  it('acts once on a choice that reaches two processes, and sees a changed setting in both', async () => {
    const other = createBot(test.core)
    const core = { ...test.core, accountIds: new Map(), surfaces: new Map([[other.name, other]]) }
    await other.start(createDispatch(core, { commands: allCommands, actions: allActions }))
    const from = { userId: 501 }
    await say('/settings enhance ask language zh', from)
    const sent = telegram.say('a cat', from)
    await other.handleUpdate(sent.update, 'secret')
    const shown = await telegram.waitFor(501, ({ buttons }) => buttons.length === 1 && buttons[0]!.length === 3)
    expect(shown.text).toContain('选择之前不会扣费')
    const press = telegram.press(shown, shown.buttons[0]![0]!.label, from)
    await Promise.all([bot, other, bot, other].map((each) => each.handleUpdate(press.update, 'secret')))
    await telegram.waitFor(501, ({ photo }) => photo !== undefined)
    expect(await accepted()).toHaveLength(1)
    await other.stop()
  })
})

describe('on the page', () => {
  let app: FastifyInstance
  let url: string
  let headers: Record<string, string>
  beforeEach(async () => {
    const log = keepLog()
    const port = await freePort()
    let token = ''
    await openWith(({ database, secretKey, link }) => {
      token = signInToken(secretKey)
      const web = createWeb({
        core: () => test.core,
        database,
        secretKey,
        publicUrl: `http://localhost:${port}`,
        link,
        log,
      })
      app = createApp({ log, plugins: [web.plugin] })
      return web
    })
    url = await app.listen({ port, host: '127.0.0.1' })
    const host = `localhost:${port}`
    const opened = await request(`${url}/?token=${token}`, { headers: { host } })
    headers = { host, cookie: String(opened.headers['set-cookie']).split(';')[0] ?? '' }
  })
  afterEach(async () => {
    await close()
    await app.close()
  })

  interface Shown {
    id: string
    role: string
    text: string
    state: string
    images: unknown[]
    buttons?: { id: string; label: string }[][]
  }
  const answers = async () => {
    const { body } = await request(`${url}/web/messages`, { headers })
    return ((await body.json()) as Shown[]).filter(({ role }) => role === 'bot')
  }
  async function say(text: string) {
    const form = new FormData()
    form.set('id', crypto.randomUUID())
    form.set('text', text)
    const data = new Response(form)
    const type = data.headers.get('content-type') ?? ''
    const body = Buffer.from(await data.arrayBuffer())
    await request(`${url}/web/messages`, { method: 'POST', headers: { ...headers, 'content-type': type }, body })
  }

  it('turns the message with an enhanced prompt into the picture', async () => {
    await say('a cat --enhance=ask')
    await expect.poll(async () => (await answers())[0]?.state, soon).toBe('asking')
    const [shown] = await answers()
    expect(shown?.text).toContain('a splendid a cat')
    const button = shown?.buttons?.[0]?.[0]?.id
    const body = JSON.stringify({ id: crypto.randomUUID(), button, message: shown?.id })
    const json = { ...headers, 'content-type': 'application/json' }
    await request(`${url}/web/presses`, { method: 'POST', headers: json, body })
    await expect.poll(async () => (await answers())[0]?.images.length, soon).toBe(1)
    expect(await answers()).toHaveLength(1)
  })
})
