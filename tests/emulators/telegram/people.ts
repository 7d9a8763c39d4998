/** What people do on Telegram: write, send pictures, press buttons, block the bot. Each act becomes an update. */
import type { MessageEntity, Update } from '@grammyjs/types'
import { findButton } from '../buttons.ts'
import { formatText } from './entities.ts'
import { buttonsIn, toMessage } from './render.ts'
import { nextAlbumId } from './sending.ts'
import { type Telegram, unixNow } from './telegram.ts'
import type { DocumentUpload, From, MessageRef, PhotoUpload, Pressed, PressOptions, Sent } from './types.ts'
import type { Content, StoredMessage } from './world.ts'

/** Milliseconds. A bot that has sent 20 messages to a group in a minute waits for more than a minute. */
const ANSWER_WITHIN_MS = 150_000

export interface People {
  /** Sends a text. Commands, mentions, links and hashtags become entities. */
  say(text: string, from?: From): Sent
  /** Sends a photo, which the bot gets in two sizes: a grey thumbnail, then `data`. */
  sendPhoto(photo: PhotoUpload, from?: From): Sent
  sendDocument(document: DocumentUpload, from?: From): Sent
  /** Sends an album: one update for each item, with the same `media_group_id`. */
  sendAlbum(items: (PhotoUpload | DocumentUpload)[], from?: From): Sent[]
  /** Creates an album whose updates come later, in any order: `inject({ message })`. */
  composeAlbum(items: (PhotoUpload | DocumentUpload)[], from?: From): NonNullable<Update['message']>[]
  /**
   * Presses a button, found by its data or text. A button that an edit removed can still be pressed, as on a slow phone.
   * Default person: the other person of a private chat, in a group the one the message replies to.
   */
  press(message: MessageRef, button: string, options?: PressOptions): Pressed
  /** Lets the 150 s to answer the press pass. */
  expirePress(pressed: Pressed): void
  /** Deletes a message of the bot or of a person, as an administrator does. The bot gets no update. */
  deleteMessage(message: MessageRef): void
  /** Lets a person edit the text or the caption of their message. The same words again: an edit of something that bots do not see. */
  editMessage(message: MessageRef, text: string): Update
  /** Lets this time pass since the message was sent. */
  age(message: MessageRef, seconds: number): void
  /** Makes a person an administrator of the group, or an ordinary member again. */
  promote(chatId: number, userId: number, isAdmin?: boolean): void
  /** Delivers the same update again, with the same id. */
  redeliver(update: Update): void
  /** Sends any other update: `{ edited_message: … }`. */
  inject(body: Omit<Update, 'update_id'>): Update
  /** Creates the chat without an update. Returns its id. */
  open(from: From): number
  /** Lets a person block the bot, or a group remove it, with a `my_chat_member` update. */
  block(chatId: number): void
  unblock(chatId: number): void
  /** Makes the chat refuse everything with this error of Telegram's, without an update: 'Bad Request: TOPIC_CLOSED'. */
  refuse(chatId: number, description: string): void
  /** Puts the group into slow mode, which holds for bots that are no administrators as well. 0: out of it. */
  slowDown(chatId: number, seconds: number): void
  /** Opens a forum topic. The service message about it has the same id as the topic. */
  openTopic(from: From & { threadId: number }): Sent
  /** Closes a topic: only administrators may write there. The bot gets a service message, as it does when the topic is opened again. */
  closeTopic(from: From & { threadId: number }): Sent
  reopenTopic(from: From & { threadId: number }): Sent
  /** Turns the group into a supergroup. Returns the new id. */
  migrate(chatId: number): number
}

export function createPeople(telegram: Telegram): People {
  const { world, files, updates, emit, presses, answered, messageChanged } = telegram
  let queries = 0

  function send(content: Content, from: From, more: Partial<StoredMessage> = {}): Sent {
    return report(compose(content, from, more))
  }

  function report(stored: StoredMessage): Sent {
    const message = toMessage(stored)
    const update = emit({ message: message as NonNullable<Update['message']> })
    return { chatId: stored.room.chat.id, messageId: stored.id, update, message }
  }

  function compose(content: Content, from: From, more: Partial<StoredMessage> = {}): StoredMessage {
    const { user, room, threadId, replyTo } = world.arrive(from)
    const stored = world.add(room, { from: user, content, threadId, replyTo, ...more })
    messageChanged.fire(stored)
    return stored
  }

  function fileContent(item: PhotoUpload | DocumentUpload): Content {
    const caption = formatText(item.caption ?? '', '')
    if ('fileName' in item) return { ...caption, document: files.addDocument(item, 'person') }
    return { ...caption, photo: files.addPhoto(item.data, 'person') }
  }

  function existingMessage({ chatId, messageId }: MessageRef): StoredMessage {
    const stored = world.room(chatId)?.messages.get(messageId)
    if (!stored || stored.deleted) throw new Error(`no message ${messageId} in chat ${chatId}`)
    return stored
  }

  function setClosed(chatId: number, closed: string | undefined) {
    const { user, room } = world.arrive({ chatId })
    room.closed = closed
    const { id, is_bot, first_name, username } = world.bot
    const bot = { id, is_bot, first_name, username }
    const member = { status: 'member' as const, user: bot }
    const kicked = { status: 'kicked' as const, user: bot, until_date: 0 }
    emit({
      my_chat_member: {
        chat: room.chat,
        from: user,
        date: unixNow(),
        old_chat_member: closed ? member : kicked,
        new_chat_member: closed ? kicked : member,
      },
    })
  }

  return {
    say: (text, from = {}) => send(formatText(text, ''), from),
    sendPhoto: (photo, from = {}) => send(fileContent(photo), from),
    sendDocument: (document, from = {}) => send(fileContent(document), from),
    sendAlbum(items, from = {}) {
      const mediaGroupId = nextAlbumId()
      return items.map((item) => send(fileContent(item), from, { mediaGroupId }))
    },

    composeAlbum(items, from = {}) {
      const mediaGroupId = nextAlbumId()
      return items.map(
        (item) => toMessage(compose(fileContent(item), from, { mediaGroupId })) as NonNullable<Update['message']>,
      )
    },

    press(message, button, { ageMs = 0, inaccessible = false, ...from } = {}) {
      const stored = existingMessage(message)
      const { id: data } = findButton(everShown(stored), button)
      const userId = from.userId ?? repliedPerson(stored)
      const { user } = world.arrive({ ...from, userId, chatId: message.chatId })
      queries += 1
      const id = `${BigInt(user.id) * 4_294_967_296n + BigInt(queries)}`
      presses.add(id, ageMs)
      const { chat } = stored.room
      const shown = inaccessible ? { chat, message_id: stored.id, date: 0 } : toMessage(stored)
      const query = { id, from: user, message: shown, chat_instance: `${chat.id}00`, data }
      const update = emit({ callback_query: query as NonNullable<Update['callback_query']> })
      const timeoutText = () => `the bot did not answer the press of "${button}"`
      return {
        queryId: id,
        update,
        answered: (timeoutMs = ANSWER_WITHIN_MS) => answered.until(() => presses.answerTo(id), timeoutMs, timeoutText),
      }
    },

    expirePress: ({ queryId }) => presses.expire(queryId),

    deleteMessage(message) {
      const stored = existingMessage(message)
      stored.deleted = true
      messageChanged.fire(stored)
    },

    editMessage(message, text) {
      const stored = existingMessage(message)
      if (stored.from.is_bot) throw new Error(`message ${stored.id} is the bot's: only its author edits a message`)
      stored.edits = [...stored.edits, stored.content]
      stored.content = { ...stored.content, ...formatText(text, '') }
      stored.editDate = unixNow()
      messageChanged.fire(stored)
      return emit({ edited_message: toMessage(stored) as NonNullable<Update['edited_message']> })
    },

    age(message, seconds) {
      existingMessage(message).date -= seconds
    },

    promote(chatId, userId, isAdmin = true) {
      const { room } = world.arrive({ chatId, userId })
      if (isAdmin) room.admins.add(userId)
      else room.admins.delete(userId)
    },

    redeliver: (update) => updates.pushAgain(update),
    inject: emit,
    open: (from) => world.arrive(from).room.chat.id,
    block(chatId) {
      const type = world.room(chatId)?.chat.type ?? 'private'
      setClosed(chatId, type === 'private' ? 'bot was blocked by the user' : `bot was kicked from the ${type} chat`)
    },
    unblock: (chatId) => setClosed(chatId, undefined),
    refuse(chatId, description) {
      world.arrive({ chatId }).room.closed = description.replace(/^Forbidden: /, '')
    },

    slowDown(chatId, seconds) {
      world.arrive({ chatId }).room.slow = seconds === 0 ? undefined : { seconds, nextAt: 0 }
    },

    openTopic({ threadId, ...from }) {
      const { user, room } = world.arrive(from)
      return report(world.openTopic(room, threadId, user))
    },
    closeTopic(from) {
      const sent = send(emptyText(), from, { extra: { forum_topic_closed: {} } })
      world.room(sent.chatId)?.closedTopics.add(from.threadId)
      return sent
    },
    reopenTopic(from) {
      const sent = send(emptyText(), from, { extra: { forum_topic_reopened: {} } })
      world.room(sent.chatId)?.closedTopics.delete(from.threadId)
      return sent
    },

    migrate(chatId) {
      const old = world.room(chatId)
      if (old?.chat.type !== 'group')
        throw new Error(`chat ${chatId} is not a group; only a group can become a supergroup`)
      const newId = Number(`-100${String(-chatId).padStart(10, '0')}`)
      send(emptyText(), { chatId }, { extra: { migrate_to_chat_id: newId } })
      old.migratedTo = newId
      const from: From = { chatId: newId, chatType: 'supergroup', chatTitle: old.chat.title }
      send(emptyText(), from, { extra: { migrate_from_chat_id: chatId } })
      return newId
    },
  }
}

function emptyText(): { text: string; entities: MessageEntity[] } {
  return { text: '', entities: [] }
}

/** Current buttons, then those of earlier versions, latest first. */
function everShown({ content, edits }: StoredMessage) {
  return [content, ...edits.toReversed()].flatMap(({ keyboard }) => buttonsIn(keyboard))
}

function repliedPerson({ replyTo }: StoredMessage): number | undefined {
  return replyTo && !replyTo.from.is_bot ? replyTo.from.id : undefined
}
