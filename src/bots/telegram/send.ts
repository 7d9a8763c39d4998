/**
 * Replies → messages. A waiting text becomes the picture by an edit, so that a repeated edit shows it once. Of several
 * pictures the others are sent before that edit; each message is recorded before the next is sent.
 */
import { type Api, InputFile } from 'grammy'
import type { InlineKeyboardMarkup, Message } from 'grammy/types'
import { AppError } from '../../core/errors.ts'
import type { ChatSurface, Form, Reply, ReplyPicture, SentMessages } from '../../core/ports/chat.ts'
import { wordsFor } from '../../locales/index.ts'
import { labelOf, plainText } from '../layout.ts'
import {
  type ChatTarget,
  fromAddress,
  fromPosted,
  type PressTarget,
  type Shown,
  toAddress,
  toPosted,
} from './address.ts'
import { asChatError, asSignal, failureOf } from './bot-api.ts'
import type { Dialogues } from './dialogues.ts'
import { questionOf } from './question.ts'

/** Telegram's limits, in UTF-16 units: of a message, of a caption, of the answer to a press. */
const maxText = 4096
const maxCaption = 1024
const maxToast = 200
/** Characters of the placeholder in an empty reply box. */
const maxPlaceholder = 64
const maxInAlbum = 10
const actionTimeoutMs = 2_000

const withoutPreview = { link_preview_options: { is_disabled: true } } as const

export function createSender(api: Api, dialogues: Dialogues): Pick<ChatSurface, 'post' | 'edit'> {
  async function send(target: ChatTarget, reply: Reply, sent?: SentMessages): Promise<Shown> {
    const { pictures = [] } = reply
    if (pictures.length > 0) return sendAll(target, reply, pictures, sent)
    const [message] = await Promise.all([
      api.sendMessage(target.chatId, cut(plainText(reply), maxText), {
        ...optionsOf(target),
        ...withoutPreview,
        reply_markup: keyboardOf(reply),
      }),
      reply.state === 'waiting' ? showAction(target) : undefined,
    ])
    return { messageId: message.message_id, kind: 'text', target }
  }

  /** Best effort: the text beside it says the same. */
  async function showAction({ chatId, threadId }: ChatTarget) {
    const signal = asSignal(AbortSignal.timeout(actionTimeoutMs))
    await api.sendChatAction(chatId, 'upload_photo', { message_thread_id: threadId }, signal).catch(() => undefined)
  }

  /** The first message carries the text. Albums have no buttons, so with buttons the first picture goes alone. */
  async function sendAll(
    target: ChatTarget,
    reply: Reply,
    pictures: readonly ReplyPicture[],
    sent?: SentMessages,
  ): Promise<Shown> {
    const together = pictures.slice(0, reply.buttons ? 1 : maxInAlbum)
    const look = { caption: cut(plainText(reply), maxCaption), reply_markup: keyboardOf(reply) }
    const { kind, messages } = await sendAlbum(target, together, look)
    await record(target, { kind, messages, firstPart: 0 }, sent)
    await sendOthers(target, { pictures: pictures.slice(together.length), offset: together.length }, sent)
    return { messageId: messages[0]?.message_id ?? 0, kind, target }
  }

  /** Pictures after the first, in albums. Those that were recorded before are not sent again. */
  async function sendOthers(target: ChatTarget, { pictures, offset }: Others, sent?: SentMessages): Promise<void> {
    for (let start = 0; start < pictures.length; start += maxInAlbum) {
      const album = pictures.slice(start, start + maxInAlbum)
      const firstPart = offset + start
      const isSent = sent?.earlier.some(({ part }) => part >= firstPart && part < firstPart + album.length)
      if (!isSent) await record(target, { ...(await sendAlbum(target, album)), firstPart }, sent)
    }
  }

  async function record(target: ChatTarget, { kind, messages, firstPart }: SentAlbum, sent?: SentMessages) {
    for (const [index, message] of messages.entries()) {
      const posted = toPosted({ messageId: message.message_id, kind, target })
      await sent?.add({ posted, part: firstPart + index, fileIds: fileIdsOf(message) })
    }
  }

  /** An album holds photos or documents, never both. */
  async function sendAlbum(target: ChatTarget, album: readonly ReplyPicture[], look: Look = {}) {
    const kind = album.every((picture) => kindOf(picture) === 'photo') ? 'photo' : 'document'
    const [only, ...more] = album
    const { chatId } = target
    const options = optionsOf(target)
    if (only && more.length === 0) {
      const [file, all] = [toFile(only), { ...options, ...look }]
      const message =
        kind === 'photo' ? await api.sendPhoto(chatId, file, all) : await api.sendDocument(chatId, file, all)
      return { kind, messages: [message as Message] } as const
    }
    const { caption } = look
    const messages =
      kind === 'photo'
        ? await api.sendMediaGroup(
            chatId,
            album.map((each, index) => ({ type: 'photo', media: toFile(each), ...(index === 0 && { caption }) })),
            options,
          )
        : await api.sendMediaGroup(
            chatId,
            album.map((each, index) => ({ type: 'document', media: toFile(each), ...(index === 0 && { caption }) })),
            options,
          )
    return { kind, messages: messages as Message[] } as const
  }

  async function change(shown: Shown, reply: Reply, sent?: SentMessages): Promise<Shown> {
    const [picture, ...others] = reply.pictures ?? []
    if (!picture) {
      await changeText(shown, reply)
      return shown
    }
    await sendOthers(shown.target, { pictures: others, offset: 1 }, sent)
    const kind = kindOf(picture)
    const media = { type: kind, media: toFile(picture), caption: cut(plainText(reply), maxCaption) } as const
    const { chatId } = shown.target
    const message = await changed(
      api.editMessageMedia(chatId, shown.messageId, media, { reply_markup: keyboardOf(reply) }),
    )
    const now: Shown = { ...shown, kind }
    await sent?.add({ posted: toPosted(now), part: 0, fileIds: message ? fileIdsOf(message) : [] })
    return now
  }

  async function changeText({ messageId, kind, target: { chatId } }: Shown, reply: Reply): Promise<void> {
    const reply_markup = keyboardOf(reply)
    const changeCaption = () => {
      const caption = cut(plainText(reply), maxCaption)
      return changed(api.editMessageCaption(chatId, messageId, { caption, reply_markup }))
    }
    if (kind !== 'text') {
      await changeCaption()
      return
    }
    const text = cut(plainText(reply), maxText)
    try {
      await changed(api.editMessageText(chatId, messageId, text, { ...withoutPreview, reply_markup }))
    } catch (error) {
      // a process turned it into a picture and died before it could record that
      if (!failureOf(error)?.description.includes('there is no text in the message')) throw error
      if (reply.state !== 'waiting') await changeCaption()
    }
  }

  /** Opens the person's reply box. In a group, only people who are mentioned see it. The press is answered last. */
  async function ask(target: PressTarget, { locale }: Reply, form: Form): Promise<void> {
    const { userId, message: place } = target
    const isGroup = place.chatId < 0
    const { text, entities } = questionOf(form, { locale, limit: maxText, mention: isGroup ? userId : undefined })
    const placeholder = cut(form.fields[0]?.hint ?? form.title, maxPlaceholder)
    const question = await api
      .sendMessage(place.chatId, text, {
        ...optionsOf(place),
        ...withoutPreview,
        entities,
        reply_markup: { force_reply: true, selective: isGroup, input_field_placeholder: placeholder },
      })
      .catch(async (error: unknown) => {
        await answerQuery(target, { text: wordsFor(locale).errors.chat_unavailable(), show_alert: true })
        throw error
      })
    const asked = { chatId: place.chatId, messageId: question.message_id }
    await dialogues.open({ question: asked, userId, form: form.id }).catch(async (error: unknown) => {
      // an answer to a question without a row would be a new request
      await api.deleteMessage(place.chatId, question.message_id).catch(() => undefined)
      await answerQuery(target, { text: wordsFor(locale).errors.chat_unavailable(), show_alert: true })
      throw error
    })
    await answerQuery(target, {})
  }

  const answerPress = (target: PressTarget, reply: Reply) =>
    answerQuery(target, { text: cut(plainText(reply), maxToast), show_alert: !reply.toast })

  /** A press older than Telegram's 150 seconds can no longer be answered; its effect shows in the message. */
  async function answerQuery({ queryId }: PressTarget, answer: { text?: string; show_alert?: boolean }): Promise<void> {
    await api.answerCallbackQuery(queryId, answer).catch((error: unknown) => {
      if (!failureOf(error)?.description.includes('query is too old')) throw error
    })
  }

  /** A group that became a supergroup has another id; its messages have too, so there is nothing to edit or reply to. */
  async function following(first: () => Promise<Shown>, elsewhere: (target: ChatTarget) => Promise<Shown>) {
    try {
      return toPosted(
        await first().catch((error: unknown) => {
          const newChatId = failureOf(error)?.newChatId
          if (newChatId === undefined) throw error
          return elsewhere({ kind: 'chat', chatId: newChatId })
        }),
      )
    } catch (error) {
      throw asChatError(error)
    }
  }

  return {
    async post(address, reply, sent) {
      const target = fromAddress(address)
      if (target.kind === 'chat') {
        return following(
          () => send(target, reply, sent),
          (moved) => send(moved, reply, sent),
        )
      }
      const answering = reply.form ? ask(target, reply, reply.form) : answerPress(target, reply)
      await answering.catch((error: unknown) => {
        throw asChatError(error)
      })
      return toAddress(target)
    },
    edit: (posted, reply, sent) =>
      following(
        () => change(fromPosted(posted), reply, sent),
        (moved) => {
          // progress is not worth a message of its own
          if (reply.state === 'waiting') throw new AppError('chat_refused')
          return send(moved, reply, sent)
        },
      ),
  }
}

interface Look {
  caption?: string
  reply_markup?: InlineKeyboardMarkup
}

interface Others {
  pictures: readonly ReplyPicture[]
  /** Position of the first of them in the result. */
  offset: number
}

interface SentAlbum {
  kind: Shown['kind']
  messages: readonly Message[]
  /** Position of its first picture in the result. */
  firstPart: number
}

/** undefined removes the keyboard of an edited message. */
function keyboardOf({ buttons, locale }: Reply): InlineKeyboardMarkup | undefined {
  if (!buttons) return undefined
  const rows = buttons.map((row) => row.map((each) => ({ text: labelOf(locale, each), callback_data: each.id })))
  return { inline_keyboard: rows }
}

function optionsOf({ threadId, replyTo }: ChatTarget) {
  return {
    message_thread_id: threadId,
    ...(replyTo !== undefined && { reply_parameters: { message_id: replyTo, allow_sending_without_reply: true } }),
  }
}

/** From memory, so that it can be sent again after a pause. */
const toFile = ({ file, name }: ReplyPicture) => new InputFile(file.data, name)

/** Telegram's limits for photos: 10 MB, 10,000 pixels for both sides together, a ratio of 20. */
function kindOf({ file: { data, width, height } }: ReplyPicture): 'photo' | 'document' {
  const ratio = Math.max(width, height) / Math.max(1, Math.min(width, height))
  return data.length <= 10 * 1024 * 1024 && width + height <= 10_000 && ratio <= 20 ? 'photo' : 'document'
}

function fileIdsOf(message: Pick<Message, 'photo' | 'document'>): string[] {
  const id = message.photo?.at(-1)?.file_id ?? message.document?.file_id
  return id === undefined ? [] : [id]
}

/** An edit that changes nothing was made before: undefined. */
async function changed(edit: Promise<Message | true>): Promise<Message | undefined> {
  try {
    const message = await edit
    return message === true ? undefined : message
  } catch (error) {
    if (!failureOf(error)?.description.includes('message is not modified')) throw error
    return undefined
  }
}

function cut(text: string, limit: number): string {
  if (text.length <= limit) return text
  return `${text.slice(0, limit - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
}
