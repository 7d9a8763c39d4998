/** What every family of the API works with, and how pictures that come with a request are taken in. */
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import type { Attachment } from '../../core/ports/chat.ts'
import { createDownloader } from '../../net/download.ts'
import { NetError } from '../../net/errors.ts'

export interface ApiParts {
  core: Core
  /** API_KEY. Absent: only keys that people made for themselves. */
  operatorKey: string | undefined
  publicUrl: string
  /** How long links in answers can be opened. */
  imageExpirationSeconds: number
  /** Requests of any kind that one key may make of one process. Absent: see throttle.ts. */
  requestsPerMinute?: number
}

export const megabyte = 1024 * 1024
/** All pictures of one request together. */
export const picturesBytes = 50 * megabyte
/** Bodies that may hold pictures as data URLs: four characters for three bytes, and some words. */
export const bodyWithPicturesBytes = Math.ceil(picturesBytes / 3) * 4 + megabyte

const fetchMs = 20_000

/** Pictures by address: https through the guard, `data:` with base64, and links of our own. */
export interface Fetcher {
  attachment(address: string, name?: string): Attachment
  close(): Promise<void>
}

export function createFetcher({ publicUrl }: Pick<ApiParts, 'publicUrl'>): Fetcher {
  // answers link to us, and clients send such links back, wherever we are
  const downloader = createDownloader({ trusted: [new URL(publicUrl).origin] })
  return {
    attachment: (address, name = 'image') => ({
      name,
      load: async (limitBytes, signal) => {
        try {
          return (await downloader.get(address, { maxBytes: limitBytes, timeoutMs: fetchMs, signal })).body
        } catch (error) {
          throw asRefusal(error, limitBytes)
        }
      },
    }),
    close: () => downloader.close(),
  }
}

/** Without the address, which may be signed. */
function asRefusal(error: unknown, limitBytes: number): AppError {
  if (!(error instanceof NetError)) return new AppError('image_unreachable', {}, { cause: error })
  if (error.kind === 'too_big') return new AppError('image_too_big', { limitMb: Math.floor(limitBytes / megabyte) })
  return new AppError('image_unreachable', {}, { cause: new Error(error.message) })
}

/** A picture whose bytes came with the request. */
export function attachmentOf(data: Buffer, name: string): Attachment {
  return {
    name: name.slice(0, 200),
    bytes: data.length,
    load: async (limitBytes) => {
      if (data.length <= limitBytes) return data
      throw new AppError('image_too_big', { limitMb: Math.floor(limitBytes / megabyte) })
    },
  }
}
