/** The stored pictures of a result as messages show them. */
import { and, eq } from 'drizzle-orm'
import { images } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { extensionOf } from '../media/object-keys.ts'
import type { Address } from '../ports/chat.ts'
import type { ImageFile } from '../ports/images.ts'
import type { FileLimits, ReplyPicture } from '../ports/reply-files.ts'
import { altOf } from './replies.ts'
import type { Generation } from './row.ts'

/** What every surface accepts: Discord's default upload limit, and Telegram's for photos. */
const usualLimits: FileLimits = { picture: 10 * 1024 * 1024, file: Number.POSITIVE_INFINITY }
/** Pixels on the longer side of what is sent in place of a larger file. The smaller ones are for chats with low limits. */
const reducedEdges = [2048, 1024, 512, 256] as const

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

interface Showing {
  /** `surface`: where they are shown, which may be another one than the request came from. */
  asked: Pick<Generation, 'id' | 'locale' | 'request' | 'surface'> & Partial<Pick<Generation, 'original'>>
  stored: readonly StoredFile[]
  /** The message, or where it will be. */
  at: Address
}

/** Those that are too large for the chat are reduced, and carry a link to the stored file where others can open it. */
export async function picturesToShow(core: Core, { asked, stored, at }: Showing): Promise<ReplyPicture[]> {
  const surface = core.surfaces.get(asked.surface)
  const limits = surface?.fileLimits?.(at) ?? usualLimits
  const shown = await fitting(core, stored, limits)
  return Promise.all(
    stored.map(async ({ key, file: original }, position) => {
      const file = shown[position] ?? original
      const picture = { file, key, name: fileName(asked.id, position, file.type), alt: altOf(asked) }
      const isLinked = file !== original && core.store.reachable && !surface?.linksPictures
      const follows = asked.original && original.data.length <= (limits.file ?? 0)
      return { ...picture, ...(follows && { original }), ...(isLinked && { link: await core.link(key) }) }
    }),
  )
}

/** In order. The largest are reduced first, until each fits and all fit together. */
async function fitting(core: Core, stored: readonly StoredFile[], limits: FileLimits): Promise<ImageFile[]> {
  const { picture: most, pictures: mostTogether = Number.POSITIVE_INFINITY } = limits
  const shown = stored.map(({ file }) => file)
  const together = () => shown.reduce((bytes, { data }) => bytes + data.length, 0)
  const largestFirst = [...shown.entries()].toSorted(([, a], [, b]) => b.data.length - a.data.length)
  for (const [position, file] of largestFirst) {
    if (file.data.length > most || together() > mostTogether) shown[position] = await reduced(core, file, most)
  }
  return shown
}

async function reduced(core: Core, file: ImageFile, mostBytes: number): Promise<ImageFile> {
  let smaller = file
  for (const edge of reducedEdges) {
    smaller = { ...(await core.images.thumbnail(file, edge)), flagged: file.flagged }
    if (smaller.data.length <= mostBytes) break
  }
  return smaller
}

/** Of a picture that is sent or saved. `position` from 0. */
export const fileName = (id: string, position: number, type: string) =>
  `fluxbot-${id.slice(-12)}-${position + 1}.${extensionOf(type)}`
