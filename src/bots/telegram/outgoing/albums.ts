/** Pictures and files in albums. Each message is recorded before the next is sent, and what was recorded is not sent again. */
import { type Api, InputFile } from 'grammy'
import type { InlineKeyboardMarkup, Message, MessageEntity } from 'grammy/types'
import type { Reply, SentMessages } from '../../../core/ports/chat.ts'
import type { ReplyFile } from '../../../core/ports/reply-files.ts'
import { plainText } from '../../layout.ts'
import { type ChatTarget, messageName, type Shown, toPosted } from '../address.ts'
import { fileIdsOf, kindOf, type Others, type Sent, toFile } from './pictures.ts'
import { cut, maxText, optionsOf, withoutPreview } from './text.ts'

const maxInAlbum = 10

interface Look {
  caption: string
  caption_entities: MessageEntity[]
  reply_markup?: InlineKeyboardMarkup
}

interface SentNow {
  kind: Shown['kind']
  messages: readonly Message[]
  /** Position of its first picture in the result. */
  firstPart: number
  /** Whether the buttons of the result are below it. */
  buttons?: boolean
}

export interface Albums {
  sendOne(target: ChatTarget, picture: Sent, look?: Look): Promise<{ kind: Shown['kind']; messages: [Message] }>
  sendMissing(target: ChatTarget, others: Others, sent?: SentMessages): Promise<void>
  /** As they are. Those that are too large for Telegram are links in a text. */
  sendFiles(target: ChatTarget, reply: Reply, files: readonly ReplyFile[], sent?: SentMessages): Promise<void>
  record(target: ChatTarget, now: SentNow, sent?: SentMessages): Promise<void>
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

  async function record(target: ChatTarget, now: SentNow, sent?: SentMessages) {
    for (const [index, message] of now.messages.entries()) {
      const { message_id: messageId } = message
      const posted = toPosted({ messageId, kind: now.kind, target })
      const about = { message: messageName(target.chatId, messageId), fileIds: fileIdsOf(message) }
      await sent?.add({ posted, part: now.firstPart + index, buttons: now.buttons ?? false, ...about })
    }
  }

  return {
    sendOne,
    record,

    async sendMissing(target, { pictures, offset }, sent) {
      for (let start = 0; start < pictures.length; start += maxInAlbum) {
        const album = pictures.slice(start, start + maxInAlbum)
        const firstPart = offset + start
        const isSent = sent?.earlier.some(({ part }) => part >= firstPart && part < firstPart + album.length)
        if (!isSent) await record(target, { ...(await sendTogether(target, album)), firstPart }, sent)
      }
    },

    async sendFiles(target, reply, files, sent) {
      const whole = files.flatMap(({ data, name }, part) =>
        data ? [{ name, part, file: new InputFile(data, name) }] : [],
      )
      const links = files.filter(({ data }) => !data).map(({ name, link }) => `${name}: ${link}`)
      const text = [plainText(reply), ...links].join('\n')
      const options = optionsOf(target)
      const missing = whole.filter(({ part }) => !sent?.earlier.some((each) => each.part === part))
      for (let start = 0; start < missing.length; start += maxInAlbum) {
        const album = missing.slice(start, start + maxInAlbum)
        const media = album.map(({ file }) => ({ type: 'document', media: file }) as const)
        const [only, ...more] = album
        const messages: Message[] =
          only && more.length === 0
            ? [await api.sendDocument(target.chatId, only.file, options)]
            : await api.sendMediaGroup(target.chatId, media, options)
        for (const [index, { part: firstPart }] of album.entries()) {
          await record(target, { kind: 'document', messages: messages.slice(index, index + 1), firstPart }, sent)
        }
      }
      // last, because it is not recorded
      if (links.length > 0) await api.sendMessage(target.chatId, cut(text, maxText), { ...options, ...withoutPreview })
    },
  }
}
