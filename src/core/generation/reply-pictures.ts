/** The stored pictures of a result as messages show them. */
import { and, eq } from 'drizzle-orm'
import { images } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { extensionOf } from '../media/object-keys.ts'
import type { ReplyPicture } from '../ports/chat.ts'
import type { ImageFile } from '../ports/images.ts'
import { altOf } from './replies.ts'
import type { Generation } from './row.ts'

/** Bytes of the largest picture that every surface accepts: Discord's default upload limit, and Telegram's for photos. */
const uploadLimit = 10 * 1024 * 1024
/** Pixels on the longer side of what is sent in place of a larger file. */
const reducedEdge = 2048

export interface StoredFile {
  key: string
  file: ImageFile
}

/** In order. Rejects with AppError not_stored when an object is missing. */
export async function readPictures(core: Core, id: string): Promise<StoredFile[]> {
  const rows = await core.database.db
    .select({ key: images.key, type: images.type, width: images.width, height: images.height, flagged: images.flagged })
    .from(images)
    .where(and(eq(images.generationId, id), eq(images.role, 'output')))
    .orderBy(images.position)
  return Promise.all(
    rows.map(async ({ key, ...about }) => {
      const object = await core.store.get(key)
      if (!object) {
        throw new AppError('not_stored', {}, { cause: new Error(`the store has no object ${key}`), final: true })
      }
      return { key, file: { data: object.data, ...about } }
    }),
  )
}

type Asked = Pick<Generation, 'id' | 'locale' | 'request'> & Partial<Pick<Generation, 'original'>>

export function picturesToShow(core: Core, asked: Asked, stored: readonly StoredFile[]): Promise<ReplyPicture[]> {
  return Promise.all(
    stored.map(async ({ key, file }, position) => {
      const isSmall = file.data.length <= uploadLimit
      const shown = isSmall ? file : { ...(await core.images.thumbnail(file, reducedEdge)), flagged: file.flagged }
      const picture = { file: shown, key, name: fileName(asked.id, position, shown.type), alt: altOf(asked) }
      return asked.original ? { ...picture, original: file } : picture
    }),
  )
}

/** Of a picture that is sent or saved. `position` from 0. */
export const fileName = (id: string, position: number, type: string) =>
  `fluxbot-${id.slice(-12)}-${position + 1}.${extensionOf(type)}`
