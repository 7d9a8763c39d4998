/** What people do: write, send pictures, press buttons, block the bot. Each makes the update the bot gets. */
import type { MessageEntity, Update } from '@grammyjs/types'
import { formatText } from './entities.ts'
import { toMessage } from './render.ts'
import { nextAlbumId } from './sending.ts'
import { type Press, type Telegram, unixNow } from './telegram.ts'
import type { DocumentUpload, From, MessageRef, PhotoUpload, Pressed, Sent } from './types.ts'
import type { Content, StoredMessage } from './world.ts'

const ANSWER_WITHIN_MS = 5000

export interface People {
  /** Commands, mentions, links and hashtags become entities. */
  say(text: string, from?: From): Sent
  /** The bot sees two sizes: a grey thumbnail, then the bytes as given. */
  sendPhoto(photo: PhotoUpload, from?: From): Sent
  sendDocument(document: DocumentUpload, from?: From): Sent
  /** One update for each, sharing a `media_group_id`. */
  sendAlbum(items: (PhotoUpload | DocumentUpload)[], from?: From): Sent[]
  /**
   * `button` is its data or its text; one that an edit has taken away can still be pressed, as on a slow phone.
   * Absent `from`: whose private chat it is. `expired`: Telegram no longer takes an answer.
   */
  press(message: MessageRef, button: string, from?: From & { expired?: boolean }): Pressed
  /** The same update again, with the same id. */
  redeliver(update: Update): void
  /** Any other update: `{ edited_message: … }`. */
  inject(body: Omit<Update, 'update_id'>): Update
  /** Makes the chat known to Telegram without a word to the bot. */
  open(from: From): number
  /** A user blocks the bot, or a group throws it out. Updates `my_chat_member`. */
  block(chatId: number): void
  unblock(chatId: number): void
  /** The group becomes a supergroup; returns its new id. */
  migrate(chatId: number): number
}

export function createPeople(telegram: Telegram): People {
  const { world, files, updates, emit, presses, answered, messageChanged } = telegram
  let queries = 0

  function send(content: Content, from: From, more: Partial<StoredMessage> = {}): Sent {
    const { user, room, threadId, replyTo } = world.arrive(from)
    const stored = world.add(room, { from: user, content, threadId, replyTo, ...more })
    messageChanged.fire(stored)
    const message = toMessage(stored)
    const update = emit({ message: message as NonNullable<Update['message']> })
    return { chatId: room.chat.id, messageId: stored.id, update, message }
  }

  function fileContent(item: PhotoUpload | DocumentUpload): Content {
    const caption = formatText(item.caption ?? '', '')
    if ('fileName' in item) return { ...caption, document: files.addDocument(item, 'person') }
    return { ...caption, photo: files.addPhoto(item.data, 'person') }
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

    press(message, button, { expired = false, ...from } = {}) {
      const stored = world.room(message.chatId)?.messages.get(message.messageId)
      if (!stored || stored.deleted) throw new Error(`no message ${message.messageId} in chat ${message.chatId}`)
      const data = findButton(stored, button)
      const { user } = world.arrive({ chatId: message.chatId, ...from })
      queries += 1
      const id = `${BigInt(user.id) * 4_294_967_296n + BigInt(queries)}`
      const press: Press = { expired }
      presses.set(id, press)
      const query = { id, from: user, message: toMessage(stored), chat_instance: `${stored.room.chat.id}00`, data }
      const update = emit({ callback_query: query as NonNullable<Update['callback_query']> })
      const silence = () => `the bot did not answer the press of "${button}"`
      return {
        queryId: id,
        update,
        answered: (timeoutMs = ANSWER_WITHIN_MS) => answered.until(() => press.answer, timeoutMs, silence),
      }
    },

    redeliver: (update) => updates.pushAgain(update),
    inject: emit,
    open: (from) => world.arrive(from).room.chat.id,
    block(chatId) {
      const type = world.room(chatId)?.chat.type ?? 'private'
      setClosed(chatId, type === 'private' ? 'bot was blocked by the user' : `bot was kicked from the ${type} chat`)
    },
    unblock: (chatId) => setClosed(chatId, undefined),

    migrate(chatId) {
      const old = world.room(chatId)
      if (old?.chat.type !== 'group')
        throw new Error(`chat ${chatId} is no group: only a group can become a supergroup`)
      const newId = Number(`-100${String(-chatId).padStart(10, '0')}`)
      send(nothing(), { chatId }, { extra: { migrate_to_chat_id: newId } })
      old.migratedTo = newId
      const from: From = { chatId: newId, chatType: 'supergroup', chatTitle: old.chat.title }
      send(nothing(), from, { extra: { migrate_from_chat_id: chatId } })
      return newId
    },
  }
}

function nothing(): { text: string; entities: MessageEntity[] } {
  return { text: '', entities: [] }
}

function findButton({ content, edits }: StoredMessage, wanted: string): string {
  const shown = [content, ...edits.toReversed()].flatMap(({ keyboard }) => keyboard?.inline_keyboard.flat() ?? [])
  const buttons = shown.flatMap((button) => ('callback_data' in button ? [button] : []))
  const found = buttons.find(({ text, callback_data: data }) => data === wanted || text === wanted)
  if (found?.callback_data !== undefined) return found.callback_data
  const there = buttons.map(({ text, callback_data: data }) => `"${text}" (${data})`)
  throw new Error(`no button "${wanted}"; there are: ${there.join(', ') || 'none'}`)
}
