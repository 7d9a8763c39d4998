/** What people do on Discord: commands, buttons, menus, modals and messages. Each act becomes a gateway event. */
import { randomUUID } from 'node:crypto'
import { findButton } from '../buttons.ts'
import type { Cdn } from './cdn.ts'
import { checkPicks, fillModal, type ModalValues } from './forms.ts'
import { type Gateway, INTENT } from './gateway.ts'
import { handleOf } from './handle.ts'
import { interactionToken, snowflake } from './ids.ts'
import type { LiveInteraction } from './interactions.ts'
import type { Messages, StoredMessage } from './messages.ts'
import { snapshot } from './messages.ts'
import { fillOptions, uploader } from './options.ts'
import { buttonsIn, everyComponent } from './render.ts'
import { createSignal } from './signal.ts'
import type { FilePart, From, Interaction, Json, Message, OptionValue, Upload } from './types.ts'
import { type Channel, channelJson, guildJson, memberJson, type NewChannel, userJson, type World } from './world.ts'

const PERMISSION = { mention: 1n << 17n, view: 1n << 10n, send: 1n << 11n, embed: 1n << 14n, attach: 1n << 15n }
const OTHER_PERMISSIONS = (1n << 6n) | (1n << 16n) | (1n << 18n) | (1n << 31n) | (1n << 38n)

export interface PeopleOptions {
  applicationId: string
  world: World
  messages: Messages
  gateway: Gateway
  cdn: Cdn
  attachmentSizeLimit: number
  interactions: Map<string, LiveInteraction>
  /** Delivers an interaction to the bot. Returns the number of receivers. */
  send: (interaction: LiveInteraction) => number
  commands: (guildId: string | null) => Json[]
}

export function createPeople(options: PeopleOptions) {
  const { applicationId, world, messages, gateway, cdn } = options
  const upload = uploader(cdn, applicationId)

  /** Returns the channel where a person acts. The bot joins a new guild, unless only the person installed the app. */
  function channelOf({ guildId, channelId, userId, installs = 'guild' }: From): Channel {
    const existing = channelId ? world.channel(channelId) : undefined
    if (existing) return existing
    if (guildId === null && !channelId) return world.dm(userId ?? world.person.id)
    const guild = guildId === undefined ? world.home.guildId : guildId
    const isOutside = guild !== null && !world.guild(guild) && installs === 'user'
    if (guild && !world.guild(guild) && !isOutside) join(guild)
    if (!channelId && guild === world.home.guildId) return world.channel(world.home.channelId)!
    const first = guild && !channelId ? world.channelsOf(guild)[0] : undefined
    return first ?? open({ id: channelId, guildId: guild, denied: isOutside ? 50001 : undefined })
  }

  function open(wanted: NewChannel): Channel {
    const channel = world.addChannel(wanted)
    const { guildId, denied } = channel
    const isVisible = guildId && world.guild(guildId) && denied !== 50001
    const d = channelJson(channel, world)
    if (isVisible) gateway.dispatch({ t: 'CHANNEL_CREATE', d, guildId, intent: INTENT.guilds })
    return channel
  }

  function join(guildId: string) {
    const guild = world.addGuild(guildId)
    world.addChannel({ guildId })
    gateway.dispatch({ t: 'GUILD_CREATE', d: guildJson(guild, world), guildId, intent: INTENT.guilds })
  }

  function act(from: From, type: number, data: Json, extra: Partial<LiveInteraction> = {}): Interaction {
    const channel = channelOf(from)
    const user = world.user(from.userId ?? channel.recipientId ?? world.person.id, from.username)
    const bornAt = Date.now() - (from.ageMs ?? 0)
    const id = snowflake(bornAt)
    const attachmentSizeLimit = from.attachmentSizeLimit ?? options.attachmentSizeLimit
    const { installs = 'guild', locale = 'en-US', guildLocale = 'en-US' } = from
    const { guildId } = channel
    const owners = {
      ...(installs !== 'user' ? { '0': guildId ?? '0' } : {}),
      ...(installs !== 'guild' ? { '1': user.id } : {}),
    }
    const member = { ...memberJson(user, from.roles), permissions: from.permissions ?? '2248473465835073' }
    const payload = {
      id,
      application_id: applicationId,
      type,
      token: interactionToken(id),
      version: 1,
      data,
      channel_id: channel.id,
      channel: { ...channelJson(channel, world), ...(guildId ? { permissions: member.permissions } : {}) },
      ...(guildId
        ? {
            guild_id: guildId,
            guild: { id: guildId, locale: guildLocale, features: [] },
            guild_locale: guildLocale,
            member,
          }
        : { user: userJson(user) }),
      ...(extra.source ? { message: messages.toJson(extra.source) } : {}),
      locale,
      app_permissions: from.appPermissions ?? permissionsIn(channel),
      entitlements: [],
      authorizing_integration_owners: owners,
      context: contextOf(from, channel),
      attachment_size_limit: attachmentSizeLimit,
    }
    const interaction: LiveInteraction = {
      id,
      token: payload.token,
      type,
      bornAt,
      payload,
      user,
      channel,
      attachmentSizeLimit,
      owners,
      deliveredTo: 0,
      followUps: [],
      changes: createSignal(),
      ...extra,
    }
    options.interactions.set(interaction.token, interaction)
    interaction.deliveredTo = options.send(interaction)
    return handleOf(interaction)
  }

  function commandData(typed: string, type: number, from: From) {
    // names in menus may have spaces; after the name of a slash command follow sub-commands
    const [name = '', ...rest] = type === 1 ? typed.replace(/^\//, '').split(' ') : [typed]
    const available = options.commands(channelOf(from).guildId)
    const command = available.find((candidate) => candidate.name === name && (candidate.type ?? 1) === type)
    if (available.length > 0 && !command) {
      throw new Error(
        `no command "${name}" of type ${type} is registered, only: ${available.map((c) => c.name).join(', ')}`,
      )
    }
    if (command) checkContext(command, from, contextOf(from, channelOf(from)))
    return { name, path: [name, ...rest], command, id: command?.id ?? snowflake() }
  }

  function invoke(type: number, typed: string, values: Record<string, OptionValue>, from: From, focused?: string) {
    const { name, path, command, id } = commandData(typed, 1, from)
    const definition = focused ? undefined : command // an unfinished command may lack required options
    const filled = fillOptions(definition, path, values, upload, (userId) => userJson(world.user(userId)))
    if (focused) for (const option of everyOption(filled.options)) if (option.name === focused) option.focused = true
    const resolved = Object.keys(filled.resolved).length > 0 ? { resolved: filled.resolved } : {}
    const data = { id, name, type: 1, options: filled.options, ...resolved }
    return act(from, type, data, { commandName: name, commandType: 1 })
  }

  function press(message: Message | string, button: string, from: From = {}) {
    const source = visibleMessage(message)
    const { id } = findButton(buttonsIn(source.components), button)
    return useComponent(source, componentOf(source, id), from)
  }

  function select(message: Message | string, customId: string, values: string[], from: From = {}) {
    const source = visibleMessage(message)
    const menu = componentOf(source, customId)
    checkPicks(menu, values)
    return useComponent(source, menu, from, values)
  }

  function useComponent(source: StoredMessage, component: Json, from: From, values?: string[]) {
    const userId = from.userId ?? source.visibleTo ?? requesterOf(source) ?? world.person.id
    if (source.visibleTo && source.visibleTo !== userId) throw new Error(`user ${userId} does not see that message`)
    const { id, custom_id, type } = component
    const data = { id, custom_id, component_type: type, ...(values ? { values } : {}) }
    return act({ ...from, userId, channelId: source.channelId }, 3, data, { source })
  }

  function visibleMessage(message: Message | string): StoredMessage {
    const stored = messages.get(typeof message === 'string' ? message : message.id)
    if (!stored || stored.deleted) throw new Error('that message does not exist, or it is deleted')
    return stored
  }

  function componentOf(source: StoredMessage, customId: string): Json {
    const found = [...everyComponent(source.components)].find((candidate) => candidate.custom_id === customId)
    if (!found) throw new Error(`message ${source.id} ("${source.content}") has no component "${customId}"`)
    if (found.disabled) throw new Error(`component "${customId}" is disabled`)
    return found
  }

  /** Id of the person whose interaction the message responds to. */
  function requesterOf(message: StoredMessage): string | undefined {
    return ((message.origin?.interaction_metadata as Json | undefined)?.user as Json | undefined)?.id as string
  }

  return {
    open,
    slash: (command: string, values: Record<string, OptionValue> = {}, from: From = {}) =>
      invoke(2, command, values, from),
    autocomplete: (command: string, values: Record<string, OptionValue>, focused: string, from: From = {}) =>
      invoke(4, command, values, from, focused),
    press,
    select,

    messageCommand(command: string, message: Message | string, from: From = {}) {
      const target = visibleMessage(message)
      const { name, id } = commandData(command, 3, { ...from, channelId: target.channelId })
      const resolved = { messages: { [target.id]: messages.toJson(target) } }
      const data = { id, name, type: 3, target_id: target.id, resolved }
      return act({ ...from, channelId: target.channelId }, 2, data, { commandName: name, commandType: 3 })
    },

    submitModal(opened: Interaction, values: ModalValues, from: From = {}) {
      const { modal, user, channel, source, commandName } = options.interactions.get(opened.token)!
      if (!modal) throw new Error('that interaction opened no modal')
      const data = { custom_id: modal.custom_id, ...fillModal(modal, values, upload) }
      return act({ userId: user.id, channelId: channel.id, ...from }, 5, data, { source, commandName })
    },

    sendMessage(content: string, { attachments = [], replyTo, ...from }: From & SentExtras = {}): Message {
      const channel = channelOf(from)
      const author = world.user(from.userId ?? channel.recipientId ?? world.person.id, from.username)
      const files = attachments.map((file, index) => filePart(file, index))
      const body = { content, nonce: randomUUID().slice(0, 25) }
      const repliedTo = replyTo ? messages.get(replyTo.id) : undefined
      return snapshot(messages.create({ channel, author, body, files, limitBytes: 500e6, replyTo: repliedTo }))
    },

    deleteMessage: (message: Message | string) => messages.remove(visibleMessage(message)),

    redeliver(interaction: Interaction): number {
      return options.send(options.interactions.get(interaction.token)!)
    },
  }
}

export interface SentExtras {
  attachments?: Upload[]
  replyTo?: Message
}

function permissionsIn(channel: Channel): string {
  const { attach, embed, mention, view, send } = PERMISSION
  if (channel.type !== 0) return String(attach | embed | mention | (channel.type === 1 ? 1n << 18n : 0n))
  if (channel.denied === 50001) return String(attach | embed | OTHER_PERMISSIONS)
  if (channel.denied === 50013) return String(view | embed | OTHER_PERMISSIONS)
  return String(attach | embed | view | send | OTHER_PERMISSIONS)
}

function contextOf({ context, installs }: From, { guildId, type }: Channel): 0 | 1 | 2 {
  return context ?? (guildId ? 0 : type === 1 && installs !== 'user' ? 1 : 2)
}

/** Throws for a command that Discord's client does not list, by its `contexts` and `integration_types`. */
function checkContext({ name, contexts, integration_types: installable }: Json, { installs }: From, context: number) {
  const listedIn = contexts as number[] | null | undefined
  const kinds = installable as number[] | null | undefined
  if (listedIn && !listedIn.includes(context))
    throw new Error(`command "${name}" is not available in context ${context}`)
  if (kinds && installs === 'user' && !kinds.includes(1)) throw new Error(`command "${name}" is not user-installable`)
}

function* everyOption(list: Json[]): Generator<Json> {
  for (const option of list) {
    yield option
    yield* everyOption((option.options ?? []) as Json[])
  }
}

function filePart({ filename, data, contentType = '' }: Upload, index: number): FilePart {
  return { name: `files[${index}]`, filename, contentType, data, size: data.length }
}
