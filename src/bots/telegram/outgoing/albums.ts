/**
 * Pictures and files in albums. Each message is recorded before the next is sent, and what was recorded is not sent again. No key makes a
 * repeated call harmless on Telegram, so a call that may have arrived is not repeated either: the person decides.
 */
import { type Api, InputFile } from 'grammy'
import type { InlineKeyboardMarkup, Message, MessageEntity } from 'grammy/types'
import { AppError } from '../../../core/errors.ts'
import type { Reply, SentMessage, SentMessages } from '../../../core/ports/chat.ts'
import type { ReplyFile } from '../../../core/ports/reply-files.ts'
import { plainText } from '../../layout.ts'
import { type ChatTarget, messageName, type Shown, toPosted } from '../address.ts'
import { mayHaveArrived } from '../bot-api.ts'
import { fileIdsOf, kindOf, type Others, type Sent, toFile } from './pictures.ts'
import { cut, maxText, optionsOf, withoutPreview } from './text.ts'

const maxInAlbum = 10

interface Look {
  caption: string
  caption_entities: MessageEntity[]
  reply_markup?: InlineKeyboardMarkup
}

interface First {
  picture: Sent
  look: Look
  sent?: SentMessages
}

export interface Albums {
  /** A single picture with the words and the buttons of its result. undefined: it may have arrived, now or before. */
  sendFirst(target: ChatTarget, first: First): Promise<Shown | undefined>
  /** False: some may have arrived, now or before. They are not recorded. */
  sendMissing(target: ChatTarget, others: Others, sent?: SentMessages): Promise<boolean>
  /** As they are. Those that are too large for Telegram are links in a text. False: some may have arrived, now or before. */
  sendFiles(target: ChatTarget, reply: Reply, files: readonly ReplyFile[], sent?: SentMessages): Promise<boolean>
}

export function createAlbums(api: Api): Albums {
  async function sendOne(target: ChatTarget, picture: Sent, look: Partial<Look> = {}) {
    const { chatId } = target
    const kind = kindOf(picture)
    const [file, options] = [toFile(picture), { ...optionsOf(target), ...look }]
    const message =
      kind === 'photo' ? await api.sendPhoto(chatId, file, options) : await api.sendDocument(chatId, file, options)
    return { kind, messages: [message] as [Message] }
  }

  /** An album holds photos or documents, never both. */
  async function sendTogether(target: ChatTarget, pictures: readonly Sent[]) {
    const [only, ...more] = pictures
    if (only && more.length === 0) return sendOne(target, only)
    const kind = pictures.every((picture) => kindOf(picture) === 'photo') ? 'photo' : 'document'
    const files = pictures.map((picture) => ({ type: kind, media: toFile(picture) }))
    // grammY's type is a list of photos or one of documents
    const media = files as Parameters<Api['sendMediaGroup']>[1]
    return { kind, messages: await api.sendMediaGroup(target.chatId, media, optionsOf(target)) } as const
  }

  async function sendDocuments(target: ChatTarget, files: readonly InputFile[]): Promise<Message[]> {
    const [only, ...more] = files
    if (only && more.length === 0) return [await api.sendDocument(target.chatId, only, optionsOf(target))]
    const media = files.map((file) => ({ type: 'document', media: file }) as const)
    return api.sendMediaGroup(target.chatId, media, optionsOf(target))
  }

  return {
    async sendFirst(target, { picture, look, sent }) {
      const now = await once(sent, 0, () => sendOne(target, picture, look))
      if (!now) return undefined
      const shown: Shown = { messageId: now.messages[0].message_id, kind: now.kind, target }
      await sent?.add(recordOf(shown, now.messages[0], { part: 0, buttons: look.reply_markup !== undefined }))
      return shown
    },

    async sendMissing(target, { pictures, offset }, sent) {
      let isClear = true
      for (let start = 0; start < pictures.length; start += maxInAlbum) {
        const album = pictures.slice(start, start + maxInAlbum)
        const firstPart = offset + start
        if (sent?.earlier.some(({ part }) => part >= firstPart && part < firstPart + album.length)) continue
        const now = await once(sent, firstPart, () => sendTogether(target, album))
        if (!now) isClear = false
        else await recordAll(now.messages, (index) => ({ part: firstPart + index, kind: now.kind, target }), sent)
      }
      return isClear
    },

    async sendFiles(target, reply, files, sent) {
      const whole = files.flatMap(({ data, name }, part) =>
        data ? [{ name, part, file: new InputFile(data, name) }] : [],
      )
      const links = files.filter(({ data }) => !data).map(({ name, link }) => `${name}: ${link}`)
      const text = [plainText(reply), ...links].join('\n')
      const wasSent = (part: number) => sent?.earlier.some((each) => each.part === part) === true
      const missing = whole.filter(({ part }) => !wasSent(part))
      let isClear = true
      for (let start = 0; start < missing.length; start += maxInAlbum) {
        const album = missing.slice(start, start + maxInAlbum)
        const partAt = (index: number) => album[index]?.part ?? 0
        const now = await once(sent, partAt(0), () =>
          sendDocuments(
            target,
            album.map(({ file }) => file),
          ),
        )
        if (!now) isClear = false
        else await recordAll(now, (index) => ({ part: partAt(index), kind: 'document', target }), sent)
      }
      const part = files.length
      if (links.length > 0 && !wasSent(part)) {
        const look = { ...optionsOf(target), ...withoutPreview }
        const now = await once(sent, part, () => api.sendMessage(target.chatId, cut(text, maxText), look))
        if (!now) isClear = false
        else await recordAll([now], () => ({ part, kind: 'text', target }), sent)
      }
      return isClear
    },
  }
}

/**
 * Sends a message that Telegram would show twice if the call were repeated. undefined: the message may have arrived, by this call or an
 * earlier one. Rejects if it has certainly not arrived, because Telegram refused it or was not reached.
 */
export async function once<T>(
  sent: SentMessages | undefined,
  part: number,
  call: () => Promise<T>,
): Promise<T | undefined> {
  if (!sent) return call()
  if (sent.begun.includes(part)) return undefined
  if (!(await sent.begin(part))) throw sentElsewhere()
  try {
    return await call()
  } catch (error) {
    if (mayHaveArrived(error)) return undefined
    // what cannot be withdrawn counts as sent
    await sent.withdraw(part).catch(() => undefined)
    throw error
  }
}

/** Another process has taken over the work of this slow one. A further try reads again what was sent. */
export const sentElsewhere = () =>
  new AppError('chat_unavailable', {}, { cause: new Error('another process sends the same message') })

type Placed = Pick<Shown, 'kind' | 'target'> & { part: number }

/** Records all messages of a call in one statement, so that a crash cannot leave an album half recorded. */
async function recordAll(messages: readonly Message[], placed: (index: number) => Placed, sent?: SentMessages) {
  const records = messages.map((message, index) => {
    const { part, ...shown } = placed(index)
    return recordOf({ ...shown, messageId: message.message_id }, message, { part, buttons: false })
  })
  await sent?.add(...records)
}

const recordOf = (shown: Shown, message: Message, about: { part: number; buttons: boolean }): SentMessage => ({
  ...about,
  posted: toPosted(shown),
  message: messageName(shown.target.chatId, shown.messageId),
  fileIds: fileIdsOf(message),
})
