/** Pictures in messages, downloaded when a request needs them. */
import type { Api } from 'grammy'
import type { Document, Message, PhotoSize, Sticker } from 'grammy/types'
import { AppError } from '../../../core/errors.ts'
import type { Attachment } from '../../../core/ports/chat.ts'
import { canParseUrl } from '../../../net/can-parse-url.ts'
import { createDownloads, tooBig } from '../../downloads.ts'
import { asSignal, failureOf, reasonOf } from '../bot-api.ts'

const locateTimeoutMs = 20_000

export interface TelegramFiles {
  /** The message's picture: a photo in its largest size, a document, a sticker, a linked one. What cannot be used refuses to load. */
  of(message: Media): Attachment | undefined
  close(): Promise<void>
}

/** What a message shows that a person may take for a picture. Messages in other chats that are replied to have the same fields. */
export type Media = Pick<
  Message,
  | 'photo'
  | 'document'
  | 'sticker'
  | 'live_photo'
  | 'video'
  | 'animation'
  | 'video_note'
  | 'paid_media'
  | 'story'
  | 'text'
  | 'entities'
  | 'link_preview_options'
>

interface TelegramFilesOptions {
  api: Api
  apiUrl: string
  token: string
  publicUrl?: string
}

interface RemoteFile {
  id: string
  bytes?: number
}

export function createFiles({ api, apiUrl, token, publicUrl }: TelegramFilesOptions): TelegramFiles {
  const downloads = createDownloads([new URL(apiUrl).origin])
  // people write these addresses: of private ones, only our own pictures are fetched
  const linked = createDownloads(publicUrl === undefined ? [] : [new URL(publicUrl).origin])

  async function load(file: RemoteFile, limitBytes: number): Promise<Buffer> {
    try {
      const path = await locate(file, limitBytes)
      return await downloads.get(`${apiUrl}/file/bot${token}/${path}`, limitBytes)
    } catch (error) {
      if (error instanceof AppError) throw error
      // not the error itself: it may quote the address, which holds the token
      throw new AppError('image_unreachable', {}, { cause: new Error(reasonOf(error)) })
    }
  }

  async function locate({ id, bytes = 0 }: RemoteFile, limitBytes: number): Promise<string> {
    if (bytes > limitBytes) throw tooBig(limitBytes)
    const signal = asSignal(AbortSignal.timeout(locateTimeoutMs))
    const { file_path: path = '', file_size: size = 0 } = await api.getFile(id, signal).catch((error) => {
      throw failureOf(error)?.description.includes('file is too big') ? tooBig(limitBytes) : error
    })
    if (size > limitBytes) throw tooBig(limitBytes)
    return path.split('/').map(encodeURIComponent).join('/')
  }

  return {
    close: async () => void (await Promise.all([downloads.close(), linked.close()])),
    of(media) {
      const { document, sticker, live_photo: live, video, animation, video_note: note, paid_media, story } = media
      const largest = largestOf(media.photo ?? live?.photo)
      const picture = (
        name: string,
        { file_id: id, file_size: bytes }: PhotoSize | Document | Sticker,
      ): Attachment => ({
        name,
        bytes,
        load: (limitBytes) => load({ id, bytes }, limitBytes),
      })
      if (largest) return picture('photo.jpg', largest)
      if (sticker && !sticker.is_animated && !sticker.is_video) return picture('sticker.webp', sticker)
      const name = document?.file_name ?? 'document'
      if (document && mayBePicture(document)) return picture(name, document)
      if (document ?? sticker ?? live ?? video ?? animation ?? note ?? paid_media ?? story)
        return { name, load: refuse }
      const link = previewedPicture(media)
      return link === undefined ? undefined : { name: 'preview', load: (limitBytes) => linked.get(link, limitBytes) }
    },
  }
}

const largestOf = (sizes: readonly PhotoSize[] | undefined) =>
  sizes?.reduce((best, size) => (size.width * size.height > best.width * best.height ? size : best))

/** Bots do not get the preview of a link, only the link. undefined: the first one leads to no picture. */
function previewedPicture({ text = '', entities = [], link_preview_options: preview }: Media): string | undefined {
  if (preview?.is_disabled) return undefined
  const first = entities.find(({ type }) => type === 'url' || type === 'text_link')
  const written =
    first?.type === 'text_link' ? first.url : first && text.slice(first.offset, first.offset + first.length)
  const link = preview?.url ?? written ?? ''
  const address = /^https?:/i.test(link) ? link : `https://${link}`
  const isPicture = canParseUrl(address) && /\.(?:png|jpe?g|jfif|webp)$/i.test(new URL(address).pathname)
  return isPicture ? address : undefined
}

const refuse = () => Promise.reject(new AppError('image_type'))

/** The platform guesses the type from the name, so only types of other things are refused before the bytes are read. */
function mayBePicture({ mime_type: type = '', file_name: name = '' }: Document): boolean {
  return /^(?:image\/.*|application\/octet-stream|)$/i.test(type) || /\.(?:png|jpe?g|jfif|webp)$/i.test(name)
}
