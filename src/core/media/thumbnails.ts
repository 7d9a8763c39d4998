/**
 * Thumbnails of results. Where no chat shows a result, its thumbnails are made and stored when they are first asked for.
 *
 * A row of `images` with 0 bytes is written first. If the result is deleted from then on, that row has the deletion repeated
 * (deletions.ts), so that no thumbnail outlives its picture, even if this process dies after it has stored one.
 */
import { sql } from 'drizzle-orm'
import type { Core } from '../core.ts'
import type { ImageFile } from '../ports/images.ts'
import type { StoredObject } from '../ports/storage.ts'
import { thumbnailKeyOf } from './object-keys.ts'

/** Pixels on the longer side of a stored thumbnail. */
export const thumbnailEdge = 512

interface Size {
  width: number
  height: number
}

/** The size of a picture that was shrunk to at most `edge` pixels on its longer side. */
export function sizeWithin(edge: number, { width, height }: Size): Size {
  const factor = Math.min(1, edge / Math.max(width, height))
  return { width: Math.max(1, Math.round(width * factor)), height: Math.max(1, Math.round(height * factor)) }
}

type Parts = Pick<Core, 'database' | 'store' | 'images' | 'secretKey' | 'thumbnailTurns' | 'log'>

/**
 * `key`: of a picture. The caller has checked that it may be seen. Resolves to undefined for a picture that is not one of a
 * delivered result, or that is being deleted. Rejects with AppError overloaded, and bad_result if the picture cannot be read.
 */
export async function loadThumbnail(core: Parts, key: string): Promise<StoredObject | undefined> {
  const small = thumbnailKeyOf(core, key)
  if (small === undefined) return undefined
  return (await core.store.get(small)) ?? core.thumbnailTurns(small, () => make(core, key, small))
}

/** Harmless when several processes do it at once: each stores the same bytes. */
async function make(core: Parts, key: string, derived: string): Promise<StoredObject | undefined> {
  const small = await begin(core, key, derived)
  if (small === undefined) return undefined
  // SECRET_KEY, from which keys are derived, has changed since it was stored
  const stored = small === derived ? undefined : await core.store.get(small)
  if (stored) return stored
  const original = await core.store.get(key)
  if (!original) return undefined
  const file = await core.images.thumbnail(original, thumbnailEdge)
  // from here on, a deletion sees the row; one that came before has to be noticed here
  if (!(await isKept(core, key))) return undefined
  try {
    await core.store.put(small, file.data, file.type)
  } catch (error) {
    core.log.warn({ key: small, err: error }, 'could not store a thumbnail; it is made again when it is next asked for')
    return file
  }
  if (await finish(core, small, file)) return file
  await core.store.delete(small)
  return undefined
}

/** Resolves to the thumbnail's key, or to undefined if the picture is not one of a delivered result, or is being deleted. */
async function begin({ database }: Parts, key: string, small: string): Promise<string | undefined> {
  // unchecked row: the column belongs to the statement's own table
  const [row] = await database.rows<{ key: string }>(sql`
    insert into images (key, generation_id, role, position, type, width, height, bytes, flagged)
    select ${small}, o.generation_id, 'thumbnail', o.position, 'image/webp', o.width, o.height, 0, o.flagged
    from ${keptPicture(key)} for share of g for no key update of o
    on conflict (generation_id, role, position) do update set created_at = now() returning key`)
  return row?.key
}

async function isKept({ database }: Parts, key: string): Promise<boolean> {
  return (await database.rows(sql`select from ${keptPicture(key)}`)).length > 0
}

const keptPicture = (key: string) => sql`images o join generations g on g.id = o.generation_id
  where o.key = ${key} and o.role = 'output' and g.state = 'delivered' and g.erased_at is null
    and not exists (select from object_deletions d where d.generation_id = g.id)`

async function finish({ database }: Parts, small: string, { width, height, data }: ImageFile): Promise<boolean> {
  const rows = await database.rows(sql`
    update images set width = ${width}, height = ${height}, bytes = ${data.length} where key = ${small} returning key`)
  return rows.length > 0
}
