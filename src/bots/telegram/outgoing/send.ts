/**
 * Replies → messages. A waiting text becomes the picture by an edit, so that a repeated edit shows it once. Of several
 * pictures the others are sent before that edit; each message is recorded before the next is sent.
 */
import { type Api, InputFile } from 'grammy'
import type { InlineKeyboardMarkup, Message } from 'grammy/types'
import { AppError } from '../../../core/errors.ts'
import type { Address, ChatSurface, Reply, ReplyFile, ReplyPicture, SentMessages } from '../../../core/ports/chat.ts'
import { plainText } from '../../layout.ts'
import {
  type ChatTarget,
  fromAddress,
  fromPosted,
  messageName,
  type PressTarget,
  type Shown,
  type Target,
  toAddress,
  toPosted,
} from '../address.ts'
import { asChatError, asSignal, failureOf } from '../bot-api.ts'
import type { Dialogues } from '../incoming/dialogues.ts'
import { isGroup } from '../pace.ts'
import { createAnswers, maxToast } from './answers.ts'
import { keyboardOf } from './keyboard.ts'
import { fileIdsOf, kindOf, type Others, originalsOf, type Sent, toFile } from './pictures.ts'
import { changed, createStanding } from './standing.ts'
import { cut, maxCaption, maxText, optionsOf, withoutPreview } from './text.ts'

const maxInAlbum = 10
const actionTimeoutMs = 2_000

type Sender = Required<Pick<ChatSurface, 'post' | 'edit' | 'changeButtons' | 'seen' | 'remove'>>

export function createSender(api: Api, dialogues: Dialogues): Sender {
  const answers = createAnswers(api, dialogues)
  const standing = createStanding(api)

  async function send(target: ChatTarget, reply: Reply, sent?: SentMessages): Promise<Shown> {
    const { pictures = [] } = reply
    if (pictures.length > 0) return sendAll(target, reply, pictures, sent)
    const [message] = await Promise.all([
      api.sendMessage(target.chatId, cut(plainText(reply), maxText), {
        ...optionsOf(target),
        ...withoutPreview,
        reply_markup: keyboardOf(reply),
      }),
      // in a group it would take the room of messages
      reply.state === 'waiting' && !isGroup(target.chatId) ? showAction(target) : undefined,
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
    await record(target, { kind, messages, firstPart: 0, buttons: reply.buttons !== undefined }, sent)
    await sendOthers(target, { pictures: pictures.slice(together.length), offset: together.length }, sent)
    await sendOthers(target, originalsOf(pictures), sent)
    return { messageId: messages[0]?.message_id ?? 0, kind, target }
  }

  /** Pictures after the first, in albums. Those that were recorded before are not sent again. */
  async function sendOthers(target: ChatTarget, { pictures, offset }: Others, sent?: SentMessages): Promise<void> {
    for (let start = 0; start < pictures.length; start += maxInAlbum) {
      const album = pictures.slice(start, start + maxInAlbum)
      const firstPart = offset + start
      const isSent = sent?.earlier.some(({ part }) => part >= firstPart && part < firstPart + album.length)
      if (!isSent) await record(target, { ...(await sendAlbum(target, album)), firstPart, buttons: false }, sent)
    }
  }

  async function record(target: ChatTarget, { kind, messages, firstPart, buttons }: SentAlbum, sent?: SentMessages) {
    for (const [index, message] of messages.entries()) {
      const { message_id: messageId } = message
      const shown: Shown = { messageId, kind, target }
      const about = { message: messageName(target.chatId, messageId), fileIds: fileIdsOf(message) }
      await sent?.add({ posted: toPosted(shown), part: firstPart + index, buttons, ...about })
    }
  }

  /** Telegram compresses photos, but not documents. Files that are too large are links in the text. */
  async function sendFiles(target: ChatTarget, reply: Reply, files: readonly ReplyFile[], sent?: SentMessages) {
    const whole = files.flatMap(({ data, name }, part) =>
      data ? [{ name, part, file: new InputFile(data, name) }] : [],
    )
    const links = files.filter(({ data }) => !data).map(({ name, link }) => `${name}: ${link}`)
    const text = [plainText(reply), ...links].join('\n')
    const options = optionsOf(target)
    if (links.length > 0) await api.sendMessage(target.chatId, cut(text, maxText), { ...options, ...withoutPreview })
    const missing = whole.filter(({ part }) => !sent?.earlier.some((each) => each.part === part))
    for (let start = 0; start < missing.length; start += maxInAlbum) {
      const album = missing.slice(start, start + maxInAlbum)
      const [only, ...more] = album
      const messages =
        only && more.length === 0
          ? [await api.sendDocument(target.chatId, only.file, options)]
          : await api.sendMediaGroup(
              target.chatId,
              album.map(({ file }) => ({ type: 'document', media: file })),
              options,
            )
      for (const [index, { part }] of album.entries()) {
        const sentNow = messages.slice(index, index + 1) as Message[]
        await record(target, { kind: 'document', messages: sentNow, firstPart: part, buttons: false }, sent)
      }
    }
  }

  /** An album holds photos or documents, never both. */
  async function sendAlbum(target: ChatTarget, album: readonly Sent[], look: Look = {}) {
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
    await sent?.add({
      posted: toPosted(now),
      part: 0,
      fileIds: message ? fileIdsOf(message) : [],
      message: messageName(chatId, shown.messageId),
      buttons: reply.buttons !== undefined,
    })
    await sendOthers(now.target, originalsOf([picture, ...others]), sent)
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
      if (reply.form || (target.kind === 'press' && isToast(target, reply))) return tell(target, reply, sent)
      const place = target.kind === 'press' ? target.message : target
      const posted = await following(
        () => send(place, reply, sent),
        (moved) => send(moved, reply, sent),
      )
      if (target.kind === 'press') await answers.seen(target)
      return posted
    },
    edit: (posted, reply, sent) =>
      following(
        () => change(fromPosted(posted), reply, sent),
        (moved) => {
          // neither is worth a message of its own
          if (reply.state === 'waiting' || reply.state === 'closed') throw new AppError('chat_refused')
          return send(moved, reply, sent)
        },
      ),
    async seen(address) {
      const target = fromAddress(address)
      if (target.kind === 'press') await answers.seen(target)
    },
    ...standing,
  }

  /** Asks the person, or tells the one who pressed a button. */
  async function tell(target: Target, reply: Reply, sent?: SentMessages): Promise<Address> {
    const { form, files = [] } = reply
    try {
      if (form) await answers.ask(target, reply, form)
      else if (target.kind === 'press') {
        if (files.length > 0) await sendFiles(target.message, reply, files, sent)
        await answers.tell(target, reply)
      }
    } catch (error) {
      throw asChatError(error)
    }
    return toAddress(target)
  }
}

/** Words about a press, for the person alone. What is longer than a toast is a message where others do not read it. */
function isToast({ message: { chatId } }: PressTarget, reply: Reply): boolean {
  const { content, toast, brief, private: isPrivate } = reply
  if (content.kind === 'refusal') return true
  if (content.kind !== 'text') return false
  return toast || brief || (isPrivate === true && (isGroup(chatId) || content.text.length <= maxToast))
}

interface Look {
  caption?: string
  reply_markup?: InlineKeyboardMarkup
}

interface SentAlbum {
  kind: Shown['kind']
  messages: readonly Message[]
  /** Position of its first picture in the result. */
  firstPart: number
  /** Whether the buttons of the result are below it. */
  buttons: boolean
}
