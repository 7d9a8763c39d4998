/** Pictures in messages, downloaded when a request needs them. */
import type { Api } from 'grammy'
import type { Message } from 'grammy/types'
import { AppError } from '../../core/errors.ts'
import type { Attachment } from '../../core/ports/chat.ts'
import { createDownloads, tooBig } from '../downloads.ts'
import { asSignal, failureOf, reasonOf } from './bot-api.ts'

const locateTimeoutMs = 20_000

export interface TelegramFiles {
  /** The message's picture: a photo in its largest size, or a document. undefined: it has neither. */
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
    close: () => downloads.close(),
    of({ photo, document }) {
      const largest = photo?.reduce((best, size) => (size.width * size.height > best.width * best.height ? size : best))
      if (largest) {
        const file = { id: largest.file_id, bytes: largest.file_size }
        return { name: 'photo.jpg', bytes: file.bytes, load: (limitBytes) => load(file, limitBytes) }
      }
      if (!document) return undefined
      const file = { id: document.file_id, bytes: document.file_size }
      return {
        name: document.file_name ?? 'document',
        bytes: file.bytes,
        load: isImage({ document })
          ? (limitBytes) => load(file, limitBytes)
          : () => Promise.reject(new AppError('image_type')),
      }
    },
  }
}

/** By what the platform says. The bytes are checked when they are read. */
export function isImage({ photo, document }: Pick<Message, 'photo' | 'document'>): boolean {
  if (photo) return true
  const { mime_type: type = '', file_name: name = '' } = document ?? {}
  return /^image\/(png|jpe?g|webp)$/i.test(type) || /\.(png|jpe?g|webp)$/i.test(name)
}
