/** Pictures of a reply as Telegram takes them: photos, which it recompresses, or documents. */
import { InputFile } from 'grammy'
import type { Message } from 'grammy/types'
import type { FileLimits, ReplyPicture } from '../../../core/ports/reply-files.ts'

/** Telegram's limits for photos and documents of bots. */
export const fileLimits = { picture: 10 * 1024 * 1024, file: 50 * 1024 * 1024 } satisfies FileLimits

/** `asFile`: as a document, which Telegram does not change. */
export type Sent = ReplyPicture & { asFile?: boolean }

export interface Others {
  pictures: readonly Sent[]
  /** Position of the first of them in the result. */
  offset: number
}

/** Photos are recompressed by Telegram, so the original files follow as documents, after all pictures of the result. */
export function originalsOf(pictures: readonly ReplyPicture[]): Others {
  const originals = pictures.flatMap(({ original, ...picture }) =>
    original && !isShownWhole(picture, original) ? [{ ...picture, file: original, asFile: true }] : [],
  )
  return { pictures: originals, offset: pictures.length }
}

const isShownWhole = (picture: ReplyPicture, original: ReplyPicture['file']) =>
  picture.file === original && kindOf(picture) === 'document'

/** From memory, so that it can be sent again after a pause. */
export const toFile = ({ file, name }: ReplyPicture) => new InputFile(file.data, name)

/** Telegram's limits for photos: their bytes, 10,000 pixels for width plus height, a ratio of 20. */
export function kindOf({ file: { data, width, height }, asFile = false }: Sent): 'photo' | 'document' {
  if (asFile) return 'document'
  const ratio = Math.max(width, height) / Math.max(1, Math.min(width, height))
  return data.length <= fileLimits.picture && width + height <= 10_000 && ratio <= 20 ? 'photo' : 'document'
}

export function fileIdsOf(message: Pick<Message, 'photo' | 'document'>): string[] {
  const id = message.photo?.at(-1)?.file_id ?? message.document?.file_id
  return id === undefined ? [] : [id]
}
