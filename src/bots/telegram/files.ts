/** Pictures in messages, downloaded when somebody asks for them. */
import type { Api } from 'grammy'
import type { Message } from 'grammy/types'
import { AppError } from '../../core/errors.ts'
import type { Attachment } from '../../core/ports/chat.ts'
import { createDownloads, tooBig } from '../downloads.ts'
import { asSignal, reasonOf, refusalOf } from './api.ts'

const locateMs = 20_000

export interface TelegramFiles {
  /** The message's picture: a photo in its largest size, or a document. Undefined when it has neither. */
  of(message: Pick<Message, 'photo' | 'document'>): Attachment | undefined
  close(): Promise<void>
}

interface TelegramFilesOptions {
  api: Api
  apiUrl: string
  token: string
}

interface RemoteFile {
  id: string
  bytes?: number
}

export function createFiles({ api, apiUrl, token }: TelegramFilesOptions): TelegramFiles {
  const downloads = createDownloads([new URL(apiUrl).origin])

  async function load(file: RemoteFile, limitBytes: number): Promise<Buffer> {
    const signal = AbortSignal.timeout(locateMs)
    try {
      const path = await locate(file, { limitBytes, signal })
      return await downloads.get(`${apiUrl}/file/bot${token}/${path}`, limitBytes)
    } catch (error) {
      if (error instanceof AppError) throw error
      // not the error itself: it may name the address, and that holds the token
      throw new AppError('image_unreachable', {}, { cause: new Error(reasonOf(error)) })
    }
  }

  async function locate(file: RemoteFile, { limitBytes, signal }: DownloadLimits): Promise<string> {
    if ((file.bytes ?? 0) > limitBytes) throw tooBig(limitBytes)
    const { file_path: path = '', file_size: size = 0 } = await api
      .getFile(file.id, asSignal(signal))
      .catch((error) => {
        throw refusalOf(error)?.words.includes('file is too big') ? tooBig(limitBytes) : error
      })
    if (size > limitBytes) throw tooBig(limitBytes)
    return path.split('/').map(encodeURIComponent).join('/')
  }

  return {
    close: () => downloads.close(),
    of({ photo, document }) {
      const largest = photo?.reduce((best, size) => (size.width * size.height > best.width * best.height ? size : best))
      if (largest) {
        const file = { id: largest.file_id, bytes: largest.file_size }
        return { name: 'photo.jpg', bytes: file.bytes, load: (limitBytes) => load(file, limitBytes) }
      }
      if (!document) return undefined
      const file = { id: document.file_id, bytes: document.file_size }
      const refuse = () => Promise.reject(new AppError('image_type'))
      return {
        name: document.file_name ?? 'document',
        bytes: file.bytes,
        load: isImage({ document }) ? (limitBytes) => load(file, limitBytes) : refuse,
      }
    },
  }
}

/** By what the platform says; the bytes are looked at later. */
export function isImage({ photo, document }: Pick<Message, 'photo' | 'document'>): boolean {
  if (photo) return true
  const { mime_type: type = '', file_name: name = '' } = document ?? {}
  return /^image\/(png|jpe?g|webp)$/i.test(type) || /\.(png|jpe?g|webp)$/i.test(name)
}

interface DownloadLimits {
  limitBytes: number
  signal: AbortSignal
}
