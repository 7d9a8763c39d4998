/** The stored result of a request, as buttons below it need it. */
import { and, eq, inArray, isNull } from 'drizzle-orm'
import { generations, images } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { isId } from '../ids.ts'
import type { Attachment } from '../ports/chat.ts'
import type { ImageType } from '../ports/images.ts'
import type { PictureRequest } from '../ports/models.ts'

export interface StoredResult {
  id: string
  userId: string
  surface: string
  /** The chat where people see it. null: in no chat. */
  channel: string | null
  request: PictureRequest
  /** The first one. */
  picture: StoredPicture
}

interface StoredPicture {
  key: string
  type: ImageType
  width: number
  height: number
  bytes: number
}

/** Pixels on the longer side of what replaces an original that is too large for an input. */
const reducedEdge = 2048

/** undefined: there is no such result, or it was erased. A result is posted a little before its request counts as delivered. */
export async function readResult(core: Core, id: string): Promise<StoredResult | undefined> {
  if (!isId(id)) return undefined
  const { key, type, width, height, bytes } = images
  const isFirst = and(eq(images.generationId, generations.id), eq(images.role, 'output'))
  const [row] = await core.database.db
    .select({
      id: generations.id,
      userId: generations.userId,
      surface: generations.surface,
      channel: generations.channel,
      request: generations.request,
      picture: { key, type, width, height, bytes },
    })
    .from(generations)
    .innerJoin(images, isFirst)
    .where(
      and(eq(generations.id, id), inArray(generations.state, ['stored', 'delivered']), isNull(generations.erasedAt)),
    )
    .orderBy(images.position)
    .limit(1)
  return row && { ...row, request: row.request as unknown as PictureRequest }
}

/** The original, as an input of another request. It rejects with AppError unknown_button once the picture is gone. */
export function asInput(core: Core, { key, type, width, height, bytes }: StoredPicture): Attachment {
  return {
    name: key,
    bytes,
    load: async (limitBytes) => {
      const object = await core.store.get(key)
      if (!object) throw new AppError('unknown_button')
      if (object.data.length <= limitBytes) return object.data
      const reduced = await core.images.thumbnail({ data: object.data }, Math.min(reducedEdge, Math.max(width, height)))
      core.log.debug({ key, type, bytes }, 'an original was too large for an input; a smaller copy is used')
      return reduced.data
    },
  }
}
