/** Updates → calls. Decides whether a message is addressed to the bot at all. */
import type { CallbackQuery, Message, MessageEntity, Update } from 'grammy/types'
import type { Act, Attachment, Call, PressedMessage } from '../../../core/ports/chat.ts'
import { localeOf } from '../../../locales/index.ts'
import { type AnyCommand, findCommand } from '../../command.ts'
import { messageName, toAddress, toPosted } from '../address.ts'
import { fileLimits } from '../outgoing/pictures.ts'
import { linkedCommand } from './deep-links.ts'
import type { TelegramFiles } from './files.ts'
import { callOfPayment } from './payments.ts'
import { identityOf, placeOf } from './people.ts'

/** What a message says. */
type Written = Extract<Act, { kind: 'message' | 'command' }>
/** The inbox keeps what it has handled for a day. */
const rememberedSeconds = 23 * 3600

export interface CallReader {
  /** An update, or those of an album. undefined: it is not for us. `isPart`: of a message that was for us. */
  callOf(updates: readonly Update[], isPart?: boolean): Call | undefined
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

  function callOfMessages(messages: readonly Message[], isPart = false): Call | undefined {
    const album = messages.toSorted((a, b) => a.message_id - b.message_id)
    const first = album[0]
    if (!first || !isFromPerson(first) || !album.some(hasContent)) return undefined
    const act = actOfAll(album) ?? (isPart ? ({ kind: 'message', text: '' } as const) : undefined)
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
      ...(first.sender_chat && { isAnonymous: true }),
      place: placeOf(chat),
      locale: localeOf(from.language_code),
      act,
      images: imagesOf(album),
      isPrivate: chat.type === 'private',
    }
  }

  /** undefined also for a message that is too old to be remembered: its words may be the same as before. */
  function callOfEdit(edited: Message, id: number): Call | undefined {
    if ((edited.edit_date ?? 0) - edited.date > rememberedSeconds) return undefined
    const call = callOfMessages([edited])
    return call && { ...call, key: `${call.key}:edit:${id}`, edits: call.key }
  }

  /** All texts of an album, or of a text in parts. One of them addresses the bot. */
  function actOfAll(messages: readonly Message[]): Written | undefined {
    const acts = messages.map(actOf)
    const main = acts.find((act) => act?.kind === 'command') ?? acts.find((act) => act !== undefined)
    if (!main) return undefined
    const texts = messages.map((message, index) => {
      const act = acts[index]
      return act === main || act?.kind === 'message' ? act.text : textOf(message).trim()
    })
    return { ...main, text: texts.filter((text) => text !== '').join('\n') }
  }

  /** The message without what only addresses the bot. undefined: it is meant for others. */
  function actOf(message: Message): Written | undefined {
    const text = textOf(message)
    const isPrivate = message.chat.type === 'private'
    const entities = message.entities ?? message.caption_entities ?? []
    const start = entities.find(({ type, offset }) => type === 'bot_command' && offset === 0)
    if (start) {
      const [name = '', bot] = text.slice(1, start.length).toLowerCase().split('@')
      const isOurs = bot === undefined ? isPrivate || findCommand(commands, name) !== undefined : bot === ownName
      if (!isOurs) return undefined
      const rest = text.slice(start.length).trim()
      const linked = name === 'start' ? linkedCommand(rest) : undefined
      return { kind: 'command', ...(linked ?? { name, text: rest }), options: {} }
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

  /** Own pictures, then those that are replied to, in this chat or another. */
  function imagesOf(album: readonly Message[]): Attachment[] {
    const first = album.find((message) => message.reply_to_message ?? message.external_reply)
    const here = first && repliedTo(first)
    const replied = here ?? first?.external_reply
    const own = album.map((message) => files.of(message)).filter((image) => image !== undefined)
    const theirs = replied && files.of(replied)
    if (!theirs) return own
    if (here?.from?.id !== me.id) return [...own, theirs]
    // it may show a result, whose original we have
    return [...own, { ...theirs, shownIn: { message: messageName(here.chat.id, here.message_id), index: 0 } }]
  }

  return {
    callOf(updates, isPart) {
      const query = updates[0]?.callback_query
      if (query) return callOfPress(query)
      const payment = updates[0]?.message && callOfPayment(updates[0].message)
      if (payment) return payment
      const edit = updates[0]?.edited_message && callOfEdit(updates[0].edited_message, updates[0].update_id)
      if (edit) return edit
      const messages = updates.flatMap(({ message }) => message ?? [])
      return callOfMessages(messages, isPart)
    },
    concerns({ message, edited_message: edited, update_id: id, callback_query: query }) {
      if (query) return callOfPress(query) !== undefined
      if (edited) return callOfEdit(edited, id) !== undefined
      if (!message) return false
      if (callOfPayment(message)) return true
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
    act: { kind: 'press', button: data, on: pressedMessage(message) },
    images: [],
    isPrivate: true,
    maxFileBytes: fileLimits.file,
  }
}

function pressedMessage(message: NonNullable<CallbackQuery['message']>): PressedMessage {
  const { chat, message_id: messageId } = message
  const kind =
    'photo' in message && message.photo ? 'photo' : 'document' in message && message.document ? 'document' : 'text'
  const target = { kind: 'chat', chatId: chat.id, threadId: threadOf(message) } as const
  return { posted: toPosted({ messageId, kind, target }), name: messageName(chat.id, messageId) }
}

type FromPerson = Message & { from: NonNullable<Message['from']> }

/** People who act as their group or channel appear as bots of Telegram's own. */
function isFromPerson(message: Message): message is FromPerson {
  const isChat = ['private', 'group', 'supergroup'].includes(message.chat.type)
  const { from, sender_chat: sender, is_automatic_forward: isForward } = message
  return isChat && from !== undefined && (!from.is_bot || sender !== undefined) && !isForward
}

/** Outside forums replies carry a thread too, but nothing can be sent to it. A message that is too old tells no thread. */
function threadOf(message: NonNullable<CallbackQuery['message']>): number | undefined {
  return 'is_topic_message' in message && message.is_topic_message ? message.message_thread_id : undefined
}

const textOf = (message: Message) => message.text ?? message.caption ?? ''

/** What people send. Other messages report events, such as a new member. */
const contents = [
  'text',
  'photo',
  'document',
  'sticker',
  'live_photo',
  'video',
  'animation',
  'audio',
  'voice',
  'video_note',
  'paid_media',
  'story',
  'contact',
  'location',
  'venue',
  'poll',
  'dice',
  'game',
  'checklist',
  'rich_message',
] as const satisfies (keyof Message)[]

const hasContent = (message: Message) => contents.some((name) => message[name] !== undefined)

/** In a topic, a message that replies to no other arrives as a reply to the one that opened the topic. */
function repliedTo({ reply_to_message: replied, is_topic_message, message_thread_id }: Message) {
  if (!replied || replied.forum_topic_created) return undefined
  return is_topic_message && replied.message_id === message_thread_id ? undefined : replied
}
