/** The emulator against the real client: discord.js 14 connects, and Discord's rules hold where a bot could break them. */

import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  ApplicationCommandType,
  type Interaction as BotInteraction,
  type ButtonInteraction,
  type ChatInputCommandInteraction,
  Client,
  type ClientOptions,
  ContextMenuCommandBuilder,
  type DiscordAPIError,
  Events,
  GatewayIntentBits,
  HTTPError,
  InteractionContextType,
  type MessageContextMenuCommandInteraction,
  MessageFlags,
  REST,
  Routes,
  SlashCommandBuilder,
  type StringSelectMenuInteraction,
  type TextChannel,
  WebhookClient,
} from 'discord.js'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { type DiscordEmulator, type From, type OptionValue, startDiscord } from './discord/index.ts'

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)

const commands = [
  new SlashCommandBuilder()
    .setName('imagine')
    .setDescription('Make a picture')
    .addStringOption((option) => option.setName('prompt').setDescription('What to see').setRequired(true))
    .addAttachmentOption((option) => option.setName('image').setDescription('To start from'))
    .addIntegerOption((option) => option.setName('seed').setDescription('Repeatable').setMinValue(0)),
  new SlashCommandBuilder()
    .setName('admin')
    .setDescription('Runs the place')
    .setDefaultMemberPermissions('0')
    .setContexts(InteractionContextType.Guild)
    .addSubcommand((sub) =>
      sub
        .setName('grant')
        .setDescription('Gives credits')
        .addUserOption((option) => option.setName('to').setDescription('Whom').setRequired(true)),
    ),
  new ContextMenuCommandBuilder().setName('Remix').setType(ApplicationCommandType.Message),
]

const specs = join(
  process.env.FLUXBOT_SPECS ?? join(import.meta.dirname, '../../../shared/specs'),
  'discord-openapi.json',
)

let discord: DiscordEmulator
let client: Client
const open: Client[] = []

async function connect(emulator: DiscordEmulator, options: Partial<ClientOptions> = {}): Promise<Client> {
  const connecting = new Client({
    intents: [GatewayIntentBits.Guilds],
    ...options,
    rest: { api: emulator.apiUrl, ...options.rest },
  })
  open.push(connecting)
  const ready = new Promise((resolve) => connecting.once(Events.ClientReady, resolve))
  await connecting.login(emulator.token)
  await Promise.all([ready, emulator.waitForBot()])
  return connecting
}

/** The next interaction the bot receives. */
function received<T extends BotInteraction>(by = client): Promise<T> {
  return new Promise((resolve) => by.once(Events.InteractionCreate, (interaction) => resolve(interaction as T)))
}

async function use(command: string, options: Record<string, OptionValue>, from?: From) {
  const arriving = received<ChatInputCommandInteraction>()
  const person = discord.slash(command, options, from)
  return { person, bot: await arriving }
}

const imagine = (from?: From) => use('imagine', { prompt: 'a fox' }, from)
const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: DiscordAPIError) => error,
  )
const button = (id: string) => ({ type: 1, components: [{ type: 2, style: 1, label: id, custom_id: id }] })

beforeAll(async () => {
  discord = await startDiscord()
  client = await connect(discord)
  await client.application!.commands.set(commands)
})

afterEach(() => discord.faults.clear())

afterAll(async () => {
  await Promise.all(open.map((each) => each.destroy()))
  await discord.stop()
})

describe('connecting', () => {
  test('discord.js logs in, sees its guild and channel, and registers commands', async () => {
    expect(client.user?.id).toBe(discord.applicationId)
    expect(client.channels.cache.get(discord.channelId)?.isTextBased()).toBe(true)
    expect(discord.commandPuts).toBe(1)
    expect(discord.commands()).toMatchObject([{ name: 'imagine' }, { default_member_permissions: '0' }, { type: 3 }])
    expect((await client.application!.commands.fetch()).size).toBe(3)
  })

  test('a wrong token is refused by REST with 401 and by the gateway with 4004', async () => {
    const wrong = new Client({ intents: [], rest: { api: discord.apiUrl } })
    await expect(wrong.login('not.the.token')).rejects.toThrow('invalid token')
    const error = await refusal(new REST({ api: discord.apiUrl }).setToken('no').get(Routes.user()))
    expect(error).toMatchObject({ status: 401 })

    const socket = new WebSocket(discord.apiUrl.replace(/^http(.*)\/api$/, 'ws$1'))
    socket.on('open', () => socket.send(JSON.stringify({ op: 2, d: { token: 'no', intents: 1 } })))
    const [code] = await once(socket, 'close')
    expect(code).toBe(4004)
  })

  test('an event sent while the connection is cut arrives after the resume, in the same session', async () => {
    const resumed = new Promise<number>((resolve) =>
      client.once(Events.ShardResume, (_id, replayed) => resolve(replayed)),
    )
    discord.dropGateway()
    const { bot } = await imagine()
    expect(bot.options.getString('prompt')).toBe('a fox')
    expect(await resumed).toBeGreaterThan(0)
  })

  test('op 7 makes the client resume', async () => {
    const resumed = new Promise((resolve) => client.once(Events.ShardResume, resolve))
    discord.reconnectGateway()
    await resumed
    await discord.waitForBot()
    expect(discord.connectedGateways()).toBe(1)
  })

  test('several shards connect from one process and each guild speaks through its own', async () => {
    const sharded = await startDiscord({ shards: 3 })
    const bot = await connect(sharded, { shards: 'auto' })
    expect(sharded.connectedGateways()).toBe(3)
    const arriving = received<ChatInputCommandInteraction>(bot)
    expect(sharded.slash('anything').deliveredTo).toBe(1)
    expect((await arriving).guildId).toBe(sharded.guildId)
    await bot.destroy()
    await sharded.stop()
  })
})

describe('interactions', () => {
  test('a slash command carries its attachment, whose bytes the CDN serves until the link expires', async () => {
    const { person, bot } = await use('imagine', {
      prompt: 'a fox',
      seed: 7,
      image: { filename: 'my fox.png', data: PNG },
    })
    const attachment = bot.options.getAttachment('image', true)
    expect(attachment).toMatchObject({
      name: 'my_fox.png',
      contentType: 'image/png',
      size: PNG.length,
      width: 1,
      height: 1,
    })
    expect(attachment.ephemeral).toBe(true)
    expect(bot.options.getInteger('seed')).toBe(7)
    expect(bot).toMatchObject({ locale: 'en-US', context: 0, attachmentSizeLimit: 10 * 1024 * 1024 })
    expect(bot.appPermissions.has('AttachFiles')).toBe(true)
    expect(Date.now() - bot.createdTimestamp).toBeLessThan(5000)

    const download = await fetch(attachment.url)
    expect(download.headers.get('content-type')).toBe('image/png')
    expect(download.headers.get('content-length')).toBe(String(PNG.length))
    expect(Buffer.from(await download.arrayBuffer())).toEqual(PNG)
    expect((await fetch(attachment.url.split('?')[0]!)).status).toBe(404)
    discord.expireAttachment(attachment.id)
    expect((await fetch(attachment.url)).status).toBe(404)
    expect(person.deliveredTo).toBe(1)
  })

  test('a deferred reply is thinking until it is edited, and files stay or go as the edit lists them', async () => {
    const { person, bot } = await imagine()
    await bot.deferReply()
    expect(person).toMatchObject({ acknowledgedWith: 5 })
    expect(person.acknowledgedMs).toBeLessThan(1000)
    expect(person.reply()).toMatchObject({ thinking: true, flags: 128 })

    const sent = await bot.editReply({
      content: 'Here',
      files: [{ attachment: PNG, name: 'fox.png', description: 'A fox' }],
    })
    const shown = await person.waitForReply()
    expect(shown).toMatchObject({ content: 'Here', thinking: false, flags: 0, edits: [] })
    expect(shown.attachments).toMatchObject([{ filename: 'fox.png', description: 'A fox', data: PNG }])
    const [request] = discord.requests.filter(({ path }) => path.endsWith('/messages/@original')).slice(-1)
    expect(request).toMatchObject({ method: 'PATCH', status: 200, files: [{ name: 'files[0]', data: PNG }] })
    expect(request!.headers.authorization).toBeUndefined()

    await bot.editReply({
      content: 'Two',
      attachments: [...sent.attachments.values()],
      files: [{ attachment: PNG, name: 'b.png' }],
    })
    expect(person.reply()!.attachments.map(({ filename }) => filename)).toEqual(['fox.png', 'b.png'])
    await bot.editReply({ content: 'One', attachments: [sent.attachments.first()!] })
    expect(person.reply()).toMatchObject({
      content: 'One',
      edits: ['Here', 'Two'],
      attachments: [{ filename: 'fox.png' }],
    })
    await bot.editReply('Still one')
    expect(person.reply()!.attachments).toHaveLength(1)
    await bot.editReply({ attachments: [] })
    expect(person.reply()!.attachments).toEqual([])
  })

  test('a file shown in an embed is not in the attachments the API returns, people see it all the same', async () => {
    const { person, bot } = await imagine()
    const response = await bot.reply({
      embeds: [{ title: 'Fox', image: { url: 'attachment://fox.png' } }],
      files: [{ attachment: PNG, name: 'fox.png' }],
      withResponse: true,
    })
    expect(response.resource?.message?.attachments.size).toBe(0)
    expect(response.resource?.message?.embeds[0]?.image).toMatchObject({ width: 1, height: 1 })
    expect(person.reply()!.attachments).toHaveLength(1)
  })

  test('a gallery of components V2 fills a deferred reply', async () => {
    const { person, bot } = await imagine()
    await bot.deferReply()
    await bot.editReply({
      flags: MessageFlags.IsComponentsV2,
      components: [{ type: 12, items: [{ media: { url: 'attachment://fox.png' } }] }],
      files: [{ attachment: PNG, name: 'fox.png' }],
    })
    expect(person.reply()).toMatchObject({ thinking: false, components: [{ items: [{ media: { width: 1 } }] }] })
    expect(person.reply()!.flags & MessageFlags.IsComponentsV2).toBeTruthy()
  })

  test('after @original is deleted a follow-up is a new message with its own flags', async () => {
    const { person, bot } = await imagine()
    await bot.deferReply()
    await bot.deleteReply()
    expect(person.reply()).toBeUndefined()
    await bot.followUp({ content: 'Only you', flags: MessageFlags.Ephemeral })
    expect(await person.waitForFollowUp()).toMatchObject({
      content: 'Only you',
      ephemeral: true,
      visibleTo: discord.person.id,
    })
    expect(await refusal(bot.editReply('gone'))).toMatchObject({ status: 404, code: 10008 })
  })

  test('the first follow-up while a reply is pending fills it and inherits its ephemerality', async () => {
    const { person, bot } = await imagine()
    await bot.deferReply({ flags: MessageFlags.Ephemeral })
    await bot.followUp('public?')
    expect(person.reply()).toMatchObject({ content: 'public?', ephemeral: true, thinking: false })
    expect(person.followUps()).toEqual([])
    await bot.followUp('really public')
    expect(person.followUps()).toMatchObject([
      { content: 'really public', ephemeral: false, replyTo: person.reply()!.id },
    ])
  })

  test('an answer after 3 seconds, or a second one, is refused', async () => {
    const tooLate = await imagine()
    discord.late(tooLate.person)
    expect(await refusal(tooLate.bot.deferReply())).toMatchObject({ status: 404, code: 10062 })
    expect(tooLate.bot.deferred).toBe(false)
    expect(await refusal(tooLate.bot.webhook.editMessage('@original', 'x'))).toMatchObject({ status: 404, code: 10015 })
    const aged = await imagine({ ageMs: 4000 })
    expect(Date.now() - aged.bot.createdTimestamp).toBeGreaterThanOrEqual(4000)
    expect(await refusal(aged.bot.reply('x'))).toMatchObject({ code: 10062 })

    const twice = await imagine()
    await twice.bot.deferReply()
    const again = Routes.interactionCallback(twice.bot.id, twice.bot.token)
    const second = client.rest.post(again, { auth: false, body: { type: 4, data: { content: 'again' } } })
    expect(await refusal(second)).toMatchObject({ status: 400, code: 40060 })
  })

  test('an expired token is refused, from any process, and the bot token survives it', async () => {
    const { person, bot } = await imagine()
    await bot.deferReply()
    const elsewhere = new WebhookClient(
      { id: discord.applicationId, token: person.token },
      { rest: { api: discord.apiUrl } },
    )
    await elsewhere.editMessage('@original', 'in time')
    expect(person.reply()?.content).toBe('in time')
    discord.expireToken(person)
    expect(await refusal(bot.editReply('late'))).toMatchObject({ status: 401, code: 50027 })
    expect(await refusal(elsewhere.editMessage('@original', 'late'))).toMatchObject({ status: 401, code: 50027 })
    expect(await client.rest.get(Routes.user())).toMatchObject({ id: discord.applicationId })
  })

  test('the same interaction delivered twice has the same id and token', async () => {
    const { person, bot } = await imagine()
    const again = received<ChatInputCommandInteraction>()
    discord.redeliver(person)
    expect(await again).toMatchObject({ id: bot.id, token: bot.token })
    await bot.reply('once')
    expect(await refusal((await again).reply('twice'))).toMatchObject({ code: 40060 })
  })

  test('buttons act on their message, ephemeral or not', async () => {
    const { person, bot } = await imagine()
    await bot.reply({ content: 'Again?', components: [button('again')], flags: MessageFlags.Ephemeral })
    const pressing = received<ButtonInteraction>()
    const press = discord.button(await person.waitForReply(), 'again')
    const pressed = await pressing
    expect(pressed).toMatchObject({
      customId: 'again',
      message: { content: 'Again?' },
      user: { id: discord.person.id },
    })
    await pressed.update({ content: 'Sure', components: [] })
    expect(person.reply()).toMatchObject({ content: 'Sure', components: [], edits: ['Again?'] })
    expect(press.acknowledgedWith).toBe(7)
    expect(() => discord.button(person.reply()!, 'again')).toThrow('has no component "again"')
  })

  test('a modal is opened and filled in', async () => {
    const { person, bot } = await imagine()
    const field = { type: 4, custom_id: 'text', style: 2, label: 'Text' }
    await bot.showModal({ custom_id: 'edit', title: 'Edit', components: [{ type: 1, components: [field] }] })
    const submitting = received()
    const submitted = discord.submitModal(person, { text: 'a red fox' })
    const modal = await submitting
    if (!modal.isModalSubmit()) throw new Error('expected a modal submit')
    expect(modal.fields.getTextInputValue('text')).toBe('a red fox')
    await modal.reply('ok')
    expect((await submitted.waitForReply()).content).toBe('ok')
  })

  test('a menu in a direct message is answered by a silent acknowledgement and an edit', async () => {
    const { person, bot } = await imagine({ guildId: null })
    expect(bot).toMatchObject({ context: 1, guildId: null })
    const menu = { type: 3, custom_id: 'size', options: [{ label: 'S', value: 's' }] }
    await bot.reply({ content: 'Which?', components: [{ type: 1, components: [menu] }] })
    const picking = received<StringSelectMenuInteraction>()
    const pick = discord.select(person.reply()!, 'size', ['s'])
    const picked = await picking
    expect(picked.values).toEqual(['s'])
    await picked.deferUpdate()
    await picked.editReply({ content: 'Small', components: [] })
    expect((await pick.waitForReply()).id).toBe(person.reply()!.id)
    expect(person.reply()).toMatchObject({ content: 'Small', edits: ['Which?'], thinking: false })
  })

  test('a message command sees its target, and a modal takes uploaded files', async () => {
    const seen = discord.sendMessage('look', { attachments: [{ filename: 'a.png', data: PNG }] })
    const arriving = received<MessageContextMenuCommandInteraction>()
    const person = discord.messageCommand('Remix', seen)
    const bot = await arriving
    expect(bot.targetMessage.attachments.first()).toMatchObject({ name: 'a.png', width: 1 })
    const upload = { type: 18, label: 'More', component: { type: 19, custom_id: 'files' } }
    await bot.showModal({ custom_id: 'remix', title: 'Remix', components: [upload] })
    const submitting = received()
    discord.submitModal(person, { files: [{ filename: 'b.png', data: PNG }] })
    const modal = await submitting
    if (!modal.isModalSubmit()) throw new Error('expected a modal submit')
    expect(modal.fields.getUploadedFiles('files')?.first()).toMatchObject({ name: 'b.png', ephemeral: true })
  })

  test('autocomplete shows the choices the bot sends', async () => {
    const typing = received()
    const person = discord.autocomplete('imagine', { prompt: 'fo' }, 'prompt')
    const asked = await typing
    if (!asked.isAutocomplete()) throw new Error('expected autocomplete')
    expect(asked.options.getFocused()).toBe('fo')
    await asked.respond([{ name: 'fox', value: 'fox' }])
    await person.waitForAck()
    expect(person.choices).toEqual([{ name: 'fox', value: 'fox' }])
  })

  test('what Discord would not let a person send is refused here too', async () => {
    expect(() => discord.slash('imagine', {})).toThrow('requires the option "prompt"')
    expect(() => discord.slash('imagine', { prompt: 'x', size: 1 })).toThrow('no option "size"')
    expect(() => discord.slash('imagine', { prompt: 'x', seed: -1 })).toThrow('below 0')
    expect(() => discord.slash('imagin', { prompt: 'x' })).toThrow('no command "imagin"')
    expect(() => discord.slash('admin grant', { to: '1' }, { guildId: null })).toThrow('not available in context 1')
    const { bot } = await use('admin grant', { to: discord.person.id })
    expect([bot.options.getSubcommand(), bot.options.getUser('to')?.id]).toEqual(['grant', discord.person.id])
  })

  test('a person who installed the app alone gets five follow-ups, and the bot cannot reach the channel', async () => {
    const { person, bot } = await imagine({
      guildId: '81384788765712384',
      installs: 'user',
      userId: '80351110224678912',
    })
    expect(bot.authorizingIntegrationOwners.toJSON()).toEqual({ 1: '80351110224678912' })
    expect(bot.appPermissions.has('SendMessages')).toBe(false)
    await bot.reply('1')
    for (const text of ['2', '3', '4', '5', '6']) await bot.followUp(text)
    expect(await refusal(bot.followUp('7'))).toMatchObject({ status: 400, code: 40094 })
    expect(person.followUps()).toHaveLength(5)
    const direct = client.rest.post(Routes.channelMessages(bot.channelId!), { body: { content: 'x' } })
    expect(await refusal(direct)).toMatchObject({ status: 403, code: 50001 })
  })
})

describe('channels', () => {
  const channel = () => client.channels.cache.get(discord.channelId) as TextChannel

  test('the same nonce sends one message', async () => {
    const send = () => channel().send({ content: 'Done', nonce: 'job-1', enforceNonce: true })
    const [first, second] = [await send(), await send()]
    expect(second.id).toBe(first.id)
    expect(discord.messages().filter(({ nonce }) => nonce === 'job-1')).toHaveLength(1)
    await first.edit('Done!')
    expect(discord.messages().at(-1)).toMatchObject({ content: 'Done!', edits: ['Done'] })
    await first.delete()
    expect(await refusal(send())).toMatchObject({ status: 404, code: 10008 })
  })

  test('only those named in allowed_mentions are notified', async () => {
    const content = `<@${discord.person.id}> <@80351110224678912> @everyone`
    await channel().send({ content, allowedMentions: { users: [discord.person.id] } })
    expect(discord.messages().at(-1)).toMatchObject({ mentions: [discord.person.id], mentionsEveryone: false })
    await channel().send(content)
    expect(discord.messages().at(-1)).toMatchObject({ mentions: { length: 2 }, mentionsEveryone: true })
  })

  test('closed channels and direct messages are refused with their codes', async () => {
    const id = discord.addChannel({ denied: 50013 })
    const send = (to: string) => refusal(client.rest.post(Routes.channelMessages(to), { body: { content: 'x' } }))
    expect(await send(id)).toMatchObject({ status: 403, code: 50013 })
    discord.denyChannel(id, 50001)
    expect(await send(id)).toMatchObject({ status: 403, code: 50001 })
    discord.denyChannel(id, undefined)
    expect(await send(id)).toBeUndefined()
    expect(await send('1')).toMatchObject({ status: 404, code: 10003 })

    const person = await client.users.fetch(discord.person.id)
    await person.send('hello')
    expect(discord.messages(discord.dmChannel(person.id)).at(-1)).toMatchObject({ content: 'hello', guildId: null })
    discord.closeDms(person.id)
    expect(await refusal(person.send('again'))).toMatchObject({ status: 403, code: 50007 })
  })

  test('files above the limit and requests above 25 MiB are refused with 413', async () => {
    const { bot } = await imagine({ attachmentSizeLimit: 1000 })
    await bot.deferReply()
    const big = (bytes: number) => ({ files: [{ attachment: Buffer.alloc(bytes), name: 'a.bin' }] })
    expect(await refusal(bot.editReply(big(1001)))).toMatchObject({ status: 413, code: 40005 })
    await bot.editReply(big(1000))
    expect(await refusal(channel().send(big(10 * 1024 * 1024 + 1)))).toMatchObject({ status: 413, code: 40005 })
    expect(await refusal(channel().send(big(26 * 1024 * 1024)))).toMatchObject({ status: 413, code: 40005 })
  })

  test('messages reach a bot that asked for them, without content unless it is addressed', async () => {
    const { Guilds, GuildMessages, DirectMessages } = GatewayIntentBits
    const reader = await connect(discord, { intents: [Guilds, GuildMessages, DirectMessages] })
    const heard: string[] = []
    const third = new Promise<void>((resolve) =>
      reader.on(Events.MessageCreate, ({ content, attachments }) => {
        heard.push(`${content}+${attachments.size}`)
        if (heard.length === 3) resolve()
      }),
    )
    const attachments = [{ filename: 'a.png', data: PNG }]
    discord.sendMessage('among us', { attachments })
    discord.sendMessage(`<@${discord.botUser.id}> a fox`, { attachments })
    discord.sendMessage('psst', { guildId: discord.guildId, userId: discord.applicationId })
    await third
    expect(heard).toEqual(['+0', `<@${discord.botUser.id}> a fox+1`, 'psst+0'])
    await reader.destroy()
  })
})

describe('faults', () => {
  const path = /@original$/

  test('a 429 is waited out and retried', async () => {
    const { person, bot } = await imagine()
    await bot.deferReply()
    discord.faults.add({ match: { path }, kind: '429', times: 1, retryAfterSeconds: 0.05 })
    await bot.editReply('made it')
    expect(person.reply()?.content).toBe('made it')
    const statuses = discord.requests
      .filter((request) => request.path.includes(person.token))
      .map(({ status }) => status)
    expect(statuses).toEqual([204, 429, 200])
  })

  test('a lost reply: it happened, but the bot does not know', async () => {
    const before = discord.messages().length
    discord.faults.add({ match: { method: 'POST', path: /\/channels\/\d+\/messages$/ }, kind: 'dropAfter', times: 1 })
    const send = () =>
      (client.channels.cache.get(discord.channelId) as TextChannel).send({
        content: 'x',
        nonce: 'n-1',
        enforceNonce: true,
      })
    expect(await refusal(send())).toMatchObject({ message: 'other side closed' })
    expect(discord.messages()).toHaveLength(before + 1)
    await send()
    expect(discord.messages()).toHaveLength(before + 1)
    expect(discord.requests.at(-2)).toMatchObject({ fault: 'dropAfter', status: 0 })
  })

  test('a request that never arrived, error pages, time-outs and lateness', async () => {
    const { person, bot } = await imagine()
    discord.faults.add({ match: { path: /callback$/ }, kind: 'dropBefore', times: 1 })
    await refusal(bot.deferReply())
    expect(person.acknowledgedWith).toBeUndefined()

    const rest = new REST({ api: discord.apiUrl, retries: 0, timeout: 100 }).setToken(discord.token)
    const attempt = (kind: '500' | '502html' | 'hang' | 'delayAfter') => {
      discord.faults.add({ kind, times: 1 })
      return refusal(rest.get(Routes.user()))
    }
    expect(await attempt('500')).toBeInstanceOf(HTTPError)
    expect(await attempt('502html')).toMatchObject({ status: 502 })
    expect(await attempt('hang')).toMatchObject({ name: 'AbortError' })
    expect(await attempt('delayAfter')).toMatchObject({ name: 'AbortError' })
    discord.faults.add({ kind: 'delay', ms: 20 })
    expect(await refusal(rest.get(Routes.user()))).toBeUndefined()
    expect(discord.faults.hits.slice(-5).map(({ kind }) => kind)).toEqual([
      '500',
      '502html',
      'hang',
      'delayAfter',
      'delay',
    ])
  })
})

describe('the schema oracle', () => {
  test('finds nothing wrong with all of the above', () => {
    expect(discord.violations).toEqual([])
  })

  test.skipIf(!existsSync(specs))('catches what the OpenAPI knows', async () => {
    const strict = await startDiscord()
    const rest = new REST({ api: strict.apiUrl }).setToken(strict.token)
    const say = (body: unknown) => refusal(rest.post(Routes.channelMessages(strict.channelId), { body }))
    const row = {
      type: 1,
      components: [1, 2, 3, 4, 5, 6].map((n) => ({ type: 2, style: 1, custom_id: `${n}`, label: 'x' })),
    }
    expect(await say({ content: 'x', components: [row] })).toMatchObject({ status: 400, code: 50035 })
    expect(strict.violations.join('\n')).toMatch('must NOT have more than 5 items')
    await say({ content: 'x', embeds: [{ title: 'x'.repeat(257) }] })
    expect(strict.violations.join('\n')).toMatch('/embeds/0/title must NOT have more than 256 characters')
    await strict.stop()
  })

  test('catches by hand what the OpenAPI misses, also without the file', async () => {
    const strict = await startDiscord({ specPath: '/nowhere' })
    const rest = new REST({ api: strict.apiUrl }).setToken(strict.token)
    const say = (body: unknown) => refusal(rest.post(Routes.channelMessages(strict.channelId), { body }))
    expect(await say({ content: 'x'.repeat(2001) })).toMatchObject({ status: 400, code: 50035 })
    expect(await say({ components: [1, 2, 3, 4, 5, 6].map((n) => button(`${n}`)) })).toMatchObject({ code: 50035 })
    expect(await say({ content: 'x', nonce: 'n'.repeat(26) })).toMatchObject({ code: 50035 })
    expect(await say({ content: '' })).toMatchObject({ code: 50006 })
    expect(strict.violations).toHaveLength(3)
    expect(strict.messages()).toEqual([])
    await strict.stop()
  })
})
