/** Methods that edit a message of the bot. Each also replaces the keyboard: without `reply_markup` it is removed. */
import { isDeepStrictEqual } from 'node:util'
import { integerOf, isTrue, objectOf, textOf } from './body.ts'
import { readCaption, readKeyboard, readMedia, readText } from './content.ts'
import { badRequest, editNotFound, notModified } from './errors.ts'
import { contentJson, toMessage } from './render.ts'
import { type Call, type Method, type Telegram, unixNow } from './telegram.ts'
import type { Content, StoredMessage } from './world.ts'

const MAX_HISTORY = 100

export const editing: Record<string, Method> = {
  editMessageText: (telegram, call) =>
    edit(telegram, call, ({ content, extra }) => {
      if (hasFile(content) || extra.invoice) throw badRequest('there is no text in the message to edit')
      return readText(telegram, call.params)
    }),

  editMessageCaption: (telegram, call) =>
    edit(telegram, call, ({ content }) => {
      if (!hasFile(content)) throw badRequest('there is no caption in the message to edit')
      const captionAbove = isTrue(call.params, 'show_caption_above_media') || undefined
      return {
        ...content,
        ...readCaption(telegram, call.params),
        captionAbove,
        keyboard: readKeyboard(telegram, call.params),
      }
    }),

  editMessageMedia: (telegram, call) =>
    edit(telegram, call, ({ content, mediaGroupId }) => {
      const media = objectOf(call.params, 'media')
      if (!media) throw badRequest('media is empty')
      const kind = textOf(media, 'type')
      const isOtherKind = mediaGroupId && (kind === 'document') !== (content.document !== undefined)
      if (isOtherKind) throw badRequest("can't use the media of the specified type in the album")
      return { ...readMedia(telegram, call, kind, media, media.media), keyboard: readKeyboard(telegram, call.params) }
    }),

  editMessageReplyMarkup: (telegram, call) =>
    edit(telegram, call, ({ content }) => ({ ...content, keyboard: readKeyboard(telegram, call.params) })),
}

function edit(telegram: Telegram, { params }: Call, change: (stored: StoredMessage) => Content) {
  const { world, messageChanged } = telegram
  if (textOf(params, 'inline_message_id')) throw badRequest('MESSAGE_ID_INVALID') // the emulator has no inline mode
  const stored = world.writable(params.chat_id).messages.get(integerOf(params, 'message_id') ?? 0)
  if (!stored || stored.deleted) throw editNotFound()
  if (stored.from.id !== world.bot.id) throw badRequest("message can't be edited")

  telegram.flood.count(stored.room.chat)
  const content = withoutAlbumKeyboard(telegram, stored, change(stored))
  if (isDeepStrictEqual(contentJson(content), contentJson(stored.content))) throw notModified()
  stored.edits = [...stored.edits, stored.content].slice(-MAX_HISTORY)
  stored.content = content
  stored.editDate = unixNow()
  messageChanged.fire(stored)
  return toMessage(stored)
}

/** Telegram ignores the keyboard of a message that is part of an album. */
function withoutAlbumKeyboard({ violate }: Telegram, { mediaGroupId }: StoredMessage, content: Content): Content {
  if (!mediaGroupId || !content.keyboard) return content
  violate('an album has no inline keyboard: send the buttons in a message of their own')
  return { ...content, keyboard: undefined }
}

function hasFile({ photo, document }: Content): boolean {
  return photo !== undefined || document !== undefined
}
