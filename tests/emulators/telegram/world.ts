/** People, chats, topics and messages. */
import type { Chat, InlineKeyboardMarkup, MessageEntity, User } from '@grammyjs/types'
import { badRequest, chatNotFound, forbidden } from './errors.ts'
import type { Photo, StoredFile } from './files.ts'
import type { ChatType, From, Json } from './types.ts'

const DEFAULT_CHATS: Record<Exclude<ChatType, 'private'>, number> = { group: -4000001, supergroup: -1001000000001 }
const DEFAULT_USER = 1001

/** Content of a message. `text` is the caption if there is a file. */
export interface Content {
  text: string
  entities: MessageEntity[]
  photo?: Photo
  document?: StoredFile
  spoiler?: boolean
  captionAbove?: boolean
  keyboard?: InlineKeyboardMarkup
  /** Opens a reply box. `selective`: only of people who are mentioned, or whose message is replied to. */
  forceReply?: { selective: boolean; placeholder?: string }
}

export interface StoredMessage {
  room: Room
  id: number
  from: User
  /** Unix seconds. */
  date: number
  editDate?: number
  content: Content
  /** Other fields of the API's message: service messages, invoices, flags. */
  extra: Json
  threadId?: number
  replyTo?: StoredMessage
  mediaGroupId?: string
  edits: Content[]
  deleted: boolean
}

export interface Room {
  chat: Chat
  messages: Map<number, StoredMessage>
  /** Service message that opened the topic, by topic. */
  topics: Map<number, StoredMessage>
  /** Topics in which only administrators may write. */
  closedTopics: Set<number>
  /** Slow mode: seconds between two messages of the bot, and when it may write again, in Unix milliseconds. Absent: off. */
  slow?: { seconds: number; nextAt: number }
  /** Telegram's error text if the bot may not write here, with its kind unless it is 'Forbidden'. Absent: it may. */
  closed?: string
  /** Id of the supergroup that the group became. */
  migratedTo?: number
  /** Ids of the administrators. */
  admins: Set<number>
  lastId: number
}

export interface World {
  readonly bot: User
  /** Returns the person and the room that `from` names, created on first use. */
  arrive(from: From): { user: User; room: Room; threadId?: number; replyTo?: StoredMessage }
  person(userId: number): User | undefined
  room(chatId: number): Room | undefined
  /** Returns the room. Throws Telegram's error if there is no such chat or the bot may not write there. */
  writable(chatId: unknown): Room
  add(room: Room, message: Pick<StoredMessage, 'from'> & Partial<StoredMessage>): StoredMessage
  openTopic(room: Room, threadId: number, from: User): StoredMessage
}

export function createWorld(bot: User): World {
  const people = new Map<number, User>()
  const rooms = new Map<number, Room>()
  /** Private chats and basic groups share one sequence of message ids; each supergroup has its own. */
  const shared = { lastId: 0 }

  function person({ userId: named, chatId = 0, firstName, username, languageCode }: From): User {
    const userId = named ?? (chatId > 0 ? chatId : DEFAULT_USER)
    const existing = people.get(userId)
    const user: User = {
      id: userId,
      is_bot: false,
      first_name: firstName ?? existing?.first_name ?? 'Ada',
      username: username ?? existing?.username ?? `user${userId}`,
      language_code: languageCode ?? existing?.language_code ?? 'en',
    }
    people.set(userId, user)
    return user
  }

  function roomOf(from: From, user: User): Room {
    const id = from.chatId ?? defaultChatId(from.chatType, user)
    const existing = rooms.get(id)
    if (existing) return existing
    const type = from.chatType ?? typeOf(id)
    const chat = chatJson(id, type, from, user)
    const room: Room = {
      chat,
      messages: new Map(),
      topics: new Map(),
      closedTopics: new Set(),
      admins: new Set(),
      lastId: 0,
    }
    rooms.set(id, room)
    return room
  }

  function nextId(room: Room): number {
    const counter = room.chat.type === 'supergroup' ? room : shared
    do counter.lastId += 1
    while (room.messages.has(counter.lastId))
    return counter.lastId
  }

  const world: World = {
    bot,
    person: (userId) => people.get(userId),
    room: (chatId) => rooms.get(chatId),

    arrive(from) {
      const user = person(from)
      const room = roomOf(from, user)
      const replyTo = from.replyTo === undefined ? undefined : room.messages.get(from.replyTo)
      if (from.replyTo !== undefined && !replyTo) throw new Error(`no message ${from.replyTo} in chat ${room.chat.id}`)
      const threadId = from.threadId ?? replyTo?.threadId
      if (threadId !== undefined && !room.topics.has(threadId)) world.openTopic(room, threadId, user)
      return { user, room, threadId, replyTo }
    },

    writable(chatId) {
      const room = rooms.get(Number(chatId))
      if (chatId === undefined || chatId === '') throw badRequest('chat_id is empty')
      if (!room && people.has(Number(chatId))) throw forbidden("bot can't initiate conversation with a user")
      if (!room) throw chatNotFound()
      if (room.migratedTo)
        throw badRequest('group chat was upgraded to a supergroup chat', { migrate_to_chat_id: room.migratedTo })
      if (room.closed?.startsWith('Bad Request: ')) throw badRequest(room.closed.slice('Bad Request: '.length))
      if (room.closed) throw forbidden(room.closed)
      return room
    },

    add(room, message) {
      const id = message.id ?? nextId(room)
      if (room.messages.has(id))
        throw new Error(`chat ${room.chat.id} already has a message ${id}: use another threadId`)
      const stored: StoredMessage = {
        content: { text: '', entities: [] },
        extra: {},
        edits: [],
        deleted: false,
        date: Math.floor(Date.now() / 1000),
        ...message,
        room,
        id,
      }
      room.messages.set(id, stored)
      return stored
    },

    openTopic(room, threadId, from) {
      if (room.chat.type === 'supergroup') room.chat = { ...room.chat, is_forum: true }
      const extra = { forum_topic_created: { name: `Topic ${threadId}`, icon_color: 7322096 } }
      const root = world.add(room, { id: threadId, from, extra, threadId })
      room.topics.set(threadId, root)
      return root
    },
  }
  return world
}

function defaultChatId(type: ChatType | undefined, user: User): number {
  return type === undefined || type === 'private' ? user.id : DEFAULT_CHATS[type]
}

function typeOf(chatId: number): ChatType {
  if (chatId > 0) return 'private'
  return String(chatId).startsWith('-100') ? 'supergroup' : 'group'
}

function chatJson(id: number, type: ChatType, from: From, user: User): Chat {
  if (type === 'private') return { id, type, first_name: user.first_name, username: user.username }
  return { id, type, title: from.chatTitle ?? `Chat ${id}` }
}
