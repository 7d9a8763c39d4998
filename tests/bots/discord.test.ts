/** The Discord surface against the emulator: what people see, and which requests Discord gets. */
import { sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { allActions } from '../../src/bots/actions/index.ts'
import { allCommands } from '../../src/bots/commands/index.ts'
import { createDiscord, type DiscordOptions } from '../../src/bots/discord/discord.ts'
import { attachmentHosts, attachments } from '../../src/bots/discord/images.ts'
import { createDownloads } from '../../src/bots/downloads.ts'
import { AppError } from '../../src/core/errors.ts'
import type { Call, ChatSurface, Reply } from '../../src/core/ports/chat.ts'
import { redact } from '../../src/log.ts'
import { sketch } from '../../src/models/sketch.ts'
import { png } from '../emulators/discord/bot.ts'
import { type DiscordEmulator, type From, type OptionValue, startDiscord } from '../emulators/discord/index.ts'
import { openTestDatabase, quickest, type TestDatabase } from '../helpers/backends.ts'
import { type FlatCall, flat, says } from '../helpers/chat.ts'
import { createGate } from '../helpers/gate.ts'
import { keepLog } from '../helpers/log.ts'

const MB = 1024 * 1024
const upload = (filename = 'a.png', data = png) => ({ filename, data })
const models = () => ['sketch', 'schnell'].map((id) => ({ ...sketch, id }))

const log = keepLog()
const facts = new Map<string, string>()
let discord: DiscordEmulator
let database: TestDatabase
let bot: ChatSurface
let handle: (call: Call) => Promise<void>

function surface(more: Partial<DiscordOptions> = {}): ChatSurface {
  return createDiscord({
    token: discord.token,
    apiUrl: discord.apiUrl,
    database: database.database,
    commands: allCommands,
    actions: allActions,
    models,
    facts: { get: async (name) => facts.get(name), set: async (name, value) => void facts.set(name, value) },
    log,
    ...more,
  })
}

/** Runs `act` and waits for `count` calls. */
async function received(act: () => void, count = 1): Promise<FlatCall[]> {
  const calls: FlatCall[] = []
  const all = new Promise<void>((resolve) => {
    handle = async (call) => {
      calls.push(flat(call))
      if (calls.length === count) resolve()
    }
  })
  act()
  await all
  return calls
}

async function use(command: string, options: Record<string, OptionValue> = { prompt: 'a fox' }, from: From = {}) {
  let person = {} as ReturnType<DiscordEmulator['slash']>
  const [call] = await received(() => {
    person = discord.slash(command, options, from)
  })
  return { person, call: call! }
}

async function unhandled(): Promise<number> {
  const rows = await database.database.rows(sql`select key from inbox where handled_at is null`)
  return rows.length
}

const written = async (act: () => void): Promise<FlatCall> => (await received(act))[0]!

const done = (text = 'Here', more: Partial<Reply> = {}) => says(text, 'done', more)
const picture = (data = png) => ({
  file: { data, type: 'image/png' as const, width: 1, height: 1 },
  key: 'k',
  name: 'fox.png',
  alt: 'A fox',
})
const kindOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => (error instanceof AppError ? error.kind : error),
  )
/** Checks messages, fields and stacks of the error and of all its causes. */
function expectNoSecrets(error: unknown, ...secrets: string[]): void {
  const seen: string[] = []
  for (let at = error; at instanceof Error; at = at.cause) {
    const own = Object.getOwnPropertyNames(at).map((name) => [name, Reflect.get(at as Error, name)])
    seen.push(String(at), JSON.stringify(at), JSON.stringify(Object.fromEntries(own)))
  }
  expect(seen.length).toBeGreaterThan(3)
  for (const secret of [discord.token, ...secrets]) expect(seen.join('\n')).not.toContain(secret)
}

const asked = (method: string, path: RegExp) =>
  discord.requests.filter((request) => request.method === method && path.test(request.path))
const channelPosts = /^\/channels\/\d+\/messages$/

beforeAll(async () => {
  database = await openTestDatabase(quickest)
  discord = await startDiscord()
  bot = surface({ applicationId: discord.applicationId })
  expect(bot.notReady()).toBe('not started')
  await bot.start((call) => handle(call))
})

afterEach(() => discord.faults.clear())

afterAll(async () => {
  await bot.stop()
  await database.drop()
  const secrets = [discord.token, ...discord.requests.map(({ path }) => /^\/webhooks\/\d+\/([^/]+)/.exec(path)?.[1])]
  await discord.stop()
  expect(discord.violations).toEqual([])
  expect(secrets.length).toBeGreaterThan(10)
  expect(secrets.filter((secret) => secret && log.lines.some((line) => line.includes(secret)))).toEqual([])
})

describe('starting', () => {
  it('registers commands and aliases once, for all contexts, in English and Chinese', async () => {
    expect(bot.notReady()).toBeUndefined()
    expect(discord.commandPuts).toBe(1)
    const names = discord.commands().map(({ name }) => name)
    const offered = allCommands.filter(({ surfaces = ['discord'] }) => surfaces.includes('discord'))
    expect(names).toEqual(offered.flatMap(({ name, aliases = [] }) => [name, ...aliases]))
    const [flux, imagine] = discord.commands()
    const credits = discord.commands().find(({ name }) => name === 'credits')
    expect(flux).toMatchObject({ contexts: [0, 1, 2], integration_types: [0, 1], options: { length: 17 } })
    expect(flux).toMatchObject({
      description: 'Draw a picture',
      description_localizations: { 'zh-CN': '画一张图', 'zh-TW': '画一张图' },
    })
    expect(imagine?.description).toBe(flux?.description)
    expect(flux?.options).toMatchObject([
      {
        name: 'prompt',
        type: 3,
        required: true,
        autocomplete: true,
        description_localizations: { 'zh-CN': expect.stringContaining('画什么') },
      },
      ...['model', 'aspect'].map((name) => ({ name, type: 3, autocomplete: true })),
      ...['image1', 'image2', 'image3', 'image4'].map((name) => ({ name, type: 11 })),
      { name: 'count', type: 4, min_value: 1, max_value: sketch.routes[0]!.takes.count },
      { name: 'seed', type: 3, max_length: 20 },
      { name: 'steps', type: 4, min_value: expect.any(Number), max_value: expect.any(Number) },
      ...['guidance', 'strength'].map((name) => ({ name, type: 10, min_value: 0 })),
      { name: 'expand', type: 3, max_length: 60 },
      ...['lora', 'negative'].map((name) => ({ name, type: 3 })),
      { name: 'enhance', type: 3, choices: [{ value: 'on' }, { value: 'off' }, { value: 'ask' }] },
      { name: 'private', type: 5 },
    ])
    const actions = ['give', 'take', 'set', 'show', 'code', 'sku'].map((name) => ({ name, value: name }))
    expect(credits?.options).toMatchObject([
      { name: 'action', type: 3, choices: actions },
      { name: 'user', type: 6 },
      { name: 'amount', type: 4, min_value: 0, max_value: 1_000_000 },
      { name: 'reason', type: 3 },
      ...['uses', 'days'].map((name) => ({ name, type: 4 })),
      { name: 'sku', type: 3 },
    ])
    const startAgain = async (more?: Partial<DiscordOptions>) => {
      const again = surface(more)
      await again.start(async () => undefined)
      await again.stop()
    }
    await startAgain()
    expect(discord.commandPuts).toBe(1)
    await startAgain({ commands: allCommands.slice(1) })
    expect(discord.commandPuts).toBe(2)
    await startAgain()
    expect(discord.commandPuts).toBe(3)
  })

  it('names the setting to fix when Discord refuses the token', async () => {
    const wrong = surface({ token: 'not.the.token' })
    await expect(wrong.start(async () => undefined)).rejects.toThrow('DISCORD_TOKEN')
    await wrong.stop()
  })

  it('does not block while Discord is down, and connects once it is back', async () => {
    const other = await startDiscord()
    other.refuseGateway(true)
    const patient = surface({ token: other.token, apiUrl: other.apiUrl, startWithinMs: 300 })
    await patient.start(async () => undefined)
    expect(patient.notReady()).toMatch('not connected')
    other.refuseGateway(false)
    await other.waitForBot(30_000)
    await other.waitForCommands()
    expect(patient.notReady()).toBeUndefined()
    await patient.stop()
    await other.stop()
  })

  it('stops while Discord is down', async () => {
    const other = await startDiscord()
    other.refuseGateway(true)
    const before = log.lines.length
    const patient = surface({ token: other.token, apiUrl: other.apiUrl, startWithinMs: 700 })
    await patient.start(async () => undefined)
    const again = () => log.lines.slice(before).filter((line) => line.includes('again'))
    await expect.poll(again).toHaveLength(1)
    await patient.stop()
    await other.stop()
    expect(log.lines.slice(before).filter((line) => line.startsWith('error'))).toEqual([])
  })

  it('retries when REST fails at first', async () => {
    const other = await startDiscord()
    other.faults.add({ match: { path: /gateway\/bot/ }, kind: 'dropBefore', times: 1 })
    const patient = surface({ token: other.token, apiUrl: other.apiUrl })
    await patient.start(async () => undefined)
    expect(patient.notReady()).toBeUndefined()
    await patient.stop()
    await other.stop()
  })
})

describe('a slash command', () => {
  it('becomes a call, and is acknowledged even when its handler never ends', async () => {
    let release = () => undefined as unknown
    const begun = new Promise<void>((resolve) => {
      handle = () => {
        resolve()
        return new Promise((ended) => {
          release = () => ended()
        })
      }
    })
    const hanging = discord.slash('flux', { prompt: 'a fox' })
    await begun
    expect(hanging.acknowledgedMs).toBeLessThan(3000)
    expect(hanging.reply()).toMatchObject({ thinking: true, ephemeral: false })
    release()

    const { person, call } = await use('imagine', { aspect: '16:9', model: 'schnell', prompt: 'a *red* fox' })
    expect(person.acknowledgedWith).toBe(5)
    expect(redact(call.address)).not.toContain(person.token)
    expect(call).toMatchObject({
      key: `discord:${person.id}`,
      surface: 'discord',
      from: { id: `discord:${discord.person.id}`, name: 'ada', handle: 'ada' },
      locale: 'en',
      command: 'imagine',
      text: '',
      options: { aspect: '16:9', model: 'schnell', prompt: 'a *red* fox' },
      images: [],
    })
  })

  it('carries the person and the language, in direct messages as well', async () => {
    const { call, person } = await use('credits', { user: '80351110224678912' }, { locale: 'zh-CN', guildId: null })
    expect(call).toMatchObject({ locale: 'zh', command: 'credits', text: '' })
    expect(call.options).toEqual({ user: 'discord:80351110224678912' })
    expect(person.reply()).toMatchObject({ ephemeral: true, thinking: true })
    expect((await use('flux', { prompt: 'x' }, { locale: 'ja' })).call.locale).toBe('en')
  })

  it('is acknowledged again when the response was lost or Discord failed', async () => {
    for (const kind of ['dropAfter', '502html', 'dropBefore'] as const) {
      discord.faults.add({ match: { path: /callback$/ }, kind, times: 1 })
      const { person, call } = await use('flux')
      await bot.post(call.address, done(kind))
      expect(person.reply()?.content).toBe(kind)
    }
  })

  it('is handled once when it is delivered three times, to two processes', async () => {
    const keys: string[] = []
    handle = async ({ key, address }) => {
      keys.push(key)
      await bot.post(address, done())
    }
    const other = surface()
    await other.start((call) => handle(call))
    const person = discord.slash('flux', { prompt: 'a fox' })
    discord.redeliver(person)
    discord.redeliver(person)
    await expect.poll(() => keys).toHaveLength(1)
    await expect.poll(unhandled).toBe(0)
    await other.stop()
    expect(keys).toEqual([`discord:${person.id}`])
    expect(person.reply()?.content).toBe('Here')
    expect(person.followUps()).toEqual([])
  })

  it('that arrives too late is not handled', async () => {
    const keys: string[] = []
    handle = async ({ key }) => void keys.push(key)
    const aged = discord.slash('flux', { prompt: 'late' }, { ageMs: 4000 })
    const late = discord.slash('flux', { prompt: 'late' })
    discord.late(late)
    for (const { id } of [aged, late]) {
      await expect.poll(() => log.lines.some((line) => line.includes(id) && line.includes('too late'))).toBe(true)
    }
    expect(keys).toEqual([])
    expect([aged.acknowledgedMs, late.acknowledgedMs]).toEqual([undefined, undefined])
    const { person, call } = await use('flux')
    expect(call.key).toBe(`discord:${person.id}`)
  })
})

describe('an answer', () => {
  it('is shown to all or to the requester, as plain text without pings', async () => {
    const { person, call } = await use('flux')
    await bot.post(call.address, done('@everyone **bold** <@80351110224678912> # no\n# heading <words> a_b'))
    expect(person.reply()).toMatchObject({
      content: '@everyone \\*\\*bold\\*\\* \\<@80351110224678912> # no\n\\# heading <words> a\\_b',
      ephemeral: false,
      mentions: [],
      mentionsEveryone: false,
    })
    const balance = await use('credits', {})
    await bot.post(balance.call.address, says('5', 'info', { private: true }))
    expect(balance.call).toMatchObject({ isPrivate: true })
    expect(balance.person.reply()).toMatchObject({ content: '5', ephemeral: true, visibleTo: discord.person.id })
  })

  it('for the requester alone replaces an answer announced to all', async () => {
    const { person, call } = await use('flux')
    const posted = await bot.post(call.address, says('No credits', 'failed', { private: true }))
    expect(person.reply()).toBeUndefined()
    expect(person.followUps()).toMatchObject([{ content: 'No credits', ephemeral: true }])
    await bot.edit(posted, says('None at all', 'failed', { private: true }))
    expect(person.followUps()).toMatchObject([{ content: 'None at all', ephemeral: true }])
  })

  it('is edited into pictures by a process without a gateway, and back into text', async () => {
    const { person, call } = await use('flux')
    const elsewhere = surface()
    const waiting = await bot.post(call.address, says('In the queue', 'waiting'))
    const shown = await elsewhere.edit(
      waiting,
      done('Here', { pictures: [picture(), { ...picture(), name: 'b.png' }] }),
    )
    expect(shown).toBe(waiting)
    expect(person.reply()).toMatchObject({
      content: 'Here',
      edits: ['In the queue'],
      attachments: [
        { filename: 'fox.png', description: 'A fox', data: png },
        { filename: 'b.png', contentType: 'image/png' },
      ],
    })
    await elsewhere.edit(shown, done('Again', { pictures: [{ ...picture(), alt: 'x'.repeat(3000) }] }))
    expect(person.reply()!.attachments).toHaveLength(1)
    await elsewhere.edit(shown, says('Failed', 'failed'))
    expect(person.reply()).toMatchObject({ content: 'Failed', attachments: [] })
    expect(asked('PATCH', /@original$/).every(({ headers }) => headers.authorization === undefined)).toBe(true)
  })

  it('that is too long is cut between characters and outside of escapes', async () => {
    const { person, call } = await use('flux')
    for (const text of ['😀'.repeat(1500), '*'.repeat(1500), `${'x'.repeat(1998)}*y`]) {
      await bot.post(call.address, done(text))
      const { content } = person.reply()!
      expect(content.length).toBeLessThanOrEqual(2000)
      expect(content).not.toMatch(/\p{Surrogate}/u)
      expect(content).toMatch(/[^\\](\\\\)*…$/u)
    }
  })

  it('goes to the channel once after its token expired, and mentions only the requester', async () => {
    const { person, call } = await use('flux')
    const waiting = await bot.post(call.address, says('In the queue', 'waiting'))
    discord.expireToken(person)
    expect(await kindOf(bot.edit(waiting, says('Drawing', 'waiting')))).toBe('chat_refused')
    const before = discord.messages().length
    discord.faults.add({ match: { method: 'POST', path: channelPosts }, kind: 'dropAfter', times: 2 })
    const reply = done('Here @everyone <@80351110224678912>', { pictures: [picture()] })
    expect(await kindOf(bot.edit(waiting, reply))).toBe('chat_unavailable')
    const posted = await surface().edit(waiting, reply)
    expect(await bot.edit(waiting, reply)).toBe(posted)
    // the message that waited is gone
    expect(discord.messages()).toHaveLength(before)
    expect(discord.messages().map(({ content }) => content)).not.toContain('In the queue')
    expect(discord.messages().at(-1)).toMatchObject({
      content: `<@${discord.person.id}> Here @everyone \\<@80351110224678912>`,
      attachments: [{ filename: 'fox.png' }],
      mentions: [discord.person.id],
      mentionsEveryone: false,
      channelId: discord.channelId,
    })
    await bot.edit(waiting, done('Something newer'))
    expect(discord.messages().at(-1)).toMatchObject({
      content: `<@${discord.person.id}> Something newer`,
      attachments: [],
    })
    await bot.edit(posted, done('Edited'))
    expect(discord.messages()).toHaveLength(before)
    expect(discord.messages().at(-1)).toMatchObject({ content: 'Edited' })
  })

  it('goes to the person directly when the channel is closed or the answer is private', async () => {
    const channelId = discord.addChannel()
    const userId = '80351110224678913'
    const { person, call } = await use('flux', { prompt: 'x' }, { channelId, userId })
    discord.expireToken(person)
    discord.denyChannel(channelId, 50013)
    await bot.post(call.address, done('One'))
    discord.denyChannel(channelId, 50001)
    await bot.post(call.address, done('One'))
    const dm = discord.dmChannel(userId)
    expect(discord.messages(dm).map(({ content }) => content)).toEqual([`<@${userId}> One`])

    const balance = await use('credits', {}, { userId })
    discord.expireToken(balance.person)
    await bot.post(balance.call.address, says('5', 'info', { private: true }))
    expect(discord.messages(dm).at(-1)?.content).toBe(`<@${userId}> 5`)
    discord.closeDms(userId)
    const again = await use('flux', { prompt: 'x' }, { channelId, userId })
    discord.expireToken(again.person)
    expect(await kindOf(bot.post(again.call.address, done()))).toBe('chat_refused')
  })

  it('distinguishes a refusal by Discord from a temporary failure', async () => {
    const { person, call } = await use('flux')
    const tooMuch = done('x', { pictures: [picture(Buffer.alloc(11 * MB))] })
    expect(await kindOf(bot.post(call.address, tooMuch))).toBe('chat_refused')
    const path = /@original$/
    for (const [kind, count] of [
      ['500', 2],
      ['dropBefore', 2],
      ['502html', 2],
    ] as const) {
      discord.faults.add({ match: { path }, kind, times: count })
      const failed = await bot.post(call.address, done(kind)).catch((error: unknown) => error)
      expect(failed).toMatchObject({ kind: 'chat_unavailable' })
      expectNoSecrets(failed, person.token)
      await bot.post(call.address, done(kind))
      expect(person.reply()?.content).toBe(kind)
    }
    discord.faults.add({ match: { path }, kind: '429', times: 1, retryAfterSeconds: 60 })
    const refused = await bot.post(call.address, done()).catch((error: unknown) => error)
    expect(refused).toMatchObject({ kind: 'chat_unavailable', retryAfterMs: expect.closeTo(60_000, -3) })
    expectNoSecrets(refused, person.token)
    expect(await kindOf(bot.post('discord:nonsense', done()))).toBe('chat_refused')
  })

  it('in a channel or direct message reveals no secrets when it fails', async () => {
    const call = await written(() => discord.dm('a fox'))
    for (const kind of ['500', '502html', 'dropBefore'] as const) {
      discord.faults.add({ match: { method: 'POST', path: channelPosts }, kind, times: 2 })
      const failed = await bot.post(call.address, done(kind)).catch((error: unknown) => error)
      expect(failed).toMatchObject({ kind: 'chat_unavailable' })
      expectNoSecrets(failed)
    }
    discord.closeDms(discord.person.id)
    const refused = await bot.post(call.address, done()).catch((error: unknown) => error)
    discord.closeDms(discord.person.id, false)
    expect(refused).toMatchObject({ kind: 'chat_refused' })
    expectNoSecrets(refused)
  })

  it('to a deleted message is refused', async () => {
    const { call } = await use('flux', { prompt: 'x' }, { channelId: discord.addChannel() })
    await bot.post(call.address, says('gone', 'failed', { private: true }))
    expect(await kindOf(bot.edit(call.address, done()))).toBe('chat_refused')
  })

  it('is not lost when Discord refuses the bot token, and the log names the setting', async () => {
    const call = await written(() => discord.dm('a fox'))
    const stranger = surface({ token: 'not.the.token' })
    for (const _try of [1, 2]) expect(await kindOf(stranger.post(call.address, done()))).toBe('chat_unavailable')
    expect(log.lines.filter((line) => line.startsWith('error') && line.includes('DISCORD_TOKEN'))).toHaveLength(1)
  })
})

describe('pictures that people attach', () => {
  const attached = async (options: Record<string, OptionValue>) =>
    (await use('flux', { prompt: 'x', ...options })).call.images

  it('are fetched in the order of the options', async () => {
    const other = Buffer.concat([png, Buffer.from('more')])
    const [first, second] = await attached({ image2: upload('b.png', other), image1: upload() })
    expect(first).toMatchObject({ name: 'a.png', bytes: png.length })
    expect(await first!.load(MB)).toEqual(png)
    expect(await second!.load(MB)).toEqual(other)
  })

  it('are refused without a download when they are too big', async () => {
    const [big] = await attached({ image1: upload('big.png', Buffer.alloc(11 * MB)) })
    const fetched = () => asked('GET', /^\/cdn\//).length
    const before = fetched()
    await expect(big!.load(10 * MB)).rejects.toMatchObject({ kind: 'image_too_big', data: { limitMb: 10 } })
    expect(fetched()).toBe(before)
  })

  it('are fetched from Discord only, and not after their link has expired', async () => {
    const before = discord.requests.length
    const given = [
      discord.cdnUrl,
      'http://169.254.169.254/latest',
      'https://cdn.discordapp.com.evil.example/a',
      'nonsense',
    ]
    for (const image of attachments(
      given.map((url) => ({ name: 'a.png', bytes: 1, url })),
      { origins: attachmentHosts, downloads: createDownloads([]) },
    )) {
      await expect(image.load(MB)).rejects.toMatchObject({ kind: 'image_unreachable' })
    }
    expect(discord.requests).toHaveLength(before)

    // the emulator serves its pictures from 127.0.0.1, which is foreign to a surface that knows it by another name
    const own = await openTestDatabase(quickest)
    const apiUrl = discord.apiUrl.replace('127.0.0.1', 'localhost')
    const elsewhere = surface({ apiUrl, database: own.database })
    const arriving = new Promise<Call>((resolve) => void elsewhere.start(async (call) => resolve(call)))
    await expect.poll(() => elsewhere.notReady()).toBeUndefined()
    handle = async () => undefined
    const fetched = asked('GET', /^\/cdn\//).length
    discord.slash('flux', { prompt: 'x', image1: upload() })
    const [foreign] = (await arriving).images
    await expect(foreign!.load(MB)).rejects.toMatchObject({ kind: 'image_unreachable' })
    expect(asked('GET', /^\/cdn\//)).toHaveLength(fetched)
    await elsewhere.stop()
    await own.drop()

    const { person, call } = await use('flux', { prompt: 'x', image1: upload() })
    const data = person.payload.data as { resolved: { attachments: Record<string, unknown> } }
    discord.expireAttachment(Object.keys(data.resolved.attachments)[0]!)
    await expect(call.images[0]!.load(MB)).rejects.toMatchObject({ kind: 'image_unreachable' })
  })
})

describe('a plain message', () => {
  it('in a direct message is a request, answered by a reply that is edited', async () => {
    const call = await written(() => discord.dm('a cute cat 16:9', { attachments: [upload()] }))
    expect(call).toMatchObject({ command: '', text: 'a cute cat 16:9', locale: 'en', options: {} })
    expect(await call.images[0]!.load(MB)).toEqual(png)
    const dm = discord.dmChannel(discord.person.id)
    const asking = discord.messages(dm).at(-1)!
    expect(call.key).toBe(`discord:${asking.id}`)

    discord.faults.add({ match: { method: 'POST', path: channelPosts }, kind: 'dropAfter', times: 1 })
    const posted = await bot.post(call.address, says('In the queue', 'waiting'))
    const answer = () => discord.messages(dm).at(-1)
    // 4: links in it show no previews
    expect(answer()).toMatchObject({ content: 'In the queue', replyTo: asking.id, author: { bot: true }, flags: 4 })
    await surface().edit(posted, done('Here', { pictures: [picture()] }))
    expect(answer()).toMatchObject({
      content: 'Here',
      attachments: [{ filename: 'fox.png', description: 'A fox' }],
      flags: 4,
    })
    // a worker without the message's id finds it by its nonce and updates it
    await surface().post(call.address, done('Here again', { pictures: [picture()] }))
    expect(
      discord
        .messages(dm)
        .filter(({ author }) => author.bot)
        .map(({ content }) => content),
    ).toContain('Here again')
    expect(discord.messages(dm).filter(({ replyTo }) => replyTo === asking.id)).toHaveLength(1)
  })

  it('that mentions the bot is a request without the mention; other messages are ignored', async () => {
    discord.sendMessage('among us')
    const call = await written(() => discord.sendMessage(`<@${discord.botUser.id}> 一只可爱的猫 16:9`))
    expect(call).toMatchObject({ command: '', text: '一只可爱的猫 16:9', locale: 'zh' })
    await bot.post(call.address, done('@everyone'))
    expect(discord.messages(discord.channelId).at(-1)).toMatchObject({ mentions: [], mentionsEveryone: false })
  })

  it('that replies to a picture is a request with that picture', async () => {
    const first = await written(() => discord.dm('a fox'))
    await bot.post(first.address, done('Here', { pictures: [picture()] }))
    const shown = discord.messages(discord.dmChannel(discord.person.id)).at(-1)!
    const call = await written(() => discord.dm('make it night', { replyTo: shown }))
    expect(call.text).toBe('make it night')
    expect(await call.images[0]!.load(MB)).toEqual(png)
  })
})

describe('stopping', () => {
  it('waits for running handlers and takes no new calls', async () => {
    const heard: string[] = []
    const finish = createGate()
    const own = await openTestDatabase(quickest)
    const leaving = surface({ database: own.database })
    await leaving.start(async (call) => {
      heard.push(call.key)
      await finish.pass(undefined)
      heard.push('finished')
    })
    handle = async () => undefined
    const person = discord.slash('flux', { prompt: 'x' })
    await expect.poll(() => heard).toEqual([`discord:${person.id}`])
    const stopped = leaving.stop()
    discord.slash('flux', { prompt: 'y' })
    finish.open()
    await stopped
    expect(heard).toEqual([`discord:${person.id}`, 'finished'])
    expect(leaving.notReady()).toMatch('not connected')
    await own.drop()
  })
})
