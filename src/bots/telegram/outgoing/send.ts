/**
 * Replies → messages. A waiting text becomes the picture by an edit, so that a repeated edit shows it once. Several
 * pictures go out as an album with the buttons in a message under it, in place of the text.
 */
import type { Api } from 'grammy'
import { AppError, asAppError } from '../../../core/errors.ts'
import type { Address, ChatSurface, Posted, Reply, SentMessages } from '../../../core/ports/chat.ts'
import type { Invoice } from '../../../core/ports/payments.ts'
import type { ReplyPicture } from '../../../core/ports/reply-files.ts'
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
import type { Migration } from '../migration.ts'
import { isGroup } from '../pace.ts'
import { createAlbums, once, sentElsewhere } from './albums.ts'
import { createAnswers, maxToast } from './answers.ts'
import { formatted, spareOf } from './formatted.ts'
import { keyboardOf } from './keyboard.ts'
import { fileIdsOf, kindOf, originalsOf, toFile } from './pictures.ts'
import { changed, createStanding } from './standing.ts'
import { maxCaption, maxText, optionsOf, withoutPreview } from './text.ts'

const actionTimeoutMs = 2_000

type Sender = Required<Pick<ChatSurface, 'post' | 'edit' | 'changeButtons' | 'seen' | 'remove'>>

/** `onMigrated`: a group has become a supergroup. */
export function createSender(
  api: Api,
  dialogues: Dialogues,
  onMigrated: (migration: Migration) => Promise<void>,
): Sender {
  const answers = createAnswers(api, dialogues)
  const standing = createStanding(api)
  const albums = createAlbums(api)

  /** undefined: its last message may have arrived, now or before. */
  async function send(target: ChatTarget, reply: Reply, sent?: SentMessages): Promise<Shown | undefined> {
    if (reply.invoice) return sendInvoice(target, reply.invoice)
    const [picture, ...others] = reply.pictures ?? []
    if (picture && others.length > 0) return sendBatch(target, reply, [picture, ...others], { sent })
    if (picture) return sendPicture(target, reply, picture, sent)
    const [messageId] = await Promise.all([
      sendText(target, reply),
      reply.state === 'waiting' ? showAction(target) : undefined,
    ])
    return { messageId, kind: 'text', target }
  }

  async function sendText(target: ChatTarget, reply: Reply): Promise<number> {
    const { text, entities } = formatted(reply, maxText)
    const options = { ...optionsOf(target), ...withoutPreview, entities, reply_markup: keyboardOf(reply) }
    return (await api.sendMessage(target.chatId, text, options)).message_id
  }

  /** Copies of it, such as forwarded ones, open the bot, so that each person pays an order of their own. */
  async function sendInvoice(target: ChatTarget, { order, title, description, stars, start }: Invoice): Promise<Shown> {
    const options = { ...optionsOf(target), provider_token: '', start_parameter: start }
    const prices = [{ label: title, amount: stars }]
    const message = await api.sendInvoice(target.chatId, title, description, order, 'XTR', prices, options)
    return { messageId: message.message_id, kind: 'text', target }
  }

  /** Best effort: the text beside it says the same. In a group it would take the room of messages. */
  async function showAction({ chatId, threadId }: ChatTarget) {
    if (isGroup(chatId)) return
    const signal = asSignal(AbortSignal.timeout(actionTimeoutMs))
    await api.sendChatAction(chatId, 'upload_photo', { message_thread_id: threadId }, signal).catch(() => undefined)
  }

  async function sendPicture(target: ChatTarget, reply: Reply, picture: ReplyPicture, sent?: SentMessages) {
    const before = sent?.earlier.find(({ part }) => part === 0)
    const look = { ...captionOf(reply), reply_markup: keyboardOf(reply) }
    const shown = before ? fromPosted(before.posted) : await albums.sendFirst(target, { picture, look, sent })
    if (!shown) return sendUnder(target, { ...reply, ...reply.unclear }, { part: underPart([picture]), sent })
    await albums.sendMissing(target, originalsOf([picture]), sent)
    return shown
  }

  /**
   * Albums have no buttons, so the text and the buttons are in one message under them. If that may not have arrived, the buttons are in the
   * message that waited as well, or in a short one. undefined: that one may not have arrived either.
   */
  async function sendBatch(
    target: ChatTarget,
    reply: Reply,
    pictures: readonly ReplyPicture[],
    { sent, waiting }: { sent?: SentMessages; waiting?: Shown },
  ): Promise<Shown | undefined> {
    const isClear = await albums.sendMissing(target, { pictures, offset: 0 }, sent)
    const words = isClear ? reply : { ...reply, ...reply.unclear }
    const spare = { part: sparePart(pictures), sent }
    const shown =
      (await sendUnder(target, words, { part: underPart(pictures), sent })) ??
      (waiting
        ? await keepButtons(waiting, spareOf(words), { ...spare, isClear })
        : await sendUnder(target, spareOf(words), spare))
    // originals that may not have arrived are behind a button
    await albums.sendMissing(target, originalsOf(pictures), sent)
    return shown
  }

  async function sendUnder(target: ChatTarget, reply: Reply, { part, sent }: { part: number; sent?: SentMessages }) {
    const before = sent?.earlier.find((each) => each.part === part)
    if (before) return fromPosted(before.posted)
    const messageId = await once(sent, part, () => sendText(target, reply))
    if (messageId === undefined) return undefined
    const shown: Shown = { messageId, kind: 'text', target }
    const message = messageName(target.chatId, messageId)
    const posted = toPosted(shown)
    const isFirst = await sent?.add({ posted, part, fileIds: [], message, buttons: reply.buttons !== undefined })
    if (isFirst === false) {
      await standing.remove(posted).catch(() => undefined)
      throw sentElsewhere()
    }
    return shown
  }

  async function change(shown: Shown, reply: Reply, sent?: SentMessages): Promise<Shown | undefined> {
    const [picture, ...others] = reply.pictures ?? []
    if (!picture) {
      // Telegram shows the action for five seconds
      await Promise.all([changeText(shown, reply), reply.state === 'waiting' ? showAction(shown.target) : undefined])
      return shown
    }
    if (others.length > 0) {
      const under = await sendBatch(shown.target, reply, [picture, ...others], { sent, waiting: shown })
      // the message that waited stands above the album
      if (under?.messageId !== shown.messageId) await standing.remove(toPosted(shown)).catch(() => undefined)
      return under
    }
    const now: Shown = { ...shown, kind: kindOf(picture) }
    const isShown = sent?.earlier.some(({ part, posted }) => part === 0 && posted === toPosted(now))
    if (!isShown) await showIn(now, reply, picture, sent)
    await albums.sendMissing(now.target, originalsOf([picture]), sent)
    return now
  }

  /** `isClear`: the pictures have arrived. */
  async function keepButtons(
    waiting: Shown,
    reply: Reply,
    { part, isClear, sent }: { part: number; isClear: boolean; sent?: SentMessages },
  ): Promise<Shown> {
    try {
      const now = { ...waiting, kind: await changeText(waiting, reply) }
      const message = messageName(now.target.chatId, now.messageId)
      await sent?.add({ posted: toPosted(now), part, fileIds: [], message, buttons: reply.buttons !== undefined })
      return now
    } catch (error) {
      // the result is there, and someone may have deleted the message that waited
      const isMoved = failureOf(error)?.newChatId !== undefined
      if (!isClear || isMoved || asAppError(asChatError(error)).kind !== 'chat_refused') throw error
      return waiting
    }
  }

  async function showIn(shown: Shown, reply: Reply, picture: ReplyPicture, sent?: SentMessages): Promise<void> {
    const kind = kindOf(picture)
    const media = { type: kind, media: toFile(picture), ...captionOf(reply) } as const
    const { chatId } = shown.target
    const message = await changed(
      api.editMessageMedia(chatId, shown.messageId, media, { reply_markup: keyboardOf(reply) }),
    )
    await sent?.add({
      posted: toPosted(shown),
      part: 0,
      fileIds: message ? fileIdsOf(message) : [],
      message: messageName(chatId, shown.messageId),
      buttons: reply.buttons !== undefined,
    })
  }

  /** Resolves to what the message is now. */
  async function changeText({ messageId, kind, target: { chatId } }: Shown, reply: Reply): Promise<Shown['kind']> {
    const reply_markup = keyboardOf(reply)
    const changeCaption = () => {
      return changed(api.editMessageCaption(chatId, messageId, { ...captionOf(reply), reply_markup }))
    }
    if (kind !== 'text') {
      await changeCaption()
      return kind
    }
    const { text, entities } = formatted(reply, maxText)
    try {
      await changed(api.editMessageText(chatId, messageId, text, { ...withoutPreview, entities, reply_markup }))
      return 'text'
    } catch (error) {
      // a process turned it into a picture and died before it could record that
      if (!failureOf(error)?.description.includes('there is no text in the message')) throw error
      if (reply.state !== 'waiting') await changeCaption()
      return 'photo'
    }
  }

  /** A group that became a supergroup has another id; its messages have too, so there is nothing to edit or reply to. */
  async function following(
    { chatId: from }: ChatTarget,
    first: () => Promise<Shown | undefined>,
    elsewhere: (target: ChatTarget) => Promise<Shown | undefined>,
  ): Promise<Posted | undefined> {
    try {
      const shown = await first().catch(async (error: unknown) => {
        const to = failureOf(error)?.newChatId
        if (to === undefined) throw error
        await onMigrated({ from, to })
        return elsewhere({ kind: 'chat', chatId: to })
      })
      return shown && toPosted(shown)
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
        place,
        () => send(place, reply, sent),
        (moved) => send(moved, reply, sent),
      )
      if (target.kind === 'press') await answers.seen(target)
      return posted ?? address
    },
    async edit(posted, reply, sent) {
      const shown = fromPosted(posted)
      const now = await following(
        shown.target,
        () => change(shown, reply, sent),
        (moved) => {
          // neither is worth a message of its own
          if (reply.state === 'waiting' || reply.state === 'closed') throw new AppError('chat_refused')
          return send(moved, reply, sent)
        },
      )
      return now ?? posted
    },
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
        const isClear = files.length === 0 || (await albums.sendFiles(target.message, reply, files, sent))
        await answers.tell(target, isClear ? reply : { ...reply, ...reply.unclear })
      }
    } catch (error) {
      throw asChatError(error)
    }
    return toAddress(target)
  }
}

/** Words about a press, for the person alone. What is longer than a toast is a message where others do not read it. */
function isToast({ message: { chatId } }: PressTarget, reply: Reply): boolean {
  const { content, toast, brief, private: isPrivate, invoice, buttons } = reply
  if (content.kind === 'refusal') return true
  if (invoice) return false
  // a toast has no buttons
  if (content.kind !== 'text' || buttons !== undefined) return false
  return toast || brief || (isPrivate === true && (isGroup(chatId) || content.text.length <= maxToast))
}

/** The part of the message under an album: after those of the pictures and of their originals. */
const underPart = (pictures: readonly ReplyPicture[]) => 2 * pictures.length
/** The part of the message with the same buttons where the one under the album may not have arrived. */
const sparePart = (pictures: readonly ReplyPicture[]) => underPart(pictures) + 1

function captionOf(reply: Reply) {
  const { text, entities } = formatted(reply, maxCaption)
  return { caption: text, caption_entities: entities }
}
