/**
 * Replies → messages. A waiting text becomes the picture by an edit, so that doing it twice shows it once.
 * Several pictures: the others are sent before that edit, which then says that all is there. Only a process that dies
 * in between, or an answer lost on the way, can show those others twice.
 */
import { type Api, InputFile } from 'grammy'
import { AppError } from '../../core/errors.ts'
import type { ChatSurface, Reply } from '../../core/ports/chat.ts'
import { fromAddress, fromPosted, type Shown, type Target, toPosted } from './address.ts'
import { asChatError, asSignal, refusalOf } from './api.ts'

const longestText = 4096
const longestCaption = 1024
const mostInAlbum = 10
const actionMs = 2_000

type Picture = NonNullable<Reply['images']>[number]

export function createShow(api: Api): Pick<ChatSurface, 'post' | 'edit'> {
  /** Messages beside which the other pictures stand already. */
  const accompanied = new Set<string>()

  async function send(place: Target, reply: Reply): Promise<Shown> {
    if (reply.images?.length) return sendPictures(place, reply.images, cut(reply.text, longestCaption))
    const [message] = await Promise.all([
      api.sendMessage(place.chatId, cut(reply.text, longestText), {
        ...target(place),
        link_preview_options: { is_disabled: true },
      }),
      reply.state === 'waiting' ? showAction(place) : undefined,
    ])
    return { messageId: message.message_id, kind: 'text', place }
  }

  /** Best effort: the text beside it says the same. */
  async function showAction({ chatId, threadId }: Target) {
    const signal = asSignal(AbortSignal.timeout(actionMs))
    await api.sendChatAction(chatId, 'upload_photo', { message_thread_id: threadId }, signal).catch(() => undefined)
  }

  async function sendPictures(place: Target, pictures: readonly Picture[], caption?: string): Promise<Shown> {
    const kind = pictures.every(fitsPhoto) ? 'photo' : 'document'
    let first: number | undefined
    for (let at = 0; at < pictures.length; at += mostInAlbum) {
      const some = pictures.slice(at, at + mostInAlbum)
      first ??= await sendTogether(place, some, { kind, caption: at === 0 ? caption : undefined })
    }
    return { messageId: first ?? 0, kind, place }
  }

  /** Resolves to the number of the first message. */
  async function sendTogether(place: Target, pictures: readonly Picture[], look: Look): Promise<number> {
    const { kind, caption } = look
    const files = pictures.map(toFile)
    const [file] = files
    const more = { ...target(place), caption }
    if (file && files.length === 1) {
      const sent =
        kind === 'photo'
          ? await api.sendPhoto(place.chatId, file, more)
          : await api.sendDocument(place.chatId, file, more)
      return sent.message_id
    }
    const media = files.map((each, at) => ({ media: each, ...(at === 0 && caption && { caption }) }))
    const sent =
      kind === 'photo'
        ? await api.sendMediaGroup(
            place.chatId,
            media.map((item) => ({ type: 'photo', ...item })),
            target(place),
          )
        : await api.sendMediaGroup(
            place.chatId,
            media.map((item) => ({ type: 'document', ...item })),
            target(place),
          )
    return sent[0]?.message_id ?? 0
  }

  async function change(shown: Shown, reply: Reply): Promise<Shown> {
    const [picture, ...others] = reply.images ?? []
    if (!picture) {
      await changeText(shown, reply)
      return shown
    }
    const name = toPosted(shown)
    if (others.length > 0 && !accompanied.has(name)) {
      await sendPictures(shown.place, others)
      if (accompanied.size >= 1_000) accompanied.clear()
      accompanied.add(name)
    }
    const kind = fitsPhoto(picture) ? 'photo' : 'document'
    const caption = cut(reply.text, longestCaption)
    await settled(
      api.editMessageMedia(shown.place.chatId, shown.messageId, { type: kind, media: toFile(picture), caption }),
    )
    return { ...shown, kind }
  }

  async function changeText({ messageId, kind, place: { chatId } }: Shown, reply: Reply) {
    const changeCaption = () =>
      settled(api.editMessageCaption(chatId, messageId, { caption: cut(reply.text, longestCaption) }))
    if (kind !== 'text') return changeCaption()
    const text = cut(reply.text, longestText)
    try {
      await settled(api.editMessageText(chatId, messageId, text, { link_preview_options: { is_disabled: true } }))
    } catch (error) {
      // it became a picture, and whoever did that died before saying so
      if (!refusalOf(error)?.words.includes('there is no text in the message')) throw error
      if (reply.state !== 'waiting') await changeCaption()
    }
  }

  /** A group that has become a supergroup has another number, and its messages have, too: nothing to reply to there. */
  async function following(first: () => Promise<Shown>, elsewhere: (place: Target) => Promise<Shown>) {
    try {
      return toPosted(
        await first().catch((error: unknown) => {
          const newChatId = refusalOf(error)?.newChatId
          if (newChatId === undefined) throw error
          return elsewhere({ chatId: newChatId })
        }),
      )
    } catch (error) {
      throw asChatError(error)
    }
  }

  return {
    post: (address, reply) =>
      following(
        () => send(fromAddress(address), reply),
        (place) => send(place, reply),
      ),
    edit: (posted, reply) =>
      following(
        () => change(fromPosted(posted), reply),
        (place) => {
          // progress is not worth a message of its own
          if (reply.state === 'waiting') throw new AppError('chat_refused')
          return send(place, reply)
        },
      ),
  }
}

interface Look {
  kind: 'photo' | 'document'
  caption?: string
}

function target({ threadId, replyTo }: Target) {
  return {
    message_thread_id: threadId,
    ...(replyTo !== undefined && { reply_parameters: { message_id: replyTo, allow_sending_without_reply: true } }),
  }
}

/** From memory, so that it can be sent again when Telegram asks for a pause. */
function toFile({ file, name }: Picture): InputFile {
  return new InputFile(file.data, name)
}

/** Telegram's limits for photos: 10 MB, 10000 pixels for both sides together, 20 times as long as wide. */
function fitsPhoto({ file: { data, width, height } }: Picture): boolean {
  const ratio = Math.max(width, height) / Math.max(1, Math.min(width, height))
  return data.length <= 10 * 1024 * 1024 && width + height <= 10_000 && ratio <= 20
}

/** An edit that changes nothing has been done before. */
async function settled(edit: Promise<unknown>): Promise<void> {
  await edit.catch((error: unknown) => {
    if (!refusalOf(error)?.words.includes('message is not modified')) throw error
  })
}

/** Telegram counts UTF-16 units. */
function cut(text: string, limit: number): string {
  if (text.length <= limit) return text
  return `${text.slice(0, limit - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
}
