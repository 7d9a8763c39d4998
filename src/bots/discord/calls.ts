/** What a person did on Discord → `Call`. */
import {
  type APIAttachment,
  type APIChatInputApplicationCommandInteraction,
  type APIMessage,
  type APIUser,
  type GatewayMessageCreateDispatchData,
  MessageType,
  ApplicationCommandOptionType as Type,
} from 'discord-api-types/v10'
import type { Attachment, Call, Locale } from '../../core/ports/chat.ts'
import { localeOf } from '../../locales/index.ts'
import type { Command } from '../command.ts'
import { addressOf } from './address.ts'

type Load = (given: readonly APIAttachment[]) => Attachment[]

export function findCommand(commands: readonly Command[], name: string): Command | undefined {
  return commands.find((command) => command.name === name || command.aliases?.includes(name))
}

/** `isPrivate`: it was acknowledged for the asker's eyes only. */
export function callOfInteraction(
  interaction: APIChatInputApplicationCommandInteraction,
  { command, isPrivate, load }: { command: Command | undefined; isPrivate: boolean; load: Load },
): Call | undefined {
  const user = interaction.member?.user ?? interaction.user
  if (!user) return undefined
  const options = optionsOf(interaction)
  const spoken = command?.options.find(({ type, name }) => type === 'text' && name === 'prompt')
  const text = spoken ?? command?.options.find(({ type }) => type === 'text')
  return {
    key: `discord:${interaction.id}`,
    surface: 'discord',
    address: addressOf({
      kind: 'interaction',
      applicationId: interaction.application_id,
      token: interaction.token,
      interactionId: interaction.id,
      channelId: interaction.channel.id,
      userId: user.id,
      isPrivate,
    }),
    from: fromOf(user),
    locale: localeOf(interaction.locale),
    command: interaction.data.name,
    text: text ? String(options[text.name] ?? '') : '',
    options,
    images: load(attachmentsOf(interaction, command)),
    isPrivate,
  }
}

function optionsOf({ data }: APIChatInputApplicationCommandInteraction): Record<string, string | number | boolean> {
  return Object.fromEntries(
    (data.options ?? []).flatMap((option) => {
      if (!('value' in option) || option.type === Type.Attachment) return []
      return [[option.name, option.type === Type.User ? `discord:${option.value}` : option.value]]
    }),
  )
}

/** In the order of the command's options, whatever the order in which they were filled in. */
function attachmentsOf({ data }: APIChatInputApplicationCommandInteraction, command: Command | undefined) {
  const given = (data.options ?? []).filter((option) => option.type === Type.Attachment)
  const place = (name: string) => command?.options.findIndex((option) => option.name === name) ?? 0
  return given
    .toSorted((a, b) => place(a.name) - place(b.name))
    .flatMap(({ value }) => data.resolved?.attachments?.[value] ?? [])
}

interface Heard {
  botId: string
  load: Load
  /** The message that this one replies to. */
  fetchReferenced: (message: APIMessage) => Promise<APIMessage | undefined>
}

/** undefined: not meant for us. Without the privileged intent Discord shows us only what is: see `isForUs`. */
export async function callOfMessage(
  message: GatewayMessageCreateDispatchData,
  { botId, load, fetchReferenced }: Heard,
): Promise<Call | undefined> {
  if (message.author.bot || message.webhook_id || !isSpoken(message) || !isForUs(message, botId)) return undefined
  const text = message.content.replaceAll(new RegExp(`<@!?${botId}>`, 'g'), ' ').trim()
  const own = message.attachments
  const referenced = own.length > 0 ? undefined : await fetchReferenced(message)
  const given = own.length > 0 ? own : (referenced?.attachments ?? [])
  return {
    key: `discord:${message.id}`,
    surface: 'discord',
    address: addressOf({
      kind: 'channel',
      channelId: message.channel_id,
      userId: message.author.id,
      replyTo: message.id,
    }),
    from: fromOf(message.author),
    locale: languageOf(text),
    command: '',
    text,
    options: {},
    images: load(given.filter(looksLikePicture)),
  }
}

const isSpoken = ({ type }: APIMessage) => type === MessageType.Default || type === MessageType.Reply

/** A direct message, our name in it, or a reply to us whose words we are shown. */
function isForUs(message: GatewayMessageCreateDispatchData, botId: string): boolean {
  if (message.guild_id === undefined || message.mentions.some(({ id }) => id === botId)) return true
  const isReplyToUs = message.referenced_message?.author.id === botId
  return isReplyToUs && (message.content !== '' || message.attachments.length > 0)
}

/** Where Discord does not know the type it says nothing; then decoding decides. */
function looksLikePicture({ content_type: type }: APIAttachment): boolean {
  return type === undefined || type.startsWith('image/')
}

function fromOf({ id, username, global_name: shown }: APIUser): Call['from'] {
  return { id: `discord:${id}`, name: shown ?? username, handle: username }
}

/** Messages carry no language: Chinese characters without Japanese ones decide. */
function languageOf(text: string): Locale {
  return /\p{Script=Han}/u.test(text) && !/[\p{Script=Hiragana}\p{Script=Katakana}]/u.test(text) ? 'zh' : 'en'
}
