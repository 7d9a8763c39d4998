/** Input pictures of a request: bytes that came with it, and addresses that are fetched when the picture is needed. */
import { AppError } from '../../core/errors.ts'
import type { Attachment } from '../../core/ports/chat.ts'
import { createDownloader } from '../../net/download.ts'
import { NetError } from '../../net/errors.ts'
import { megabyte } from '../server/bodies.ts'

/** Fetches public https addresses, `data:` URLs with base64, and links of the service. */
export interface Fetcher {
  attachment(address: string, name?: string): Attachment
  close(): Promise<void>
}

const timeoutMs = 20_000

export function createFetcher({ publicUrl }: { publicUrl: string }): Fetcher {
  // clients send links of our responses back, and the service may have a private address
  const downloader = createDownloader({ trusted: [new URL(publicUrl).origin] })
  return {
    attachment: (address, name = 'image') => ({
      name,
      load: async (limitBytes, signal) => {
        try {
          return (await downloader.get(address, { maxBytes: limitBytes, timeoutMs, signal })).body
        } catch (error) {
          throw loadErrorOf(error, limitBytes)
        }
      },
    }),
    close: () => downloader.close(),
  }
}

/** Leaves the address out, because it may contain a signature. */
function loadErrorOf(error: unknown, limitBytes: number): AppError {
  if (!(error instanceof NetError)) return new AppError('image_unreachable', {}, { cause: error })
  if (error.kind === 'too_big') return tooBig(limitBytes)
  return new AppError('image_unreachable', {}, { cause: new Error(error.message) })
}

/** A picture whose bytes are in memory. */
export function attachmentOf(data: Buffer, name: string): Attachment {
  return {
    name: name.slice(0, 200),
    bytes: data.length,
    load: async (limitBytes) => {
      if (data.length <= limitBytes) return data
      throw tooBig(limitBytes)
    },
  }
}

const tooBig = (limitBytes: number) => new AppError('image_too_big', { limitMb: Math.floor(limitBytes / megabyte) })
