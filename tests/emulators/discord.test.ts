/** The emulator with discord.js: gateway, interactions, channels, faults and the checks of requests. */
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  type ChatInputCommandInteraction,
  Client,
  Events,
  GatewayIntentBits,
  HTTPError,
  MessageFlags,
  REST,
  Routes,
  type TextChannel,
  WebhookClient,
} from 'discord.js'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { buttonRow, connectBot, errorOf, png, registerCommands, type TestBot } from './discord/bot.ts'
import { type DiscordEmulator, startDiscord } from './discord/index.ts'

const specs = join(
  process.env.FLUXBOT_SPECS ?? join(import.meta.dirname, '../../../shared/specs'),
  'discord-openapi.json',
)

let discord: DiscordEmulator
let testBot: TestBot
let client: Client

beforeAll(async () => {
  discord = await startDiscord()
  testBot = await connectBot(discord)
  client = testBot.client
  await registerCommands(testBot)
})

afterEach(() => discord.faults.clear())

afterAll(async () => {
  await testBot.stop()
  await discord.stop()
})

describe('the gateway', () => {
  test('lets discord.js log in, see its guild and channel, and register commands', async () => {
    expect(client.user?.id).toBe(discord.applicationId)
    expect(client.channels.cache.get(discord.channelId)?.isTextBased()).toBe(true)
    expect(discord.commandPuts).toBe(1)
    expect(discord.commands()).toMatchObject([{ name: 'imagine' }, { default_member_permissions: '0' }, { type: 3 }])
    expect((await client.application!.commands.fetch()).size).toBe(3)
  })

  test('rejects a wrong token with 4004, as REST does with 401', async () => {
    const wrong = new Client({ intents: [], rest: { api: discord.apiUrl } })
    await expect(wrong.login('not.the.token')).rejects.toThrow('invalid token')
    const error = await errorOf(new REST({ api: discord.apiUrl }).setToken('no').get(Routes.user()))
    expect(error).toMatchObject({ status: 401 })

    const socket = new WebSocket(discord.apiUrl.replace(/^http(.*)\/api$/, 'ws$1'))
    socket.on('open', () => socket.send(JSON.stringify({ op: 2, d: { token: 'no', intents: 1 } })))
    const [code] = await once(socket, 'close')
    expect(code).toBe(4004)
  })

  test('sends an event of a dropped connection after the client has resumed', async () => {
    const resumed = new Promise<number>((resolve) =>
      client.once(Events.ShardResume, (_id, replayed) => resolve(replayed)),
    )
    discord.dropGateway()
    const { bot } = await testBot.imagine()
    expect(bot.options.getString('prompt')).toBe('a fox')
    expect(await resumed).toBeGreaterThan(0)
  })

  test('makes the client resume with op 7', async () => {
    const resumed = new Promise((resolve) => client.once(Events.ShardResume, resolve))
    discord.reconnectGateway()
    await resumed
    await discord.waitForBot()
    expect(discord.connectedGateways()).toBe(1)
  })

  test('sends the events of a guild to its shard', async () => {
    const sharded = await startDiscord({ shards: 3 })
    const threeShards = await connectBot(sharded, { shards: 'auto' })
    expect(sharded.connectedGateways()).toBe(3)
    const arriving = threeShards.received<ChatInputCommandInteraction>()
    expect(sharded.slash('anything').deliveredTo).toBe(1)
    expect((await arriving).guildId).toBe(sharded.guildId)
    await threeShards.stop()
    await sharded.stop()
  })
})

describe('an interaction', () => {
  test('has the attachment of a slash command, which the CDN serves until the link expires', async () => {
    const { person, bot } = await testBot.use('imagine', {
      prompt: 'a fox',
      seed: 7,
      image: { filename: 'my fox.png', data: png },
    })
    const attachment = bot.options.getAttachment('image', true)
    expect(attachment).toMatchObject({
      name: 'my_fox.png',
      contentType: 'image/png',
      size: png.length,
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
    expect(download.headers.get('content-length')).toBe(String(png.length))
    expect(Buffer.from(await download.arrayBuffer())).toEqual(png)
    expect((await fetch(attachment.url.split('?')[0]!)).status).toBe(404)
    discord.expireAttachment(attachment.id)
    expect((await fetch(attachment.url)).status).toBe(404)
    expect(person.deliveredTo).toBe(1)
  })

  test('has a deferred reply that is thinking until it is edited, and keeps the files that an edit lists', async () => {
    const { person, bot } = await testBot.imagine()
    await bot.deferReply()
    expect(person).toMatchObject({ acknowledgedWith: 5 })
    expect(person.acknowledgedMs).toBeLessThan(3000)
    expect(person.reply()).toMatchObject({ thinking: true, flags: 128 })

    const sent = await bot.editReply({
      content: 'Here',
      files: [{ attachment: png, name: 'fox.png', description: 'A fox' }],
    })
    const shown = await person.waitForReply()
    expect(shown).toMatchObject({ content: 'Here', thinking: false, flags: 0, edits: [] })
    expect(shown.attachments).toMatchObject([{ filename: 'fox.png', description: 'A fox', data: png }])
    const [request] = discord.requests.filter(({ path }) => path.endsWith('/messages/@original')).slice(-1)
    expect(request).toMatchObject({ method: 'PATCH', status: 200, files: [{ name: 'files[0]', data: png }] })
    expect(request!.headers.authorization).toBeUndefined()

    await bot.editReply({
      content: 'Two',
      attachments: [...sent.attachments.values()],
      files: [{ attachment: png, name: 'b.png' }],
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

  test('in a channel keeps, removes and replaces its files as the attachments of an edit say', async () => {
    const { rest } = testBot.client
    const file = (name: string, key: string) => ({ name, key, data: png, contentType: 'image/png' })
    const posted = (await rest.post(Routes.channelMessages(discord.channelId), {
      body: { content: 'Here' },
      files: [file('a.png', '0'), file('b.png', '1')].map(({ key: _key, ...each }) => each),
    })) as { id: string; attachments: { id: string; filename: string }[] }
    const route = Routes.channelMessage(discord.channelId, posted.id)
    const edit = async (body: object, ...files: ReturnType<typeof file>[]) => {
      const { attachments } = (await rest.patch(route, { body, files })) as typeof posted
      return attachments.map(({ id, filename }) => [id, filename])
    }
    const [a, b] = posted.attachments.map(({ id, filename }) => [id, filename])
    expect(await edit({ content: 'There' })).toEqual([a, b])
    const c = [expect.any(String), 'c.png']
    // without a list, a file is added; with one, what is not in it is removed or left out
    expect(await edit({}, file('c.png', 'files[0]'))).toEqual([a, b, c])
    expect(await edit({ attachments: [{ id: b![0] }, { id: '0' }] }, file('d.png', 'files[0]'))).toEqual([
      b,
      [expect.any(String), 'd.png'],
    ])
    expect(await edit({ attachments: [{ id: b![0] }] }, file('e.png', 'files[0]'))).toEqual([b])
    expect(await errorOf(edit({ attachments: [{ id: a![0] }] }))).toMatchObject({ code: 50035, status: 400 })
    expect(discord.violations.splice(0)).toEqual([expect.stringContaining('ATTACHMENT_NOT_FOUND')])
    expect(await edit({ attachments: [] })).toEqual([])
    expect(discord.botMessages().at(-1)).toMatchObject({ id: posted.id, content: 'There', attachments: [] })
  })

  test('shows a file in an embed without listing it in the attachments of the API', async () => {
    const { person, bot } = await testBot.imagine()
    const response = await bot.reply({
      embeds: [{ title: 'Fox', image: { url: 'attachment://fox.png' } }],
      files: [{ attachment: png, name: 'fox.png' }],
      withResponse: true,
    })
    expect(response.resource?.message?.attachments.size).toBe(0)
    expect(response.resource?.message?.embeds[0]?.image).toMatchObject({ width: 1, height: 1 })
    expect(person.reply()!.attachments).toHaveLength(1)
  })

  test('has a deferred reply that becomes a gallery of components V2', async () => {
    const { person, bot } = await testBot.imagine()
    await bot.deferReply()
    await bot.editReply({
      flags: MessageFlags.IsComponentsV2,
      components: [{ type: 12, items: [{ media: { url: 'attachment://fox.png' } }] }],
      files: [{ attachment: png, name: 'fox.png' }],
    })
    expect(person.reply()).toMatchObject({ thinking: false, components: [{ items: [{ media: { width: 1 } }] }] })
    expect(person.reply()!.flags & MessageFlags.IsComponentsV2).toBeTruthy()
  })

  test('creates a follow-up with its own flags after @original was deleted', async () => {
    const { person, bot } = await testBot.imagine()
    await bot.deferReply()
    await bot.deleteReply()
    expect(person.reply()).toBeUndefined()
    await bot.followUp({ content: 'Only you', flags: MessageFlags.Ephemeral })
    expect(await person.waitForFollowUp()).toMatchObject({
      content: 'Only you',
      ephemeral: true,
      visibleTo: discord.person.id,
    })
    expect(await errorOf(bot.editReply('gone'))).toMatchObject({ status: 404, code: 10008 })
  })

  test('uses the first follow-up as the deferred reply, as ephemeral as that is', async () => {
    const { person, bot } = await testBot.imagine()
    await bot.deferReply({ flags: MessageFlags.Ephemeral })
    await bot.followUp('public?')
    expect(person.reply()).toMatchObject({ content: 'public?', ephemeral: true, thinking: false })
    expect(person.followUps()).toEqual([])
    await bot.followUp('really public')
    expect(person.followUps()).toMatchObject([
      { content: 'really public', ephemeral: false, replyTo: person.reply()!.id },
    ])
  })

  test('rejects a callback after 3 seconds, and a second one', async () => {
    const tooLate = await testBot.imagine()
    discord.late(tooLate.person)
    expect(await errorOf(tooLate.bot.deferReply())).toMatchObject({ status: 404, code: 10062 })
    expect(tooLate.bot.deferred).toBe(false)
    expect(await errorOf(tooLate.bot.webhook.editMessage('@original', 'x'))).toMatchObject({ status: 404, code: 10015 })
    const aged = await testBot.imagine({ ageMs: 4000 })
    expect(Date.now() - aged.bot.createdTimestamp).toBeGreaterThanOrEqual(4000)
    expect(await errorOf(aged.bot.reply('x'))).toMatchObject({ code: 10062 })

    const twice = await testBot.imagine()
    await twice.bot.deferReply()
    const again = Routes.interactionCallback(twice.bot.id, twice.bot.token)
    const second = client.rest.post(again, { auth: false, body: { type: 4, data: { content: 'again' } } })
    expect(await errorOf(second)).toMatchObject({ status: 400, code: 40060 })
  })

  test('rejects an expired token from every process without invalidating the bot token', async () => {
    const { person, bot } = await testBot.imagine()
    await bot.deferReply()
    const elsewhere = new WebhookClient(
      { id: discord.applicationId, token: person.token },
      { rest: { api: discord.apiUrl } },
    )
    await elsewhere.editMessage('@original', 'in time')
    expect(person.reply()?.content).toBe('in time')
    discord.expireToken(person)
    expect(await errorOf(bot.editReply('late'))).toMatchObject({ status: 401, code: 50027 })
    expect(await errorOf(elsewhere.editMessage('@original', 'late'))).toMatchObject({ status: 401, code: 50027 })
    expect(await client.rest.get(Routes.user())).toMatchObject({ id: discord.applicationId })
  })

  test('has the same id and token when it is delivered twice', async () => {
    const { person, bot } = await testBot.imagine()
    const again = testBot.received<ChatInputCommandInteraction>()
    discord.redeliver(person)
    expect(await again).toMatchObject({ id: bot.id, token: bot.token })
    await bot.reply('once')
    expect(await errorOf((await again).reply('twice'))).toMatchObject({ code: 40060 })
  })

  test('shows the choices of autocomplete', async () => {
    const typing = testBot.received()
    const person = discord.autocomplete('imagine', { prompt: 'fo' }, 'prompt')
    const asked = await typing
    if (!asked.isAutocomplete()) throw new Error('expected autocomplete')
    expect(asked.options.getFocused()).toBe('fo')
    await asked.respond([{ name: 'fox', value: 'fox' }])
    await person.waitForAck()
    expect(person.choices).toEqual([{ name: 'fox', value: 'fox' }])
  })

  test('is not created for what Discord does not let a person send', async () => {
    expect(() => discord.slash('imagine', {})).toThrow('requires the option "prompt"')
    expect(() => discord.slash('imagine', { prompt: 'x', size: 1 })).toThrow('no option "size"')
    expect(() => discord.slash('imagine', { prompt: 'x', seed: -1 })).toThrow('below 0')
    expect(() => discord.slash('imagin', { prompt: 'x' })).toThrow('no command "imagin"')
    expect(() => discord.slash('admin grant', { to: '1' }, { guildId: null })).toThrow('not available in context 1')
    const { bot } = await testBot.use('admin grant', { to: discord.person.id })
    expect([bot.options.getSubcommand(), bot.options.getUser('to')?.id]).toEqual(['grant', discord.person.id])
  })

  test('of a user install allows five follow-ups and no access to the channel', async () => {
    const { person, bot } = await testBot.imagine({
      guildId: '81384788765712384',
      installs: 'user',
      userId: '80351110224678912',
    })
    expect(bot.authorizingIntegrationOwners.toJSON()).toEqual({ 1: '80351110224678912' })
    expect(bot.appPermissions.has('SendMessages')).toBe(false)
    await bot.reply('1')
    for (const text of ['2', '3', '4', '5', '6']) await bot.followUp(text)
    expect(await errorOf(bot.followUp('7'))).toMatchObject({ status: 400, code: 40094 })
    expect(person.followUps()).toHaveLength(5)
    const direct = client.rest.post(Routes.channelMessages(bot.channelId!), { body: { content: 'x' } })
    expect(await errorOf(direct)).toMatchObject({ status: 403, code: 50001 })
  })
})

describe('a channel', () => {
  const channel = () => client.channels.cache.get(discord.channelId) as TextChannel

  test('creates one message for a nonce', async () => {
    const send = () => channel().send({ content: 'Done', nonce: 'job-1', enforceNonce: true })
    const [first, second] = [await send(), await send()]
    expect(second.id).toBe(first.id)
    expect(discord.messages().filter(({ nonce }) => nonce === 'job-1')).toHaveLength(1)
    await first.edit('Done!')
    expect(discord.messages().at(-1)).toMatchObject({ content: 'Done!', edits: ['Done'] })
    await first.delete()
    expect(await errorOf(send())).toMatchObject({ status: 404, code: 10008 })
  })

  test('notifies the users that allowed_mentions permits', async () => {
    const content = `<@${discord.person.id}> <@80351110224678912> @everyone`
    await channel().send({ content, allowedMentions: { users: [discord.person.id] } })
    expect(discord.messages().at(-1)).toMatchObject({ mentions: [discord.person.id], mentionsEveryone: false })
    await channel().send(content)
    expect(discord.messages().at(-1)).toMatchObject({ mentions: { length: 2 }, mentionsEveryone: true })
  })

  test('rejects messages without access, without permission and to a person who closed direct messages', async () => {
    const id = discord.addChannel({ denied: 50013 })
    const send = (to: string) => errorOf(client.rest.post(Routes.channelMessages(to), { body: { content: 'x' } }))
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
    expect(await errorOf(person.send('again'))).toMatchObject({ status: 403, code: 50007 })
  })

  test('rejects files over the limit and requests over 25 MiB with 413', async () => {
    const { bot } = await testBot.imagine({ attachmentSizeLimit: 1000 })
    await bot.deferReply()
    const big = (bytes: number) => ({ files: [{ attachment: Buffer.alloc(bytes), name: 'a.bin' }] })
    expect(await errorOf(bot.editReply(big(1001)))).toMatchObject({ status: 413, code: 40005 })
    await bot.editReply(big(1000))
    expect(await errorOf(channel().send(big(10 * 1024 * 1024 + 1)))).toMatchObject({ status: 413, code: 40005 })
    expect(await errorOf(channel().send(big(26 * 1024 * 1024)))).toMatchObject({ status: 413, code: 40005 })
  })

  test('sends message events by intent, with content only if the bot is addressed', async () => {
    const { Guilds, GuildMessages, DirectMessages } = GatewayIntentBits
    const reader = await connectBot(discord, { intents: [Guilds, GuildMessages, DirectMessages] })
    const seen: string[] = []
    const third = new Promise<void>((resolve) =>
      reader.client.on(Events.MessageCreate, ({ content, attachments }) => {
        seen.push(`${content}+${attachments.size}`)
        if (seen.length === 3) resolve()
      }),
    )
    const attachments = [{ filename: 'a.png', data: png }]
    discord.sendMessage('among us', { attachments })
    discord.sendMessage(`<@${discord.botUser.id}> a fox`, { attachments })
    discord.sendMessage('psst', { guildId: discord.guildId, userId: discord.applicationId })
    await third
    expect(seen).toEqual(['+0', `<@${discord.botUser.id}> a fox+1`, 'psst+0'])
    await reader.stop()
  })
})

describe('a fault', () => {
  const path = /@original$/

  test('of kind 429 makes the client wait and retry', async () => {
    const { person, bot } = await testBot.imagine()
    await bot.deferReply()
    discord.faults.add({ match: { path }, kind: '429', times: 1, retryAfterSeconds: 0.05 })
    await bot.editReply('done')
    expect(person.reply()?.content).toBe('done')
    const statuses = discord.requests
      .filter((request) => request.path.includes(person.token))
      .map(({ status }) => status)
    expect(statuses).toEqual([204, 429, 200])
  })

  test('of kind dropAfter processes the request and loses the response', async () => {
    const before = discord.messages().length
    discord.faults.add({ match: { method: 'POST', path: /\/channels\/\d+\/messages$/ }, kind: 'dropAfter', times: 1 })
    const send = () =>
      (client.channels.cache.get(discord.channelId) as TextChannel).send({
        content: 'x',
        nonce: 'n-1',
        enforceNonce: true,
      })
    expect(await errorOf(send())).toMatchObject({ message: 'other side closed' })
    expect(discord.messages()).toHaveLength(before + 1)
    await send()
    expect(discord.messages()).toHaveLength(before + 1)
    expect(discord.requests.at(-2)).toMatchObject({ fault: 'dropAfter', status: 0 })
  })

  test('drops, fails, delays and hangs requests', async () => {
    const { person, bot } = await testBot.imagine()
    discord.faults.add({ match: { path: /callback$/ }, kind: 'dropBefore', times: 1 })
    await errorOf(bot.deferReply())
    expect(person.acknowledgedWith).toBeUndefined()

    const rest = new REST({ api: discord.apiUrl, retries: 0, timeout: 100 }).setToken(discord.token)
    const attempt = (kind: '500' | '502html' | 'hang' | 'delayAfter') => {
      discord.faults.add({ kind, times: 1 })
      return errorOf(rest.get(Routes.user()))
    }
    expect(await attempt('500')).toBeInstanceOf(HTTPError)
    expect(await attempt('502html')).toMatchObject({ status: 502 })
    expect(await attempt('hang')).toMatchObject({ name: 'AbortError' })
    expect(await attempt('delayAfter')).toMatchObject({ name: 'AbortError' })
    discord.faults.add({ kind: 'delay', ms: 20 })
    expect(await errorOf(rest.get(Routes.user()))).toBeUndefined()
    expect(discord.faults.hits.slice(-5).map(({ kind }) => kind)).toEqual([
      '500',
      '502html',
      'hang',
      'delayAfter',
      'delay',
    ])
  })
})

describe('the check of requests', () => {
  test('finds no violation in the tests above', () => {
    expect(discord.violations).toEqual([])
  })

  test.skipIf(!existsSync(specs))('reports violations of the OpenAPI document', async () => {
    const strict = await startDiscord()
    const rest = new REST({ api: strict.apiUrl }).setToken(strict.token)
    const say = (body: unknown) => errorOf(rest.post(Routes.channelMessages(strict.channelId), { body }))
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

  test('reports violations of other limits, also without the document', async () => {
    const strict = await startDiscord({ specPath: '/nowhere' })
    const rest = new REST({ api: strict.apiUrl }).setToken(strict.token)
    const say = (body: unknown) => errorOf(rest.post(Routes.channelMessages(strict.channelId), { body }))
    expect(await say({ content: 'x'.repeat(2001) })).toMatchObject({ status: 400, code: 50035 })
    expect(await say({ components: [1, 2, 3, 4, 5, 6].map((n) => buttonRow(`${n}`)) })).toMatchObject({ code: 50035 })
    expect(await say({ content: 'x', nonce: 'n'.repeat(26) })).toMatchObject({ code: 50035 })
    expect(await say({ content: '' })).toMatchObject({ code: 50006 })
    expect(strict.violations).toHaveLength(3)
    expect(strict.messages()).toEqual([])
    await strict.stop()
  })
})
