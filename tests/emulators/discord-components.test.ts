/** The emulator with discord.js: buttons, menus and modals, also with two bot processes. */
import {
  type Interaction as BotInteraction,
  type ButtonInteraction,
  type MessageContextMenuCommandInteraction,
  MessageFlags,
  type ModalSubmitInteraction,
  Routes,
  type StringSelectMenuInteraction,
  type TextChannel,
} from 'discord.js'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { buttonRow, connectBot, errorOf, png, registerCommands, type TestBot } from './discord/bot.ts'
import { type DiscordEmulator, type From, type Message, startDiscord } from './discord/index.ts'

const BOB = '80351110224678912'

let discord: DiscordEmulator
let testBot: TestBot

beforeAll(async () => {
  discord = await startDiscord()
  testBot = await connectBot(discord)
  await registerCommands(testBot)
})

afterEach(() => expect(discord.violations).toEqual([]))

afterAll(async () => {
  await testBot.stop()
  await discord.stop()
})

/** Presses a button and waits until the bot has received the interaction. */
async function press(message: Message, button: string, from?: From) {
  const arriving = testBot.received<ButtonInteraction>()
  const person = discord.press(message, button, from)
  return { person, bot: await arriving }
}

/** A public message with one button, as the response to a slash command. */
async function withButton(from?: From) {
  const { person, bot } = await testBot.imagine(from)
  await bot.reply({ content: 'Done', components: [buttonRow('again')], files: [{ attachment: png, name: 'fox.png' }] })
  return { shown: person.reply()!, now: () => person.reply()! }
}

describe('a button', () => {
  test('is shown with its label, id, style and link', async () => {
    const { person, bot } = await testBot.imagine()
    const rows = [
      [
        { type: 2, style: 1, label: 'Again', custom_id: 'v1:again:7' },
        { type: 2, style: 2, label: 'More', custom_id: 'v1:more:7' },
        { type: 2, style: 4, label: 'Delete', custom_id: 'v1:delete:7', disabled: true },
      ],
      [{ type: 2, style: 5, label: 'Open', url: 'https://example.com/7' }],
    ]
    await bot.reply({ components: rows.map((components) => ({ type: 1, components })) })
    const shown = person.reply()!
    expect(shown.buttons).toEqual([
      [
        { label: 'Again', id: 'v1:again:7', style: 'primary' },
        { label: 'More', id: 'v1:more:7' },
        { label: 'Delete', id: 'v1:delete:7', style: 'danger', disabled: true },
      ],
      [{ label: 'Open', url: 'https://example.com/7' }],
    ])
    const refused = { Delete: 'is disabled', Open: 'sends nothing to the bot', Vary: 'there are: "Again" (v1:again:7)' }
    for (const [label, problem] of Object.entries(refused)) expect(() => discord.press(shown, label)).toThrow(problem)
  })

  test('sends its id, message, place and the person who pressed it', async () => {
    const { shown } = await withButton()
    const { person, bot } = await press(shown, 'again', { userId: BOB, roles: ['81384788765712384'], locale: 'zh-CN' })
    expect(person.payload).toMatchObject({
      type: 3,
      data: { custom_id: 'again', component_type: 2 },
      message: { id: shown.id, content: 'Done', interaction_metadata: { user: { id: discord.person.id } } },
      guild_id: discord.guildId,
      channel: { id: discord.channelId, nsfw: false },
      member: { user: { id: BOB }, roles: ['81384788765712384'] },
      locale: 'zh-CN',
      context: 0,
      entitlements: [],
      authorizing_integration_owners: { 0: discord.guildId },
      attachment_size_limit: 10 * 1024 * 1024,
    })
    expect(person.payload).not.toHaveProperty('user')
    expect(bot.appPermissions.has(['SendMessages', 'AttachFiles'])).toBe(true)
    expect(bot).toMatchObject({ user: { id: BOB }, customId: 'again', message: { id: shown.id } })
    await bot.deferUpdate()
  })

  test('in a direct message sends a user instead of a member', async () => {
    const { shown } = await withButton({ guildId: null })
    const { person, bot } = await press(shown, 'again')
    expect(person.payload).toMatchObject({ context: 1, user: { id: discord.person.id }, channel: { type: 1 } })
    expect(person.payload).not.toHaveProperty('member')
    await bot.deferUpdate()
  })

  test('in an age-restricted channel says so', async () => {
    const { shown } = await withButton({ channelId: discord.addChannel({ nsfw: true }) })
    const { person, bot } = await press(shown, 'again')
    expect(person.payload).toMatchObject({ channel: { nsfw: true } })
    await bot.deferUpdate()
  })

  test('of an ephemeral message edits that message and is hidden from others', async () => {
    const { person, bot } = await testBot.imagine()
    await bot.reply({ content: 'Again?', components: [buttonRow('again')], flags: MessageFlags.Ephemeral })
    const shown = await person.waitForReply()
    expect(() => discord.press(shown, 'again', { userId: BOB })).toThrow('does not see that message')
    const pressed = await press(shown, 'again')
    expect(pressed.bot).toMatchObject({
      customId: 'again',
      message: { content: 'Again?' },
      user: { id: discord.person.id },
    })
    await pressed.bot.update({ content: 'Sure', components: [] })
    expect(person.reply()).toMatchObject({ content: 'Sure', components: [], buttons: [], edits: ['Again?'] })
    expect(pressed.person.acknowledgedWith).toBe(7)
    expect(() => discord.press(person.reply()!, 'again')).toThrow('no button "again"; there are: none')
  })

  test('of a message sent with the bot token works the same way', async () => {
    const channel = testBot.client.channels.cache.get(discord.channelId) as TextChannel
    const sent = await channel.send({ content: 'Late', components: [buttonRow('again')] })
    const shown = discord.botMessages(discord.channelId).at(-1)!
    expect(shown).toMatchObject({ id: sent.id, buttons: [[{ id: 'again' }]] })
    const { bot } = await press(shown, 'again', { userId: BOB })
    await bot.update({ content: 'Later' })
    expect(discord.botMessages().at(-1)).toMatchObject({ id: sent.id, content: 'Later', buttons: [[{ id: 'again' }]] })
    await sent.edit({ components: [] })
    expect(discord.botMessages().at(-1)).toMatchObject({ content: 'Later', buttons: [] })
  })

  test('answered with type 6 has its message as @original, whose files an edit keeps or replaces', async () => {
    const { shown, now } = await withButton()
    const { person, bot } = await press(shown, 'again')
    await bot.deferUpdate()
    expect(person.acknowledgedWith).toBe(6)
    expect(now().thinking).toBe(false)
    await bot.editReply({ content: 'Working' })
    expect(now()).toMatchObject({ id: shown.id, content: 'Working', attachments: [{ filename: 'fox.png' }] })
    await bot.editReply({ attachments: [], files: [{ attachment: png, name: 'b.png' }], components: [] })
    expect(now()).toMatchObject({ content: 'Working', attachments: [{ filename: 'b.png' }], buttons: [] })
    expect((await bot.fetchReply()).id).toBe(shown.id)
  })

  test('answered with type 5 or 4 has a new message as @original', async () => {
    const { shown, now } = await withButton()
    const deferred = await press(shown, 'again', { userId: BOB })
    await deferred.bot.deferReply({ flags: MessageFlags.Ephemeral })
    expect(deferred.person.reply()).toMatchObject({ thinking: true, ephemeral: true, visibleTo: BOB })
    await deferred.bot.editReply('For you only')
    expect(await deferred.person.waitForReply()).toMatchObject({ content: 'For you only', replyTo: shown.id })

    const direct = await press(shown, 'again', { userId: BOB })
    await direct.bot.reply('For all')
    expect(direct.person.reply()).toMatchObject({ content: 'For all', ephemeral: false, replyTo: shown.id })
    expect(now()).toMatchObject({ content: 'Done', edits: [] })
  })

  test('can be followed by public and ephemeral follow-ups', async () => {
    const { shown } = await withButton()
    const { person, bot } = await press(shown, 'again', { userId: BOB })
    await bot.deferUpdate()
    await bot.followUp('A new picture')
    await bot.followUp({ content: 'Not enough credits', flags: MessageFlags.Ephemeral })
    expect(person.followUps()).toMatchObject([
      { content: 'A new picture', ephemeral: false },
      { content: 'Not enough credits', ephemeral: true, visibleTo: BOB },
    ])
  })

  test('accepts one callback, within 3 seconds, and edits within 15 minutes', async () => {
    const { shown } = await withButton()
    const late = await press(shown, 'again')
    discord.late(late.person)
    expect(await errorOf(late.bot.deferUpdate())).toMatchObject({ status: 404, code: 10062 })

    const { person, bot } = await press(shown, 'again')
    await bot.deferUpdate()
    const callback = Routes.interactionCallback(bot.id, bot.token)
    const second = testBot.client.rest.post(callback, { auth: false, body: { type: 6 } })
    expect(await errorOf(second)).toMatchObject({ status: 400, code: 40060 })
    discord.expireToken(person)
    expect(await errorOf(bot.editReply('late'))).toMatchObject({ status: 401, code: 50027 })
  })

  test('of a message that was deleted in the meantime cannot edit it', async () => {
    const { shown } = await withButton()
    const { bot } = await press(shown, 'again')
    discord.deleteMessage(shown)
    expect(await errorOf(bot.update('x'))).toMatchObject({ status: 404, code: 10008 })
    await bot.deferUpdate()
    expect(await errorOf(bot.editReply('x'))).toMatchObject({ status: 404, code: 10008 })
    expect(() => discord.press(shown, 'again')).toThrow('does not exist')
  })

  test('respects the size limit of the interaction', async () => {
    const { shown } = await withButton()
    const { bot } = await press(shown, 'again', { attachmentSizeLimit: 1000 })
    await bot.deferUpdate()
    const big = { files: [{ attachment: Buffer.alloc(1001), name: 'a.bin' }] }
    expect(await errorOf(bot.editReply(big))).toMatchObject({ status: 413, code: 40005 })
  })
})

describe('two bot processes', () => {
  test('both receive a press, of which one can be acknowledged', async () => {
    const { shown } = await withButton()
    const second = await connectBot(discord)
    await discord.waitForGateways(2)
    const arriving = [testBot.received<ButtonInteraction>(), second.received<ButtonInteraction>()]
    const person = discord.press(shown, 'again')
    const [one, two] = await Promise.all(arriving)
    expect(person.deliveredTo).toBe(2)
    expect(two).toMatchObject({ id: one!.id, token: one!.token, customId: 'again' })
    await two!.deferUpdate()
    expect(await errorOf(one!.deferUpdate())).toMatchObject({ code: 40060 })
    await second.stop()
  })
})

describe('a menu', () => {
  test('in a direct message is acknowledged silently, and its message edited', async () => {
    const { person, bot } = await testBot.imagine({ guildId: null })
    expect(bot).toMatchObject({ context: 1, guildId: null })
    const menu = { type: 3, custom_id: 'size', options: [{ label: 'S', value: 's' }] }
    await bot.reply({ content: 'Which?', components: [{ type: 1, components: [menu] }] })
    const picking = testBot.received<StringSelectMenuInteraction>()
    const pick = discord.select(person.reply()!, 'size', ['s'])
    const picked = await picking
    expect(picked.values).toEqual(['s'])
    await picked.deferUpdate()
    expect(() => discord.select(person.reply()!, 'size', ['m'])).toThrow('has no value "m", only: s')
    expect(() => discord.select(person.reply()!, 'size', [])).toThrow('takes 1 to 1 values, not 0')
    await picked.editReply({ content: 'Small', components: [] })
    expect((await pick.waitForReply()).id).toBe(person.reply()!.id)
    expect(person.reply()).toMatchObject({ content: 'Small', edits: ['Which?'], thinking: false })
  })
})

describe('a modal', () => {
  const field = { type: 4, custom_id: 'text', style: 2 as const, label: 'Text', max_length: 20 }
  const modal = { custom_id: 'edit', title: 'Edit', components: [{ type: 1 as const, components: [field] }] }

  async function submitted() {
    const interaction = await testBot.received<ModalSubmitInteraction & BotInteraction>()
    if (!interaction.isModalSubmit()) throw new Error('expected a modal submission')
    return interaction
  }

  test('is opened by a command and submitted', async () => {
    const { person, bot } = await testBot.imagine()
    await bot.showModal(modal)
    const submitting = submitted()
    const submission = discord.submitModal(person, { text: 'a red fox' })
    const interaction = await submitting
    expect(interaction.fields.getTextInputValue('text')).toBe('a red fox')
    await interaction.reply('ok')
    expect((await submission.waitForReply()).content).toBe('ok')
  })

  test('is opened by a button, whose message it can edit', async () => {
    const { shown, now } = await withButton()
    const { person, bot } = await press(shown, 'again', { userId: BOB })
    await bot.showModal(modal)
    const submitting = submitted()
    const submission = discord.submitModal(person, { text: 'a red fox' })
    const interaction = await submitting
    expect(interaction).toMatchObject({ user: { id: BOB }, message: { id: shown.id } })
    if (!interaction.isFromMessage()) throw new Error('expected the message')
    await interaction.update('Edited')
    expect(submission.acknowledgedWith).toBe(7)
    expect(now()).toMatchObject({ content: 'Edited', edits: ['Done'] })
  })

  test('is not submitted with values that its fields do not take', async () => {
    const { person, bot } = await testBot.imagine()
    await bot.showModal(modal)
    expect(() => discord.submitModal(person, { size: 's' })).toThrow('has no field "size"')
    expect(() => discord.submitModal(person, {})).toThrow('field "text" is required')
    expect(() => discord.submitModal(person, { text: 'x'.repeat(21) })).toThrow('takes 0 to 20 characters, not 21')
  })

  const option = (value: string, more = {}) => ({ value, label: value.toUpperCase(), ...more })
  const menu = (more: object = {}) => ({
    type: 18,
    label: 'Size',
    component: { type: 3, custom_id: 'size', options: [option('s'), option('m', { default: true })], ...more },
  })
  const filled = { type: 18, label: 'Text', component: { type: 4, custom_id: 'text', style: 1, value: 'a fox' } }

  test('is submitted with what it filled in where the person changes nothing', async () => {
    const { person, bot } = await testBot.imagine()
    await bot.showModal({ custom_id: 'edit', title: 'Edit', components: [filled, menu()] })
    const submitting = submitted()
    discord.submitModal(person, {})
    const { fields } = await submitting
    expect(fields.getTextInputValue('text')).toBe('a fox')
    expect(fields.getStringSelectValues('size')).toEqual(['m'])
    expect(() => discord.submitModal(person, { size: ['x'] })).toThrow('has no value "x"')
    expect(() => discord.submitModal(person, { size: [] })).toThrow('takes 1 to 1 values, not 0')
  })

  const twice = [option('s', { default: true }), option('m', { default: true })]
  const long = { ...filled, component: { ...filled.component, max_length: 3 } }
  const many = Array.from({ length: 26 }, (_, number) => option(`o${number}`))

  test.each([
    ['more than 25 options', menu({ options: many }), 'BASE_TYPE_BAD_LENGTH'],
    ['options of the same value', menu({ options: [option('s'), option('s')] }), 'OPTION_VALUE_DUPLICATED'],
    ['two defaults where one is taken', menu({ options: twice }), 'TOO_MANY_DEFAULTS'],
    ['a required menu that takes no value', menu({ min_values: 0 }), 'BASE_TYPE_MIN'],
    ['a value that is too long', long, 'BASE_TYPE_MAX_LENGTH'],
    ['a label that is too long', { ...filled, label: 'l'.repeat(46) }, 'BASE_TYPE_BAD_LENGTH'],
  ])('is refused with %s', async (_title, component, code) => {
    const { bot } = await testBot.imagine()
    const showing = bot.showModal({ custom_id: 'edit', title: 'Edit', components: [component] })
    await expect(showing).rejects.toThrow('Invalid Form Body')
    // with the OpenAPI document at hand, its complaint about the same request comes first
    expect(discord.violations.splice(0).at(-1)).toContain(code)
  })

  test('takes uploaded files, opened by a message command that sees its target', async () => {
    const target = discord.sendMessage('look', { attachments: [{ filename: 'a.png', data: png }] })
    const arriving = testBot.received<MessageContextMenuCommandInteraction>()
    const person = discord.messageCommand('Remix', target)
    const bot = await arriving
    expect(bot.targetMessage.attachments.first()).toMatchObject({ name: 'a.png', width: 1 })
    const upload = { type: 18, label: 'More', component: { type: 19, custom_id: 'files' } }
    await bot.showModal({ custom_id: 'remix', title: 'Remix', components: [upload] })
    const submitting = submitted()
    discord.submitModal(person, { files: [{ filename: 'b.png', data: png }] })
    const interaction = await submitting
    expect(interaction.fields.getUploadedFiles('files')?.first()).toMatchObject({ name: 'b.png', ephemeral: true })
  })
})

describe('the limits of components', () => {
  const button = { type: 2, style: 1, label: 'x', custom_id: 'x' }
  const { custom_id: _id, ...withoutId } = button
  const row = (...components: object[]) => [{ type: 1, components }]
  const many = (count: number) => Array.from({ length: count }, (_, n) => ({ ...button, custom_id: String(n) }))
  const link = { type: 2, style: 5, label: 'x', url: 'https://example.com' }
  const cases: [string, object[], string, string][] = [
    ['a custom_id over 100', row({ ...button, custom_id: 'x'.repeat(101) }), 'custom_id', 'BASE_TYPE_BAD_LENGTH'],
    ['a missing custom_id', row(withoutId), 'custom_id', 'BUTTON_COMPONENT_CUSTOM_ID_REQUIRED'],
    ['a repeated custom_id', row(button, button), 'custom_id', 'COMPONENT_CUSTOM_ID_DUPLICATED'],
    ['a label over 80', row({ ...button, label: 'x'.repeat(81) }), 'label', 'BASE_TYPE_MAX_LENGTH'],
    ['no label and no emoji', row({ ...button, label: undefined }), 'label', 'BASE_TYPE_REQUIRED'],
    ['an unknown style', row({ ...button, style: 7 }), 'style', 'BASE_TYPE_CHOICES'],
    ['six buttons in a row', row(...many(6)), 'components', 'BASE_TYPE_BAD_LENGTH'],
    ['six rows', many(6).flatMap((each) => row(each)), 'components', 'BASE_TYPE_BAD_LENGTH'],
    ['a link without url', row({ ...link, url: undefined }), 'url', 'BASE_TYPE_REQUIRED'],
    ['a link of another scheme', row({ ...link, url: 'ftp://example.com' }), 'url', 'URL_TYPE_INVALID_SCHEME'],
    ['a link over 512', row({ ...link, url: `https://x.io/${'x'.repeat(500)}` }), 'url', 'BASE_TYPE_MAX_LENGTH'],
    [
      'a link with custom_id',
      row({ ...link, custom_id: 'x' }),
      '',
      'BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE',
    ],
  ]

  test.each(cases)('reject %s', async (_name, components, field, code) => {
    const strict = await startDiscord({ specPath: '/nowhere' })
    const url = `${strict.apiUrl}/v10${Routes.channelMessages(strict.channelId)}`
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bot ${strict.token}` },
      body: JSON.stringify({ components }),
    })
    const body = (await response.json()) as { code: number; errors: object }
    expect([response.status, body.code]).toEqual([400, 50035])
    expect(JSON.stringify(body.errors)).toContain(field)
    expect(JSON.stringify(body.errors)).toContain(`"${code}"`)
    expect(strict.messages()).toEqual([])
    await strict.stop()
  })

  test('accept five rows of five buttons and a link to localhost', async () => {
    const { person, bot } = await testBot.imagine()
    const rows = Array.from({ length: 5 }, (_, n) => many(25).slice(n * 5, n * 5 + 5))
    await bot.reply({ components: rows.map((components) => ({ type: 1, components })) })
    expect(person.reply()!.buttons.map((shown) => shown.length)).toEqual([5, 5, 5, 5, 5])
    await bot.editReply({ components: row({ ...link, url: 'http://localhost:8080/panel' }) })
    expect(person.reply()!.buttons).toEqual([[{ label: 'x', url: 'http://localhost:8080/panel' }]])
  })
})
