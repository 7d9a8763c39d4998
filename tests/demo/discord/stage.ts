/** Discord as the demo plays it: two servers with their channels, three people and a moderator. */
import type { DiscordEmulator, From, Interaction, Json, Message, OptionValue } from '../../emulators/discord/index.ts'
import { type Aside, createStage, firstLine, labelIn, only, type Scene, type Seen, type Stage } from '../stage.ts'

export type Name = 'Ann' | 'Bea' | 'Cyd' | 'Mo'
export type Channel = 'painting' | 'lounge' | 'after-dark' | 'owls'

export interface Town {
  discord: DiscordEmulator
  folder: string
  userIds: Readonly<Record<Name, string>>
  channels: Readonly<Record<Channel, string>>
  /** A role of the server Painters. */
  roleId: string
}

const userIds = {
  Ann: '210000000000000001',
  Bea: '210000000000000002',
  Cyd: '210000000000000003',
  Mo: '210000000000000004',
} as const satisfies Record<Name, string>
/** The moderator of Painters runs the service as well. */
export const moderatorIdentity = `discord:${userIds.Mo}`
const roleId = '210000000000000900'
const owlsId = '210000000000000800'

const manageServer = 1n << 5n
const allOthers = ((1n << 50n) - 1n) & ~manageServer

export function buildTown(discord: DiscordEmulator, folder: string): Town {
  const painting = discord.channelId
  const lounge = discord.addChannel()
  const afterDark = discord.addChannel({ nsfw: true })
  for (const [username, userId] of Object.entries(userIds)) discord.sendMessage('Good evening', { userId, username })
  // the bot joins the second server once a person acts there
  const owls = discord.sendMessage('Good evening', { guildId: owlsId, userId: userIds.Mo }).channelId
  return { discord, folder, userIds, roleId, channels: { painting, lounge, 'after-dark': afterDark, owls } }
}

interface Options {
  /** Messages that it brings, at least. */
  messages?: number
  /** Only such messages belong to the answer. */
  until?: (seen: Seen) => boolean
  /** Roles of the person. */
  roles?: string[]
  /** Gets the interaction before the answer is awaited. */
  on?: (interaction: Interaction) => void
}

type Values = Record<string, OptionValue>

export interface DiscordStage extends Omit<Stage, 'step'> {
  town: Town
  slash(who: Name, channel: Channel, command: string, values?: Values, options?: Options): Promise<Seen[]>
  /** Writes a message that mentions the bot. */
  mention(who: Name, channel: Channel, words: string): Promise<Seen[]>
  /** Presses the button whose label starts like this. */
  press(who: Name, message: Seen, start: string, options?: Options): Promise<Seen[]>
  /** Presses a button that opens a form, and sends the form with these values. */
  fillIn(who: Name, message: Seen, start: string, values: Record<string, string>): Promise<Seen[]>
  /** Types into an option; the choices are shown. */
  type(who: Name, channel: Channel, command: string, values: Values, focused: string): Promise<void>
  /** Chooses an entry in the menu of the message. `values`: of the form that it opens. */
  menu(who: Name, message: Seen, entry: string, values?: Record<string, string>): Promise<Seen[]>
  /** A message of a person with a picture. */
  show(who: Name, channel: Channel, words: string, picture: Buffer): Promise<Seen>
  /** Does nothing but wait, for as many messages that come, change or go. */
  wait(who: Name, channel: Channel, until: string, messages?: number): Promise<Seen[]>
  /** Deletes the message with the rights of a moderator. */
  remove(who: Name, message: Seen): Promise<void>
}

export function createDiscordStage(town: Town, scene: Scene): DiscordStage {
  const { discord, folder, channels } = town
  const names = new Map<string, string>(Object.entries(userIds).map(([name, id]) => [id, name]))
  const placeOf = (id: string) => {
    const [name] = Object.entries(channels).find(([, channel]) => channel === id) ?? []
    return name === undefined ? 'a direct message' : `#${name}`
  }
  const seen = () =>
    discord
      .botMessages()
      .filter(({ thinking }) => !thinking)
      .map(toSeen)
  const { step, note } = createStage({ folder, scene, seen })

  function toSeen({ id, channelId, content, attachments, buttons, visibleTo }: Message): Seen {
    return {
      key: id,
      seenBy: visibleTo === undefined ? audienceOf(channelId) : `${names.get(visibleTo)} only`,
      text: readable(content),
      pictures: attachments.map(({ data }) => data),
      isSpoiler: attachments.some(({ spoiler }) => spoiler),
      buttons,
    }
  }

  function audienceOf(channelId: string): string {
    const name = Object.entries(userIds).find(([, id]) => discord.dmChannel(id) === channelId)?.[0]
    return name === undefined ? `everyone in ${placeOf(channelId)}` : `${name} only, in a direct message`
  }

  /** As Discord's client shows it: without the backslashes of Markdown, with names in place of ids. */
  function readable(text: string): string {
    return text
      .replace(/\\(?=[^a-z0-9\s])/gi, '')
      .replace(/https:\/\/discord\.com\/channels\/\d+\/(\d+)/g, (_, id: string) => placeOf(id))
      .replace(/<@!?(\d+)>/g, (_, id: string) => `@${names.get(id) ?? id}`)
      .replaceAll(`role-${roleId.slice(-3)}`, 'Patrons')
  }

  const fromOf = (who: Name, channel?: Channel, roles: string[] = []): From => {
    const manages = who === 'Mo' && channel !== 'owls'
    const permissions = String(manages ? allOthers | manageServer : allOthers)
    return { userId: userIds[who], username: who, permissions, roles, ...(channel && { channelId: channels[channel] }) }
  }
  const where = (channel: Channel) => `#${channel}, in the server ${channel === 'owls' ? 'Night Owls' : 'Painters'}`
  const channelOf = (message: Seen) => {
    const { channelId = '' } = discord.messages().find(({ id }) => id === message.key) ?? {}
    return Object.entries(channels).find(([, id]) => id === channelId)?.[0] as Channel | undefined
  }
  const whereIs = (message: Seen) => {
    const channel = channelOf(message)
    return channel === undefined ? 'a direct message' : where(channel)
  }

  const written = (command: string, values: Values) =>
    [`/${command}`, ...Object.entries(values).map(([name, value]) => `${name}: ${valueText(value)}`)].join('  ')
  function valueText(value: OptionValue): string {
    if (value === roleId) return '@Patrons'
    if (typeof value !== 'string') return typeof value === 'object' ? value.filename : String(value)
    const place = placeOf(value)
    return place.startsWith('#') ? place : names.has(value) ? `@${names.get(value)}` : value
  }

  /** What the answer to an interaction shows besides messages. */
  async function formOf(interaction: Interaction): Promise<Aside | undefined> {
    await interaction.waitForAck(10_000)
    const { modal } = interaction
    return modal && { kind: 'form', text: [String(modal.title), ...fieldsIn(modal)].join('\n') }
  }

  return {
    town,
    note,
    slash: (who, channel, command, values = {}, { roles, on, ...options } = {}) =>
      step({
        ...options,
        who,
        where: where(channel),
        did: 'uses',
        said: written(command, values),
        act: async () => {
          const interaction = discord.slash(command, values, fromOf(who, channel, roles))
          on?.(interaction)
          return formOf(interaction)
        },
      }),
    mention: (who, channel, words) =>
      step({
        who,
        where: where(channel),
        did: 'writes',
        said: `@fluxbot ${words}`,
        act: () => {
          discord.sendMessage(`<@${discord.botUser.id}> ${words}`, fromOf(who, channel))
          return undefined
        },
      }),
    press: (who, message, start, options = {}) => {
      const said = labelIn(message, start)
      const act = async () => formOf(discord.press(message.key, said, fromOf(who, channelOf(message))))
      return step({ ...options, who, where: whereIs(message), did: 'presses', said, on: firstLine(message), act })
    },
    async fillIn(who, message, start, values) {
      const said = labelIn(message, start)
      const from = fromOf(who, channelOf(message))
      const opened = discord.press(message.key, said, from)
      const place = { who, where: whereIs(message), on: firstLine(message) }
      await step({ ...place, did: 'presses', said, act: () => formOf(opened) })
      const fields = Object.entries(values).map(([name, value]) => `${name}: ${value}`)
      return step({
        ...place,
        did: 'fills in the form and sends it',
        said: fields.join('  '),
        act: () => formOf(discord.submitModal(opened, values, from)),
      })
    },
    async type(who, channel, command, values, focused) {
      await step({
        who,
        where: where(channel),
        did: 'types',
        said: `${written(command, values)}▏`,
        act: async () => {
          const typing = discord.autocomplete(command, values, focused, fromOf(who, channel))
          await typing.waitForAck(10_000)
          return { kind: 'choices', text: (typing.choices ?? []).map(({ name }) => String(name)).join('\n') }
        },
      })
    },
    async menu(who, message, entry, values) {
      const from = fromOf(who, channelOf(message))
      const chosen = discord.messageCommand(entry, message.key, from)
      const said = `Apps › ${entry}`
      const on = firstLine(message)
      const deed = { who, where: whereIs(message), did: 'opens the menu of the message and chooses', said, on }
      const found = await step({ ...deed, act: () => formOf(chosen) })
      if (!values) return found
      const fields = Object.entries(values).map(([name, value]) => `${name}: ${value}`)
      return step({
        ...deed,
        did: 'fills in the form and sends it',
        said: fields.join('  '),
        act: () => formOf(discord.submitModal(chosen, values, from)),
      })
    },
    async show(who, channel, words, picture) {
      let sent: Message | undefined
      const attachments = [{ filename: 'photo.png', data: picture }]
      await step({
        who,
        where: where(channel),
        did: 'writes',
        said: words,
        sends: [picture],
        messages: 0,
        act: () => {
          sent = discord.sendMessage(words, { ...fromOf(who, channel), attachments })
          return undefined
        },
      })
      return toSeen(only(sent ? [sent] : []))
    },
    wait: (who, channel, until, messages = 1) =>
      step({ messages, who, where: where(channel), did: 'waits', said: until, act: () => undefined }),
    async remove(who, message) {
      await step({
        who,
        where: whereIs(message),
        did: 'deletes the message, with Discord’s own menu',
        said: firstLine(message) ?? '',
        act: () => {
          discord.deleteMessage(message.key)
          return undefined
        },
      })
    },
  }
}

/** Labels of the fields of a modal, with what they are filled with or offer. */
function fieldsIn(modal: Json): string[] {
  return (modal.components as Json[]).flatMap((label) => {
    const field = label.component as Json | undefined
    if (!field) return []
    const options = field.options as { label: string; default?: boolean }[] | undefined
    const offered = options?.map((each) => (each.default ? `[${each.label}]` : each.label)).join(' / ')
    return [`${label.label}: ${offered ?? field.value ?? '…'}`]
  })
}
