/** What people write → calls. Answers the question whether a message is for us at all. */
import type { Message, MessageEntity } from 'grammy/types'
import type { Attachment, Call, Locale } from '../../core/ports/chat.ts'
import type { Command } from '../command.ts'
import { toAddress } from './address.ts'
import { isImage, type TelegramFiles } from './files.ts'

const mostImages = 10

export interface Reader {
  /** One message, or the parts of an album. Undefined: not for us. */
  call(parts: readonly Message[]): Call | undefined
  /** Whether it is, or may be part of, something for us. Of an album only one part says so. */
  concerns(message: Message): boolean
}

interface ReaderOptions {
  /** The bot's own name and number. */
  me: { id: number; username: string }
  commands: readonly Command[]
  files: TelegramFiles
}

export function createReader({ me, commands, files }: ReaderOptions): Reader {
  const ourName = me.username.toLowerCase()
  const known = new Set(commands.flatMap(({ name, aliases = [] }) => [name, ...aliases]))

  function call(parts: readonly Message[]): Call | undefined {
    const album = parts.toSorted((a, b) => a.message_id - b.message_id)
    const said = album.find((part) => textOf(part) !== '') ?? album[0]
    const first = album[0]
    if (!said || !first || !isFromPerson(first) || !album.some(hasContent)) return undefined
    const asked = understand(said)
    if (!asked) return undefined
    const { chat, from } = first
    return {
      ...asked,
      key: `telegram:${chat.id}:${first.message_id}`,
      surface: 'telegram',
      address: toAddress({
        chatId: chat.id,
        // outside forums replies carry a thread as well, but nothing can be sent to it
        threadId: first.is_topic_message ? first.message_thread_id : undefined,
        replyTo: first.message_id,
      }),
      from: {
        id: `telegram:${from.id}`,
        name: [from.first_name, from.last_name].filter(Boolean).join(' '),
        handle: from.username,
      },
      locale: localeOf(from.language_code),
      options: {},
      images: imagesOf(album),
      isPrivate: chat.type === 'private',
    }
  }

  /** Its words without what only addresses us; undefined when it is meant for others. */
  function understand(message: Message): Pick<Call, 'command' | 'text'> | undefined {
    const text = textOf(message)
    const isPrivate = message.chat.type === 'private'
    const entities = message.entities ?? message.caption_entities ?? []
    const start = entities.find(({ type, offset }) => type === 'bot_command' && offset === 0)
    if (start) {
      const [command = '', bot] = text.slice(1, start.length).toLowerCase().split('@')
      const isOurs = bot === undefined ? isPrivate || known.has(command) : bot === ourName
      return isOurs ? { command, text: text.slice(start.length).trim() } : undefined
    }
    const mention = entities.find((entity) => isMention(entity, text))
    if (mention) {
      const around = [text.slice(0, mention.offset), text.slice(mention.offset + mention.length)]
      return {
        command: '',
        text: around
          .map((part) => part.trim())
          .join(' ')
          .trim(),
      }
    }
    return isPrivate || repliedTo(message)?.from?.id === me.id ? { command: '', text: text.trim() } : undefined
  }

  function isMention(entity: MessageEntity, text: string): boolean {
    if (entity.type === 'text_mention') return entity.user.id === me.id
    const { type, offset, length } = entity
    return type === 'mention' && text.slice(offset + 1, offset + length).toLowerCase() === ourName
  }

  function imagesOf(album: readonly Message[]): Attachment[] {
    const replied = album[0] && repliedTo(album[0])
    const sources = replied && isImage(replied) ? [...album, replied] : album
    return sources
      .map((message) => files.of(message))
      .filter((image) => image !== undefined)
      .slice(0, mostImages)
  }

  return {
    call,
    concerns: (message) =>
      (isFromPerson(message) && message.media_group_id !== undefined && hasContent(message)) ||
      call([message]) !== undefined,
  }
}

function isFromPerson(message: Message): message is Message & { from: NonNullable<Message['from']> } {
  const isChat = ['private', 'group', 'supergroup'].includes(message.chat.type)
  return isChat && message.from !== undefined && !message.from.is_bot && !message.is_automatic_forward
}

const textOf = (message: Message) => message.text ?? message.caption ?? ''

/** Words or a picture: nothing else is answered, wherever it was said. */
const hasContent = ({ text, photo, document }: Message) => Boolean(text ?? photo ?? document)

/** In a topic, what replies to nothing comes as a reply to the message that opened the topic. */
function repliedTo({ reply_to_message: replied, is_topic_message, message_thread_id }: Message) {
  if (!replied || replied.forum_topic_created) return undefined
  return is_topic_message && replied.message_id === message_thread_id ? undefined : replied
}

function localeOf(code = ''): Locale {
  return /^zh\b/i.test(code) ? 'zh' : 'en'
}
