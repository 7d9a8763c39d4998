/** Updates → calls. Decides whether a message is addressed to the bot at all. */
import type { CallbackQuery, Chat, Message, MessageEntity, Update, User } from 'grammy/types'
import type { Act, Attachment, Call, Identity, Place } from '../../core/ports/chat.ts'
import { localeOf } from '../../locales/index.ts'
import { type AnyCommand, findCommand } from '../command.ts'
import { toAddress } from './address.ts'
import { isImage, type TelegramFiles } from './files.ts'

const maxImages = 10

export interface CallReader {
  /** An update, or those of an album. undefined: it is not for us. */
  callOf(updates: readonly Update[]): Call | undefined
  /** Whether it is, or may be part of, something for us. Only one message of an album is addressed. */
  concerns(update: Update): boolean
}

interface CallReaderOptions {
  /** The bot's own account. */
  me: { id: number; username: string }
  commands: readonly AnyCommand[]
  files: TelegramFiles
}

export function createCallReader({ me, commands, files }: CallReaderOptions): CallReader {
  const ownName = me.username.toLowerCase()

  function callOfMessages(messages: readonly Message[]): Call | undefined {
    const album = messages.toSorted((a, b) => a.message_id - b.message_id)
    const first = album[0]
    const captioned = album.find((part) => textOf(part) !== '') ?? first
    if (!captioned || !first || !isFromPerson(first) || !album.some(hasContent)) return undefined
    const act = actOf(captioned)
    if (!act) return undefined
    const { chat, from } = first
    return {
      key: `telegram:${chat.id}:${first.message_id}`,
      surface: 'telegram',
      address: toAddress({
        kind: 'chat',
        chatId: chat.id,
        threadId: threadOf(first),
        replyTo: first.message_id,
      }),
      from: identityOf(from),
      place: placeOf(chat),
      locale: localeOf(from.language_code),
      act,
      images: imagesOf(album),
      isPrivate: chat.type === 'private',
    }
  }

  /** The message without what only addresses the bot. undefined: it is meant for others. */
  function actOf(message: Message): Act | undefined {
    const text = textOf(message)
    const isPrivate = message.chat.type === 'private'
    const entities = message.entities ?? message.caption_entities ?? []
    const start = entities.find(({ type, offset }) => type === 'bot_command' && offset === 0)
    if (start) {
      const [name = '', bot] = text.slice(1, start.length).toLowerCase().split('@')
      const isOurs = bot === undefined ? isPrivate || findCommand(commands, name) !== undefined : bot === ownName
      return isOurs ? { kind: 'command', name, text: text.slice(start.length).trim(), options: {} } : undefined
    }
    const mention = entities.find((entity) => isMention(entity, text))
    if (mention) {
      const around = [text.slice(0, mention.offset), text.slice(mention.offset + mention.length)]
      const words = around.map((part) => part.trim()).join(' ')
      return { kind: 'message', text: words.trim() }
    }
    const isForUs = isPrivate || repliedTo(message)?.from?.id === me.id
    return isForUs ? { kind: 'message', text: text.trim() } : undefined
  }

  function isMention(entity: MessageEntity, text: string): boolean {
    if (entity.type === 'text_mention') return entity.user.id === me.id
    const { type, offset, length } = entity
    return type === 'mention' && text.slice(offset + 1, offset + length).toLowerCase() === ownName
  }

  function imagesOf(album: readonly Message[]): Attachment[] {
    const replied = album[0] && repliedTo(album[0])
    const sources = replied && isImage(replied) ? [...album, replied] : album
    return sources
      .map((message) => files.of(message))
      .filter((image) => image !== undefined)
      .slice(0, maxImages)
  }

  return {
    callOf(updates) {
      const query = updates[0]?.callback_query
      if (query) return callOfPress(query)
      return callOfMessages(updates.flatMap(({ message }) => message ?? []))
    },
    concerns({ message, callback_query: query }) {
      if (query) return callOfPress(query) !== undefined
      if (!message) return false
      const mayBePart = isFromPerson(message) && message.media_group_id !== undefined && hasContent(message)
      return mayBePart || callOfMessages([message]) !== undefined
    },
  }
}

function callOfPress({ id, from, data, message }: CallbackQuery): Call | undefined {
  if (data === undefined || !message) return undefined
  return {
    key: `telegram:press:${id}`,
    surface: 'telegram',
    address: toAddress({
      kind: 'press',
      queryId: id,
      userId: from.id,
      message: {
        kind: 'chat',
        chatId: message.chat.id,
        threadId: threadOf(message),
        replyTo: message.message_id,
      },
    }),
    from: identityOf(from),
    place: placeOf(message.chat),
    locale: localeOf(from.language_code),
    act: { kind: 'press', button: data },
    images: [],
    isPrivate: true,
  }
}

const identityOf = ({ id, first_name, last_name, username }: User): Identity => ({
  id: `telegram:${id}`,
  name: [first_name, last_name].filter(Boolean).join(' '),
  handle: username,
})

/** Telegram does not say in an update whether a person manages the group. */
function placeOf(chat: Chat): Place {
  const group = chat.type === 'private' ? undefined : { id: String(chat.id), title: chat.title }
  return { group, channel: String(chat.id), nsfw: false, manager: false, roles: [] }
}

function isFromPerson(message: Message): message is Message & { from: NonNullable<Message['from']> } {
  const isChat = ['private', 'group', 'supergroup'].includes(message.chat.type)
  return isChat && message.from !== undefined && !message.from.is_bot && !message.is_automatic_forward
}

/** Outside forums replies carry a thread too, but nothing can be sent to it. A message that is too old tells no thread. */
function threadOf(message: NonNullable<CallbackQuery['message']>): number | undefined {
  return 'is_topic_message' in message && message.is_topic_message ? message.message_thread_id : undefined
}

const textOf = (message: Message) => message.text ?? message.caption ?? ''

/** Only words and pictures are answered. */
const hasContent = ({ text, photo, document }: Message) => Boolean(text ?? photo ?? document)

/** In a topic, a message that replies to no other arrives as a reply to the one that opened the topic. */
function repliedTo({ reply_to_message: replied, is_topic_message, message_thread_id }: Message) {
  if (!replied || replied.forum_topic_created) return undefined
  return is_topic_message && replied.message_id === message_thread_id ? undefined : replied
}
