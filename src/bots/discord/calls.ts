/** What a person did on Discord → `Call`. */
import {
  type APIApplicationCommandAutocompleteInteraction,
  type APIApplicationCommandInteraction,
  type APIAttachment,
  type APIChatInputApplicationCommandInteraction,
  type APIInteraction,
  type APIMessage,
  type APIMessageApplicationCommandInteraction,
  type APIMessageComponentInteraction,
  type APIModalSubmitInteraction,
  type APIUser,
  ApplicationCommandType,
  ApplicationIntegrationType,
  type GatewayMessageCreateDispatchData,
  InteractionContextType,
  InteractionType,
  MessageFlags,
  MessageType,
  ApplicationCommandOptionType as Type,
} from 'discord-api-types/v10'
import type { Act, Attachment, Call, Identity, Locale, PressedMessage } from '../../core/ports/chat.ts'
import { cleanText } from '../../core/text.ts'
import { localeOf } from '../../locales/index.ts'
import { type Action, findAction } from '../action.ts'
import { type AnyCommand, findCommand } from '../command.ts'
import type { Menu } from '../menus/menu.ts'
import { addressOf, type InteractionTarget } from './address.ts'
import { ofAttachment, picturesOf, type RemotePicture } from './images.ts'
import { findMenu, type Picked } from './menus.ts'
import { submittedFields, submittedFiles } from './modal.ts'
import { placeOf } from './place.ts'

type Load = (pictures: readonly RemotePicture[]) => Attachment[]

/** The interactions that are answered. */
export type Interaction =
  | APIChatInputApplicationCommandInteraction
  | APIMessageApplicationCommandInteraction
  | APIMessageComponentInteraction
  | APIModalSubmitInteraction

/** What the bot offers. */
export interface Offers {
  commands: readonly AnyCommand[]
  actions: readonly Action[]
  menus?: readonly Menu[]
}

export function isAnswered(interaction: APIInteraction): interaction is Interaction {
  if (interaction.type === InteractionType.MessageComponent) return true
  // a form that no message opened is not one of ours: it has no channel either
  if (interaction.type === InteractionType.ModalSubmit) return interaction.channel !== undefined
  return interaction.type === InteractionType.ApplicationCommand && (isSlash(interaction) || isMenu(interaction))
}

const isSlash = (command: APIApplicationCommandInteraction): command is APIChatInputApplicationCommandInteraction =>
  command.data.type === ApplicationCommandType.ChatInput

/** Whether it was chosen in the menu of a message. */
export const isMenu = (command: APIInteraction): command is APIMessageApplicationCommandInteraction =>
  command.type === InteractionType.ApplicationCommand && command.data.type === ApplicationCommandType.Message

export type Audience = InteractionTarget['audience']

/** How an interaction is acknowledged, by who may see the answer. 'chosen': the settings of the person or the group decide. */
export function audienceOf(interaction: Interaction, { commands, actions, menus = [] }: Offers): Audience | 'chosen' {
  if (isMenu(interaction)) return findMenu(menus, interaction.data.name)?.opensForm ? 'form' : 'private'
  switch (interaction.type) {
    case InteractionType.MessageComponent: {
      const action = findAction(actions, interaction.data.custom_id)?.action
      if (action?.form) return 'form'
      return action?.answers ? besides(interaction, action.answers) : 'press'
    }
    case InteractionType.ModalSubmit:
      return besides(interaction, findAction(actions, interaction.data.custom_id)?.action.form?.audience ?? 'private')
    case InteractionType.ApplicationCommand: {
      const command = findCommand(commands, interaction.data.name)
      if (command?.opensForm?.((interaction.data.options ?? []).map(({ name }) => name))) return 'form'
      const audience = command?.audience ?? 'private'
      const { private: asked } = valuesIn(interaction.data.options)
      return audience !== 'chosen' || asked === undefined ? audience : asked ? 'private' : 'public'
    }
  }
}

/** Below a private message the answer is private, too. */
function besides({ message }: Pick<Interaction, 'message'>, audience: 'public' | 'private') {
  return ((message?.flags ?? 0) & MessageFlags.Ephemeral) === 0 ? audience : 'private'
}

/** Who acted, and where; this decides which settings count. undefined: Discord names no person, or no channel. */
export function whereOf(interaction: Interaction): Pick<Call, 'surface' | 'from' | 'place'> | undefined {
  const user = interaction.member?.user ?? interaction.user
  const { channel } = interaction
  return user && channel && { surface: 'discord', from: identityOf(user), place: placeOf(interaction, channel) }
}

/** `audience`: how the interaction was acknowledged. undefined: Discord names no person, or no channel. */
export function callOfInteraction(
  interaction: Interaction,
  audience: Audience,
  offers: Pick<Offers, 'commands' | 'menus'> & { load: Load; picked?: Picked },
): Call | undefined {
  const user = interaction.member?.user ?? interaction.user
  const { channel } = interaction
  const where = whereOf(interaction)
  if (!user || !channel || !where) return undefined
  const target: InteractionTarget = {
    kind: 'interaction',
    applicationId: interaction.application_id,
    token: interaction.token,
    interactionId: interaction.id,
    channelId: channel.id,
    userId: user.id,
    audience,
    ...(isOutside(interaction) && { isOutside: true }),
    maxFileBytes: interaction.attachment_size_limit,
  }
  return {
    ...where,
    key: `discord:${interaction.id}`,
    address: addressOf(target),
    locale: localeOf(interaction.locale),
    act: actOf(interaction, target, offers),
    images: picturesWith(interaction, offers),
    isPrivate: true,
    maxFileBytes: interaction.attachment_size_limit,
  }
}

/** In a server without the bot, or in a chat between people: the person alone has installed the app. */
function isOutside({ authorizing_integration_owners: owners, context }: Interaction): boolean {
  return owners[ApplicationIntegrationType.GuildInstall] === undefined && context !== InteractionContextType.BotDM
}

function picturesWith(
  interaction: Interaction,
  { commands, load, picked }: Pick<Offers, 'commands'> & { load: Load; picked?: Picked },
): Attachment[] {
  if (interaction.type === InteractionType.ApplicationCommand && isSlash(interaction)) {
    return load(attachmentsOf(interaction, commands).map(ofAttachment))
  }
  if (interaction.type === InteractionType.ModalSubmit && !picked) {
    return load(submittedFiles(interaction.data).map(ofAttachment))
  }
  const { message = '', pictures = [] } = picked ?? {}
  // it may show a result, whose originals we have
  return load(pictures).map((picture, at) => ({ ...picture, shownIn: { message, index: pictures[at]?.index ?? at } }))
}

function actOf(interaction: Interaction, target: InteractionTarget, { menus = [] }: Pick<Offers, 'menus'>): Act {
  if (isMenu(interaction)) {
    const { name } = interaction.data
    return { kind: 'menu', menu: findMenu(menus, name)?.name ?? name, ref: interaction.id }
  }
  if (interaction.type === InteractionType.MessageComponent) {
    return { kind: 'press', button: interaction.data.custom_id, on: pressedMessage(interaction, target) }
  }
  if (interaction.type === InteractionType.ModalSubmit) {
    const { data, message } = interaction
    return { kind: 'form', form: data.custom_id, fields: submittedFields(data), on: message?.id }
  }
  return {
    kind: 'command',
    name: interaction.data.name,
    text: '',
    options: valuesIn(interaction.data.options, interaction.data.resolved),
  }
}

/** If a press is acknowledged without a new answer, its token can edit the pressed message, even one that only the person sees. */
function pressedMessage({ message }: APIMessageComponentInteraction, target: InteractionTarget): PressedMessage {
  const { id, channel_id: channelId, flags = 0 } = message
  const isPress = target.audience === 'press'
  const { userId } = target
  const originalId = (flags & MessageFlags.Ephemeral) === 0 ? id : undefined
  const posted = isPress
    ? addressOf({ ...target, audience: 'private', originalId })
    : addressOf({ kind: 'channel', channelId, userId, messageId: id })
  return { posted, name: id }
}

type GivenOptions =
  | APIChatInputApplicationCommandInteraction['data']['options']
  | APIApplicationCommandAutocompleteInteraction['data']['options']

interface Named {
  /** Roles that options name. */
  roles?: Readonly<Record<string, { name: string }>>
}

/** Without the pictures. The name of a sub-command is the value of `action`, and its options are those of the command. */
export function valuesIn(options: GivenOptions = [], named: Named = {}): Record<string, string | number | boolean> {
  return Object.fromEntries(
    options.flatMap((option): [string, string | number | boolean][] => {
      if (option.type === Type.Subcommand) {
        return [['action', option.name], ...Object.entries(valuesIn(option.options, named))]
      }
      if (!('value' in option) || option.type === Type.Attachment) return []
      if (option.type === Type.User) return [[option.name, `discord:${option.value}`]]
      if (option.type !== Type.Role) return [[option.name, option.value]]
      return [[option.name, `${option.value} ${named.roles?.[option.value]?.name ?? ''}`.trim()]]
    }),
  )
}

/** In the order of the command's options, which may differ from the order in which the person filled them in. */
function attachmentsOf(
  { data }: APIChatInputApplicationCommandInteraction,
  commands: readonly AnyCommand[],
): APIAttachment[] {
  const order = Object.keys(findCommand(commands, data.name)?.options ?? {})
  return (data.options ?? [])
    .filter((option) => option.type === Type.Attachment)
    .toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name))
    .flatMap(({ value }) => data.resolved?.attachments?.[value] ?? [])
}

interface MessageContext {
  botId: string
  load: Load
  /** Loads the message that this one replies to. */
  fetchReferenced: (message: APIMessage) => Promise<APIMessage | undefined>
}

/** Whether a message is for us. Without the privileged intent, Discord shows us the words of such messages only. */
export function concernsUs(message: GatewayMessageCreateDispatchData, botId: string): boolean {
  if (message.author.bot || message.webhook_id || !isWritten(message)) return false
  if (message.guild_id === undefined || message.mentions.some(({ id }) => id === botId)) return true
  const isReplyToUs = message.referenced_message?.author.id === botId
  const { content, attachments, sticker_items: stickers = [] } = message
  return isReplyToUs && (content !== '' || attachments.length > 0 || stickers.length > 0)
}

export async function callOfMessage(message: GatewayMessageCreateDispatchData, context: MessageContext): Promise<Call> {
  const { botId, fetchReferenced } = context
  const text = message.content.replaceAll(new RegExp(`<@!?${botId}>`, 'g'), ' ').trim()
  const referenced = message.type === MessageType.Reply ? await fetchReferenced(message) : undefined
  const { guild_id: guildId, channel_id: channel, member } = message
  return {
    key: `discord:${message.id}`,
    surface: 'discord',
    address: addressOf({ kind: 'channel', channelId: channel, userId: message.author.id, replyTo: message.id }),
    from: identityOf(message.author),
    // a message carries no permissions, and nothing about its channel
    place: {
      group: guildId === undefined ? undefined : { id: guildId },
      channel,
      nsfw: false,
      manager: false,
      roles: member?.roles ?? [],
    },
    locale: languageOf(text),
    act: { kind: 'message', text },
    images: imagesOf(message, referenced, context),
  }
}

/** Pictures of the message, then of the one that it replies to. If we sent that one, it may show a result, whose originals we have. */
function imagesOf(message: APIMessage, replied: APIMessage | undefined, { botId, load }: MessageContext): Attachment[] {
  const own = picturesOf(message)
  const pictures = load([...own, ...(replied ? picturesOf(replied) : [])])
  if (replied?.author.id !== botId) return pictures
  return pictures.map((picture, at) => {
    const index = at - own.length
    return index < 0 ? picture : { ...picture, shownIn: { message: replied.id, index } }
  })
}

const isWritten = ({ type }: APIMessage) => type === MessageType.Default || type === MessageType.Reply

export const identityOf = ({ id, username, global_name: shown }: APIUser): Identity => ({
  id: `discord:${id}`,
  name: cleanText(shown ?? '') || username,
  handle: username,
})

/** Messages carry no language: Chinese characters without Japanese ones decide. */
function languageOf(text: string): Locale {
  return /\p{Script=Han}/u.test(text) && !/[\p{Script=Hiragana}\p{Script=Katakana}]/u.test(text) ? 'zh' : 'en'
}
