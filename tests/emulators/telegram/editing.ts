/** Methods that change a message of the bot. Each replaces the keyboard too: without `reply_markup` it is gone. */
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
      return { ...content, ...readCaption(telegram, call.params), captionAbove, keyboard: readKeyboard(call.params) }
    }),

  editMessageMedia: (telegram, call) =>
    edit(telegram, call, ({ content, mediaGroupId }) => {
      const media = objectOf(call.params, 'media')
      if (!media) throw badRequest('media is empty')
      const kind = textOf(media, 'type')
      const isOtherKind = mediaGroupId && (kind === 'document') !== (content.document !== undefined)
      if (isOtherKind) throw badRequest("can't use the media of the specified type in the album")
      return { ...readMedia(telegram, call, kind, media, media.media), keyboard: readKeyboard(call.params) }
    }),

  editMessageReplyMarkup: (telegram, call) =>
    edit(telegram, call, ({ content }) => ({ ...content, keyboard: readKeyboard(call.params) })),
}

function edit(telegram: Telegram, { params }: Call, change: (stored: StoredMessage) => Content) {
  const { world, messageChanged } = telegram
  if (textOf(params, 'inline_message_id')) throw badRequest('MESSAGE_ID_INVALID') // there is no inline mode here
  const stored = world.writable(params.chat_id).messages.get(integerOf(params, 'message_id') ?? 0)
  if (!stored || stored.deleted) throw editNotFound()
  if (stored.from.id !== world.bot.id) throw badRequest("message can't be edited")

  const content = change(stored)
  if (isDeepStrictEqual(contentJson(content), contentJson(stored.content))) throw notModified()
  stored.edits = [...stored.edits, stored.content].slice(-MAX_HISTORY)
  stored.content = content
  stored.editDate = unixNow()
  messageChanged.fire(stored)
  return toMessage(stored)
}

function hasFile({ photo, document }: Content): boolean {
  return photo !== undefined || document !== undefined
}
