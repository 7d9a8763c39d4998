/** Pictures that people attach, fetched from the platform's own servers: in time, and never more than the limit. */
import { AppError } from '../core/errors.ts'
import { createDownloader } from '../net/download.ts'
import { NetError } from '../net/errors.ts'

export interface Downloads {
  /** Rejects with AppError image_too_big or image_unreachable; neither names the address, which may hold a token. */
  get(url: string, limitBytes: number): Promise<Buffer>
  close(): Promise<void>
}

const timeoutMs = 20_000

/** `trusted`: origins from settings that may be private. */
export function createDownloads(trusted: readonly string[]): Downloads {
  const downloader = createDownloader({ trusted })
  return {
    async get(url, limitBytes) {
      try {
        return (await downloader.get(url, { maxBytes: limitBytes, timeoutMs })).body
      } catch (error) {
        if (error instanceof NetError && error.kind === 'too_big') throw tooBig(limitBytes)
        const reason = error instanceof NetError ? [error.kind, error.status].filter(Boolean).join(' ') : 'no answer'
        throw new AppError('image_unreachable', {}, { cause: new Error(`the download: ${reason}`) })
      }
    },
    close: () => downloader.close(),
  }
}

export function tooBig(limitBytes: number): AppError {
  return new AppError('image_too_big', { limitMb: Math.floor(limitBytes / 1024 / 1024) })
}
