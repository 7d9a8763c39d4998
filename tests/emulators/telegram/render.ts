/** Stored messages in the form of the Bot API, and as people see them. */
import type { InlineKeyboardButton, InlineKeyboardMarkup, Message } from '@grammyjs/types'
import type { ShownButton } from '../buttons.ts'
import { documentJson, photoJson } from './files.ts'
import type { Json, ShownMessage, Version } from './types.ts'
import type { Content, StoredMessage } from './world.ts'

export function toMessage(stored: StoredMessage, withReply = true): Message {
  const { room, content, threadId, replyTo } = stored
  // in a topic, a message that is not a reply is a reply to the message that opened the topic
  const repliedTo = replyTo ?? (threadId === undefined ? undefined : room.topics.get(threadId))
  const hasReply = withReply && repliedTo !== undefined && repliedTo !== stored
  const json: Json = {
    message_id: stored.id,
    from: stored.from,
    chat: room.chat,
    date: stored.date,
    ...(stored.editDate && { edit_date: stored.editDate }),
    ...threadJson(stored),
    ...(hasReply && { reply_to_message: toMessage(repliedTo, false) }),
    ...(stored.mediaGroupId && { media_group_id: stored.mediaGroupId }),
    ...contentJson(content),
    ...stored.extra,
  }
  return json as unknown as Message
}

/** Replies outside forums have a thread too, but it is not a topic and the bot cannot send to it. */
function threadJson({ room, threadId, replyTo }: StoredMessage): Json {
  if (threadId !== undefined) return { message_thread_id: threadId, is_topic_message: true }
  if (!replyTo || room.chat.type !== 'supergroup' || room.chat.is_forum) return {}
  let root = replyTo
  while (root.replyTo) root = root.replyTo
  return { message_thread_id: root.id }
}

/** Fields that an edit can change. Telegram rejects an edit that leaves them equal. */
export function contentJson({ text, entities, photo, document, spoiler, captionAbove, keyboard }: Content): Json {
  const hasFile = photo !== undefined || document !== undefined
  return {
    ...(photo && { photo: photoJson(photo) }),
    ...(document && { document: documentJson(document) }),
    ...(text && { [hasFile ? 'caption' : 'text']: text }),
    ...(entities.length > 0 && { [hasFile ? 'caption_entities' : 'entities']: entities }),
    ...(spoiler && { has_media_spoiler: true }),
    ...(captionAbove && { show_caption_above_media: true }),
    ...(keyboard && { reply_markup: keyboard }),
  }
}

export function toShown(stored: StoredMessage): ShownMessage {
  const { room, content, from } = stored
  return {
    chatId: room.chat.id,
    messageId: stored.id,
    fromBot: from.is_bot,
    fromId: from.id,
    ...toVersion(content),
    entities: content.entities,
    threadId: stored.threadId,
    replyTo: stored.replyTo?.id,
    mediaGroupId: stored.mediaGroupId,
    spoiler: content.spoiler ?? false,
    opensReplyOf: content.forceReply && (content.forceReply.selective ? addressed(stored) : 'everyone'),
    edits: stored.edits.map(toVersion),
    date: stored.date,
    editDate: stored.editDate,
    raw: toMessage(stored),
  }
}

/** Ids of the people that a selective reply markup is for. */
function addressed({ content, replyTo }: StoredMessage): number[] {
  const mentioned = content.entities.flatMap((entity) => (entity.type === 'text_mention' ? [entity.user.id] : []))
  return replyTo && !replyTo.from.is_bot ? [...mentioned, replyTo.from.id] : mentioned
}

function toVersion({ text, photo, document, keyboard }: Content): Version {
  return {
    text,
    photo: photo?.sizes[1].data,
    document: document && { fileName: document.fileName ?? '', mimeType: document.mimeType, data: document.data },
    buttons: buttonsIn(keyboard),
  }
}

export function buttonsIn(keyboard: InlineKeyboardMarkup | undefined): ShownButton[][] {
  return (keyboard?.inline_keyboard ?? []).map((row) => row.map(shownButton))
}

function shownButton(button: InlineKeyboardButton): ShownButton {
  const { text, style } = button
  return {
    label: text,
    ...('callback_data' in button && { id: button.callback_data }),
    ...('url' in button && { url: button.url }),
    ...(style && { style }),
  }
}
