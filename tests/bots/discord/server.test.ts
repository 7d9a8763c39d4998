/** `/server`: the rules of a server, and what they do to the requests of its members. */
import { sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { allActions } from '../../../src/bots/actions/index.ts'
import { allCommands } from '../../../src/bots/commands/index.ts'
import { createDispatch } from '../../../src/bots/dispatch.ts'
import { accountOf, readAccount } from '../../../src/core/accounts/accounts.ts'
import { type Changes, personHolding, saveSettings } from '../../../src/core/accounts/settings.ts'
import { AppError } from '../../../src/core/errors.ts'
import { submit } from '../../../src/core/generation/submit.ts'
import type { Attachment } from '../../../src/core/ports/chat.ts'
import { chooseModel } from '../../../src/core/request/choose-model.ts'
import { en } from '../../../src/locales/en.ts'
import { sketch } from '../../../src/models/sketch.ts'
import { upscale } from '../../../src/models/upscale.ts'
import { snowflake } from '../../emulators/discord/ids.ts'
import type { From, Message, OptionValue } from '../../emulators/discord/index.ts'
import { quickest } from '../../helpers/backends.ts'
import { askAs, attachment, createPlain, openTestCore, pngOf } from '../../helpers/core.ts'
import { type OnDiscord, openOnDiscord } from '../../helpers/discord.ts'
import { createGate } from '../../helpers/gate.ts'
import { violations } from '../../helpers/invariants.ts'

const modelOf = (id: string) => ({ ...sketch, id, title: `The ${id}`, aliases: [`alias-of-${id}`] })
const models = [modelOf('usual'), modelOf('fine'), modelOf('rough'), upscale]
const manageServer = String(1n << 5n)
const everythingElse = String(((1n << 50n) - 1n) & ~(1n << 5n))

let on: OnDiscord

beforeAll(async () => {
  const provider = createPlain({
    start: async ({ input, flaggedToo = false }) => {
      const images = [await pngOf(64, 64)]
      if (!JSON.stringify(input).includes('nude')) return { state: 'done', images }
      if (!flaggedToo) throw new AppError('moderated', { provider: 'sketch' })
      return { state: 'done', images: [...images, ...images], flagged: [true, false] }
    },
  })
  on = await openOnDiscord({
    models,
    providers: [provider, createPlain({ name: 'lanczos' })],
    limits: { welcome: 1_000, perMinute: 1_000 },
  })
})

afterEach(async () => {
  const underWay = sql`select id from generations where ended_at is null`
  await expect.poll(() => on.test.core.database.rows(underWay)).toEqual([])
  expect(await violations(on.test.core.database)).toEqual([])
})

afterAll(async () => {
  await on.close()
  expect(on.discord.violations).toEqual([])
})

/** A server of its own, whose manager changes its rules. */
function newServer() {
  const guildId = snowflake()
  const rule = async (what: string, values: Record<string, OptionValue> = {}): Promise<Message> =>
    on.discord.slash(`server ${what}`, values, { guildId, permissions: manageServer }).waitForReply()
  const member = { guildId, permissions: everythingElse }
  const ask = (prompt: string, from: From = {}, values: Record<string, OptionValue> = {}) =>
    on.discord.slash('flux', { prompt, ...values }, { ...member, ...from })
  const drawn = async (...asked: Parameters<typeof ask>) =>
    ask(...asked).waitForReply(({ attachments }) => attachments.length > 0)
  /** The private refusal. */
  async function refused(...asked: Parameters<typeof ask>): Promise<string> {
    const interaction = ask(...asked)
    const told = await interaction.waitForFollowUp()
    expect(told.ephemeral).toBe(true)
    expect(interaction.reply()).toBeUndefined()
    return told.content.replaceAll('\\', '')
  }
  const channel = (more = {}) => on.discord.addChannel({ guildId, ...more })
  return { guildId, member, rule, ask, drawn, refused, channel }
}

const link = (guildId: string, channel: string) => `https://discord.com/channels/${guildId}/${channel}`
const modelDrawn = async (prompt: string) => {
  const rows = await on.test.core.database.rows<{ model: string; aspect: string }>(
    sql`select model, request->>'aspect' as aspect from generations where request->>'prompt' = ${prompt}`,
  )
  return rows[0]
}

describe('the rules of a server', () => {
  it('are shown and changed in private, by people whom Discord says to manage it', async () => {
    const { guildId, member, rule } = newServer()
    const shown = await rule('show')
    expect(shown.ephemeral).toBe(true)
    expect(shown.content).toBe(
      [
        '🛠 The rules of this server',
        'Channels: all',
        'Models: all',
        'Default model: default · default ratio: default',
        'Private answers by default: off',
        'NSFW pictures in age-restricted channels: off',
      ].join('\n'),
    )
    const tries = [
      ['show', {}],
      ['channel', { channel: snowflake(), state: 'off' }],
      ['models', { models: 'usual' }],
      ['default', { model: 'usual' }],
      ['private', { state: 'on' }],
      ['nsfw', { state: 'on' }],
      ['role', { role: snowflake(), credits: 5 }],
      ['pool', { cap: 5 }],
    ] as const
    for (const [what, values] of tries) {
      for (const permissions of [everythingElse, '0']) {
        const told = await on.discord.slash(`server ${what}`, values, { guildId, permissions }).waitForReply()
        expect(told).toMatchObject({ ephemeral: true, content: `⚠️ ${en.errors.managers_only()}` })
      }
    }
    expect(
      await on.test.core.database.rows(sql`select chat from chat_rules where chat = ${`discord:${guildId}`}`),
    ).toEqual([])
    // rights in another server, or in this one before, count for nothing
    await on.discord.slash('server private', { state: 'on' }, { permissions: manageServer }).waitForReply()
    await on.discord.slash('server private', { state: 'default' }, { permissions: manageServer }).waitForReply()
    expect((await rule('show')).content).toContain('Private answers by default: off')
    // every member may fund the pool; elsewhere there is no such command
    expect((await on.discord.slash('help', {}, member).waitForReply()).content).toContain('/server')
    expect((await on.discord.slash('help', {}, { guildId: null }).waitForReply()).content).not.toContain('/server')
    expect(
      (
        await on.discord
          .slash('server show', {}, { guildId, permissions: manageServer, locale: 'zh-CN' })
          .waitForReply()
      ).content,
    ).toContain('本服务器的规则')
  })

  it('are registered as sub-commands of servers, in both languages', () => {
    const put = on.discord.requests.find(({ method, path }) => method === 'PUT' && path.endsWith('/commands'))
    const all = put?.body as { name: string; contexts: number[]; integration_types: number[]; options: never[] }[]
    const command = all.find(({ name }) => name === 'server')
    expect(command).toMatchObject({ contexts: [0], integration_types: [0] })
    expect(command?.options).toContainEqual(
      expect.objectContaining({
        type: 1,
        name: 'channel',
        name_localizations: { 'zh-CN': '频道', 'zh-TW': '频道' },
        description_localizations: expect.objectContaining({ 'zh-CN': expect.stringContaining('频道') }),
        options: [
          expect.objectContaining({ type: 3, name: 'state', required: true }),
          // categories are not offered: a rule for one would hold for none of its channels
          expect.objectContaining({
            type: 7,
            name: 'channel',
            required: false,
            channel_types: expect.not.arrayContaining([4]),
          }),
        ],
      }),
    )
  })
})

describe('channels', () => {
  it('in which the bot works are the only ones, with their threads', async () => {
    const { guildId, rule, drawn, refused, channel } = newServer()
    const [open, other] = [channel(), channel()]
    const shown = await rule('channel', { channel: open, state: 'on' })
    expect(shown.content).toContain(`Channels: only ${link(guildId, open)}`)
    await drawn('in the open one', { channelId: open })
    await drawn('in its thread', { channelId: channel({ parentId: open }) })
    const told = await refused('in another', { channelId: other })
    expect(told).toBe(`⚠️ The bot does not work in this channel. It works in: ${link(guildId, open)}`)
    expect(await refused('in a thread of another', { channelId: channel({ parentId: other }) })).toBe(told)
    // what only the person sees is answered everywhere
    const credits = on.discord.slash('credits', {}, { guildId, channelId: other, permissions: everythingElse })
    expect((await credits.waitForReply()).content).toContain('💳')
    expect((await rule('channel', { channel: open, state: 'default' })).content).toContain('Channels: all')
    await drawn('in another after that', { channelId: other })
    // after the channel was deleted, it cannot be named any more
    await rule('channel', { channel: open, state: 'on' })
    expect((await rule('channel', { state: 'on' })).content).toContain('channel')
    expect((await rule('channel', { state: 'default' })).content).toContain('Channels: all')
    expect((await rule('role', { role: guildId, credits: 5 })).content).toContain('role')
    expect((await rule('show')).content).not.toContain('5 credits a day')
  })

  it('in which the bot is off refuse requests of every kind', async () => {
    const { guildId, member, rule, drawn, refused, channel } = newServer()
    const closed = channel()
    const shown = await drawn('before', { channelId: closed })
    await rule('channel', { channel: closed, state: 'off' })
    const reason = '⚠️ The people who manage this server have turned the bot off in this channel.'
    expect(await refused('after', { channelId: closed })).toBe(reason)
    expect(await refused('in its thread', { channelId: channel({ parentId: closed }) })).toBe(reason)
    await drawn('elsewhere', { channelId: channel() })
    const pressed = on.discord.press(shown, '🎲 Again · 1 credit', member)
    expect((await pressed.waitForFollowUp()).content).toBe(reason)
    // a message is answered in a direct message, so that the channel stays quiet
    const from = { guildId, channelId: channel({ parentId: closed }) }
    on.discord.sendMessage(`<@${on.discord.applicationId}> a fox in a message`, from)
    const dm = on.discord.dmChannel(on.discord.person.id)
    await expect.poll(() => on.discord.botMessages(dm).at(-1)?.content).toBe(reason)
    expect(on.discord.botMessages(from.channelId)).toEqual([])
    // the rule holds as well where Discord does not say at once which channel the thread is part of
    on.discord.faults.add({ match: { method: 'GET', path: /\/channels\/\d+$/ }, kind: '500', times: 2 })
    on.discord.sendMessage(`<@${on.discord.applicationId}> a hare in a message`, from)
    await expect.poll(() => on.discord.botMessages(dm).filter(({ content }) => content === reason).length).toBe(2)
    expect(on.discord.botMessages(from.channelId)).toEqual([])
  })

  it('are checked again by the statement that accepts a request', async () => {
    const { guildId, rule, channel } = newServer()
    const { core } = on.test
    const [closed, parent] = [channel(), channel()]
    await rule('channel', { channel: closed, state: 'off' })
    await rule('channel', { channel: parent, state: 'off' })
    const submitIn = (place: object, model = 'usual') =>
      submit(core, {
        key: `race:${snowflake()}`,
        surface: 'discord',
        address: 'discord:/channels/1/2/-/-',
        place: { group: { id: guildId }, channel: 'x', nsfw: false, manager: true, roles: [], ...place },
        locale: 'en',
        chosen: chooseModel(core, { name: model, images: 0, words: true }),
        params: { prompt: 'a fox' },
        images: [],
        from: { id: `discord:${on.discord.person.id}`, name: 'ada' },
      })
    // no rule is asked before the statement for a request without pictures
    await expect(submitIn({ channel: closed })).rejects.toMatchObject({ kind: 'not_here' })
    await expect(submitIn({ channel: 'y', parent })).rejects.toMatchObject({ kind: 'not_here' })
    await rule('models', { models: 'fine' })
    await expect(submitIn({})).rejects.toMatchObject({ kind: 'model_not_here' })
    expect(await submitIn({}, 'fine')).toMatchObject({ fresh: true })
    await rule('models', { models: 'usual' })
    // a change that is under way when they are accepted holds for them
    const { database } = core
    const before = await database.rows(sql`select id from generations`)
    const changed = createGate()
    const changing = database.db.transaction(async (tx) => {
      await tx.execute(sql`update chat_rules set models = '["fine"]' where chat = ${`discord:${guildId}`}`)
      await changed.pass(undefined)
    })
    await changed.arrived
    const asking = Promise.allSettled(Array.from({ length: 3 }, () => submitIn({})))
    // they share one line to the database
    await waiters(1)
    changed.open()
    await changing
    const refusals = (await asking).map((each) => each.status === 'rejected' && each.reason.kind)
    expect(refusals).toEqual(['model_not_here', 'model_not_here', 'model_not_here'])
    expect(await database.rows(sql`select id from generations`)).toHaveLength(before.length)
  })
})

describe('in another process', () => {
  /** A process that posts and draws, and has no connection of its own to Discord. */
  async function another() {
    const other = await openTestCore(quickest, {
      models,
      providers: [createPlain(), createPlain({ name: 'lanczos' })],
      beside: on.test,
      limits: { welcome: 1_000, perMinute: 1_000 },
      surfaces: () => [on.another()],
    })
    await other.work()
    const dispatch = createDispatch(other.core, { commands: allCommands, actions: allActions })
    return { ...other, dispatch }
  }

  it('rules hold at once, also for a request whose pictures were being read when they changed', async () => {
    const { guildId, rule, channel } = newServer()
    const there = await another()
    const channelId = channel()
    const userId = snowflake()
    const place = { group: { id: guildId }, channel: channelId, nsfw: false, manager: false, roles: [] }
    const askThere = (prompt: string, images: readonly Attachment[] = []) => {
      const id = snowflake()
      const options = { prompt, model: 'usual' }
      return there.dispatch({
        key: `discord:${id}`,
        surface: 'discord',
        address: `discord:/channels/${channelId}/${userId}/-/-/${id}`,
        from: { id: `discord:${userId}`, name: 'ada' },
        place,
        locale: 'en',
        act: { kind: 'command', name: 'flux', text: '', options },
        images,
      })
    }
    const last = () => {
      const places = [channelId, on.discord.dmChannel(userId)]
      const said = places.flatMap((id) => on.discord.botMessages(id)).toSorted((a, b) => a.createdAt - b.createdAt)
      return said.at(-1)?.content.replaceAll('\\', '')
    }
    await askThere('a badger')
    expect(await modelDrawn('a badger')).toMatchObject({ model: 'usual' })
    await rule('models', { models: 'fine' })
    await askThere('a weasel')
    expect(last()).toBe('⚠️ usual may not draw here. Models here: fine.')
    await rule('models', { models: 'all' })
    await rule('channel', { channel: channelId, state: 'off' })
    await askThere('a weasel')
    expect(last()).toContain('have turned the bot off in this channel')
    await rule('channel', { channel: channelId, state: 'default' })
    // the rules let it pass before its picture is read, and the accepting statement does not
    const reading = createGate()
    const picture = attachment(await pngOf(64, 64))
    const load: Attachment['load'] = async (...given) => reading.pass(await picture.load(...given))
    const asking = askThere('a weasel', [{ ...picture, load }])
    await reading.arrived
    await rule('models', { models: 'fine' })
    reading.open()
    await asking
    expect(last()).toBe('⚠️ usual may not draw here. Models here: fine.')
    expect(await modelDrawn('a weasel')).toBeUndefined()
    await rule('models', { models: 'all' })
    await askThere('a weasel')
    expect(await modelDrawn('a weasel')).toMatchObject({ model: 'usual' })
    const underWay = sql`select id from generations where ended_at is null`
    await expect.poll(() => on.test.core.database.rows(underWay)).toEqual([])
    await there.close()
  })
})

/** Changes the person's own settings. */
const prefer = async (changes: Changes) => {
  const from = { id: `discord:${on.discord.person.id}`, name: 'ada' }
  await saveSettings(on.test.core, await personHolding(on.test.core, { from }), changes)
}

describe('models', () => {
  it('that may not draw are refused by name, and never chosen', async () => {
    const { guildId, member, rule, drawn, refused } = newServer()
    expect((await rule('models', { models: 'alias-of-fine, ROUGH' })).content).toContain('Models: fine, rough')
    expect(await refused('by another', {}, { model: 'usual' })).toBe(
      '⚠️ usual may not draw here. Models here: fine, rough.',
    )
    expect(await refused('by a flag --model usual')).toContain('usual may not draw')
    await drawn('by none')
    expect(await modelDrawn('by none')).toMatchObject({ model: 'fine' })
    await drawn('by name', {}, { model: 'rough' })
    // the person's own default counts where it may draw
    await prefer({ model: 'usual' })
    await drawn('by default')
    expect(await modelDrawn('by default')).toMatchObject({ model: 'fine' })
    const shown = await drawn('by default elsewhere', newServer().member)
    expect(await modelDrawn('by default elsewhere')).toMatchObject({ model: 'usual' })
    await prefer({ model: null })
    // an upscaler is no model that draws
    const enlarged = on.discord.press(shown, '🔍 Upscale · 4 credits', member)
    await enlarged.waitForReply(({ attachments }) => attachments.length > 0)
    const typed = async (focused: string, values: Record<string, OptionValue>, command = 'flux') => {
      const typing = on.discord.autocomplete(command, values, focused, { guildId, permissions: manageServer })
      await typing.waitForAck()
      return typing.choices?.map(({ value }) => value)
    }
    expect(await typed('model', { model: '' })).toEqual(['fine', 'rough'])
    expect(await typed('models', { models: '' }, 'server models')).toEqual(['usual', 'fine', 'rough', 'all'])
    expect(await typed('models', { models: 'fine, r' }, 'server models')).toEqual(['fine, rough'])
    expect((await on.discord.slash('models', {}, member).waitForReply()).content).not.toContain('usual')
    for (const [models, told] of [
      ['fine, none', 'There is no model "none"'],
      ['upscale', 'There is no model "upscale"'],
      [',', 'models'],
    ] as const) {
      expect((await rule('models', { models })).content.replaceAll('\\', '')).toContain(told)
    }
    expect((await rule('models', { models: 'all' })).content).toContain('Models: all')
    await drawn('by another after that', {}, { model: 'usual' })
  })

  it('do not bind programs', async () => {
    const { guildId, rule } = newServer()
    await rule('models', { models: 'fine' })
    const { core } = on.test
    const userId = await accountOf(core, { id: `discord:${on.discord.person.id}`, name: 'ada' })
    const holder = { userId, keyId: null, models: null, name: 'ada' }
    const asked = await askAs(core, {
      key: snowflake(),
      holder,
      locale: 'en',
      params: { prompt: guildId, model: 'usual' },
      images: [],
    } as never)
    expect(asked).toMatchObject({ fresh: true })
  })
})

describe('defaults', () => {
  it('are those of the person, then of the server, then of the service', async () => {
    const { rule, drawn } = newServer()
    await drawn('by the service')
    expect(await modelDrawn('by the service')).toMatchObject({ model: 'usual', aspect: '1:1' })
    const shown = await rule('default', { model: 'rough', ratio: '16:9' })
    expect(shown.content).toContain('Default model: rough · default ratio: 16:9')
    await drawn('by the server')
    expect(await modelDrawn('by the server')).toMatchObject({ model: 'rough', aspect: '16:9' })
    await prefer({ model: 'fine', aspect: '3:4' })
    await drawn('by the person')
    expect(await modelDrawn('by the person')).toMatchObject({ model: 'fine', aspect: '3:4' })
    await prefer({ model: null, aspect: null })
    // a default must be a model that may draw
    await rule('models', { models: 'fine' })
    expect((await rule('show')).content).toContain('Default model: default · default ratio: 16:9')
    expect((await rule('default', { model: 'rough' })).content).toContain('rough may not draw here')
    expect((await rule('default')).content).toContain('model')
    await drawn('by the rest')
    expect(await modelDrawn('by the rest')).toMatchObject({ model: 'fine', aspect: '16:9' })
  })

  it('make the acknowledgement itself private, unless the person or the request says otherwise', async () => {
    const { rule, drawn } = newServer()
    expect((await drawn('in public')).ephemeral).toBe(false)
    expect((await rule('private', { state: 'on' })).content).toContain('Private answers by default: on')
    expect((await drawn('in private')).ephemeral).toBe(true)
    expect((await drawn('in public by request', {}, { private: false })).ephemeral).toBe(false)
    await prefer({ private: false })
    expect((await drawn('in public by setting')).ephemeral).toBe(false)
    await prefer({ private: null })
    await rule('private', { state: 'default' })
    expect((await drawn('in public again')).ephemeral).toBe(false)
  })
})

describe('pictures that a provider flags', () => {
  const spoilers = (shown: Message) =>
    shown.attachments.map(({ filename, spoiler }) => [filename.startsWith('SPOILER_'), spoiler])
  const balance = async () => {
    const userId = await accountOf(on.test.core, { id: `discord:${on.discord.person.id}`, name: 'ada' })
    return (await readAccount(on.test.core, userId)).balance
  }

  it('are spoilers in age-restricted channels of a server that allows them, and refused everywhere else', async () => {
    const { guildId, member, rule, ask, drawn, channel } = newServer()
    const [adult, open] = [channel({ nsfw: true }), channel()]
    const thread = channel({ parentId: adult })
    async function moderated(from: From) {
      const before = await balance()
      await ask('a nude', from, { count: 2 }).waitForReply(
        ({ content }) => content.includes('refused this for its content'),
        20_000,
      )
      await expect.poll(balance).toBe(before)
    }
    await moderated({ channelId: adult })
    expect((await rule('nsfw', { state: 'on' })).content).toContain('NSFW pictures in age-restricted channels: on')
    const before = await balance()
    const shown = await drawn('a nude', { channelId: adult }, { count: 2 })
    expect(spoilers(shown)).toEqual([
      [true, true],
      [false, false],
    ])
    expect(await balance()).toBe(before - 2)
    expect(spoilers(await drawn('a nude', { channelId: thread }, { count: 2 }))).toEqual([
      [true, true],
      [false, false],
    ])
    expect(spoilers(await drawn('a hill', { channelId: adult }))).toEqual([[false, false]])
    for (const from of [
      { channelId: open },
      { channelId: channel({ parentId: open }) },
      { guildId: null, channelId: undefined },
      newServer().member,
    ])
      await moderated(from)
    // a message says nothing about its channel
    on.discord.sendMessage(`<@${on.discord.applicationId}> a nude --n 2`, { guildId, channelId: adult })
    await expect
      .poll(() => spoilers(on.discord.botMessages(adult).at(-1)!))
      .toEqual([
        [true, true],
        [false, false],
      ])
    // shown again, they go where they may be drawn
    const id = /#([0-9a-f]{8})/.exec(shown.content.replaceAll('\\', ''))?.[1] ?? ''
    const show = (from: From) => on.discord.slash('show', { id }, { ...member, ...from })
    expect(spoilers(await show({ channelId: adult }).waitForReply())).toEqual([
      [true, true],
      [false, false],
    ])
    for (const from of [{ channelId: open }, { guildId: null }]) {
      const told = show(from)
      await expect
        .poll(() => [told.reply(), ...told.followUps()].map((each) => each?.content))
        .toContainEqual(expect.stringContaining('marked this picture as NSFW'))
    }
    const original = on.discord.press(shown, '💾 Original', member)
    expect(spoilers(await original.waitForReply())).toEqual([
      [true, true],
      [false, false],
    ])
    await rule('nsfw', { state: 'off' })
    await moderated({ channelId: adult })
    expect((await on.discord.press(shown, '💾 Original', member).waitForReply()).content).toContain(
      'marked this picture as NSFW',
    )
  })
})

/** Waits until so many statements wait for a lock. PGlite runs one transaction at a time. */
async function waiters(count: number): Promise<void> {
  if (quickest === 'pglite') return
  const waiting = sql`select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  await expect.poll(() => on.test.core.database.rows(waiting)).toHaveLength(count)
}
