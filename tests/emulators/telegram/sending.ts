/** Methods that send and delete messages. */
import { integerOf, isTrue, listOf, objectOf, textOf } from './body.ts'
import { readKeyboard, readMedia, readText } from './content.ts'
import {
  albumInSlowMode,
  badRequest,
  deleteNotFound,
  replyNotFound,
  threadNotFound,
  tooManyRequests,
  topicClosed,
} from './errors.ts'
import { toMessage } from './render.ts'
import { type Call, type Method, type Telegram, unixNow } from './telegram.ts'
import type { Json } from './types.ts'
import type { Content, Room, StoredMessage } from './world.ts'

const ACTIONS = [
  'typing',
  'upload_photo',
  'record_video',
  'upload_video',
  'record_voice',
  'upload_voice',
  'upload_document',
  'choose_sticker',
  'find_location',
  'record_video_note',
  'upload_video_note',
]
const MAX_ALBUM = 10
const MAX_DELETED = 100
const ALBUM_KINDS = ['photo', 'document', 'video', 'audio', 'live_photo']

export const sending: Record<string, Method> = {
  sendMessage: (telegram, call) => toMessage(post(telegram, call, readText(telegram, call.params))),
  sendPhoto: (telegram, call) => toMessage(postFile(telegram, call, 'photo')),
  sendDocument: (telegram, call) => toMessage(postFile(telegram, call, 'document')),
  sendMediaGroup,
  sendChatAction(telegram, { params }) {
    if (!ACTIONS.includes(textOf(params, 'action'))) throw badRequest('wrong parameter action in request')
    readTarget(telegram.world.writable(params.chat_id), params)
    return true
  },
  sendMessageDraft(telegram, { params }) {
    const { chat } = telegram.world.writable(params.chat_id)
    if (chat.type !== 'private') throw badRequest('TEXTDRAFT_PEER_INVALID')
    if (!integerOf(params, 'draft_id')) throw badRequest('draft_id must be non-zero')
    return true
  },
  deleteMessage(telegram, { params }) {
    const room = telegram.world.writable(params.chat_id)
    const stored = room.messages.get(integerOf(params, 'message_id') ?? 0)
    if (!stored || stored.deleted) throw deleteNotFound()
    if (!mayDelete(telegram, stored)) throw badRequest("message can't be deleted for everyone")
    remove(telegram, stored)
    return true
  },
  deleteMessages(telegram, { params }) {
    const room = telegram.world.writable(params.chat_id)
    const ids = listOf(params, 'message_ids') ?? []
    if (ids.length === 0) throw badRequest('message identifiers are not specified')
    if (ids.length > MAX_DELETED) throw badRequest('too many message identifiers specified')
    for (const id of ids) {
      const stored = room.messages.get(Number(id))
      if (stored && !stored.deleted && mayDelete(telegram, stored)) remove(telegram, stored)
    }
    return true
  },
}

function postFile(telegram: Telegram, call: Call, kind: 'photo' | 'document'): StoredMessage {
  const content = readMedia(telegram, call, kind, call.params, call.params[kind])
  return post(telegram, call, { ...content, keyboard: readKeyboard(telegram, call.params) })
}

function sendMediaGroup(telegram: Telegram, call: Call) {
  const media = (listOf(call.params, 'media') ?? []) as Json[]
  if (media.length === 0) throw badRequest('there are no messages to send')
  if (media.length > MAX_ALBUM) throw badRequest('too many messages to send as an album')
  if (media.length === 1) telegram.violate('sendMediaGroup: an album has 2 to 10 items')
  const kinds = new Set(media.map(({ type }) => String(type)))
  for (const kind of kinds)
    if (!ALBUM_KINDS.includes(kind)) throw badRequest(`can't use the media of the specified type in the album`)
  if (kinds.size > 1 && kinds.has('document')) throw badRequest("document can't be mixed with other media types")

  const contents = media.map((item) => readMedia(telegram, call, String(item.type), item, item.media))
  const mediaGroupId = media.length > 1 ? nextAlbumId() : undefined
  admit(telegram, call, contents.length)
  return contents.map((content) => toMessage(write(telegram, call, content, { mediaGroupId })))
}

let albums = 13_800_000_000_000_000n
export function nextAlbumId(): string {
  albums += 1n
  return String(albums)
}

/** Sends the bot's message to the chat, topic and message that the parameters name. */
export function post(
  telegram: Telegram,
  call: Call,
  content: Content,
  more: Partial<StoredMessage> = {},
): StoredMessage {
  admit(telegram, call)
  return write(telegram, call, content, more)
}

/** Throws if the limits of the chat do not let these messages pass. Edits do not count in slow mode. */
function admit({ world, flood }: Telegram, { params }: Call, messages = 1) {
  const room = world.writable(params.chat_id)
  const { threadId } = readTarget(room, params)
  if (threadId !== undefined && room.closedTopics.has(threadId)) throw topicClosed()
  flood.count(room.chat, messages)
  if (!room.slow) return
  if (messages > 1) throw albumInSlowMode()
  const now = Date.now()
  if (room.slow.nextAt > now) throw tooManyRequests(Math.ceil((room.slow.nextAt - now) / 1000))
  room.slow.nextAt = now + room.slow.seconds * 1000
}

function write(telegram: Telegram, { params }: Call, content: Content, more: Partial<StoredMessage>): StoredMessage {
  const { world, messageChanged } = telegram
  const room = world.writable(params.chat_id)
  const target = readTarget(room, params)
  const extra = { ...(isTrue(params, 'protect_content') && { has_protected_content: true }), ...more.extra }
  const stored = world.add(room, { from: world.bot, content, ...target, ...more, extra })
  messageChanged.fire(stored)
  return stored
}

function readTarget(room: Room, params: Json): Pick<StoredMessage, 'threadId' | 'replyTo'> {
  const reply = objectOf(params, 'reply_parameters') ?? {}
  const repliedId = integerOf(reply, 'message_id') ?? integerOf(params, 'reply_to_message_id')
  const replied = repliedId === undefined ? undefined : room.messages.get(repliedId)
  const replyTo = replied?.deleted ? undefined : replied
  const mayDrop = isTrue(reply, 'allow_sending_without_reply') || isTrue(params, 'allow_sending_without_reply')
  if (repliedId !== undefined && !replyTo && !mayDrop) throw replyNotFound()

  const threadId = integerOf(params, 'message_thread_id') ?? replyTo?.threadId
  if (threadId !== undefined && !room.topics.has(threadId)) throw threadNotFound()
  return { threadId, replyTo }
}

/** The bot is an ordinary member of groups, where it can delete only its own messages. */
/** Telegram deletes nothing that is older than 48 hours. */
const DELETABLE_SECONDS = 48 * 3600

function mayDelete({ world }: Telegram, { room, from, date }: StoredMessage): boolean {
  if (unixNow() - date > DELETABLE_SECONDS) return false
  return room.chat.type === 'private' || from.id === world.bot.id
}

function remove({ messageChanged }: Telegram, stored: StoredMessage) {
  stored.deleted = true
  messageChanged.fire(stored)
}
