/** Rows of the pictures in the store. */
import { type SQL, sql } from 'drizzle-orm'
import type { ImageType } from '../ports/images.ts'

export interface StoredPicture {
  key: string
  role: 'output' | 'thumbnail'
  position: number
  type: ImageType
  width: number
  height: number
  bytes: number
  flagged: boolean
}

/** `from`: a CTE with ids of generations, and their pictures as json. */
export const insertPictures = (from: SQL) => sql`
  insert into images (key, generation_id, role, position, type, width, height, bytes, flagged)
  select p.key, stored.id, p.role, p.position, p.type, p.width, p.height, p.bytes, p.flagged
  from ${from} stored, jsonb_to_recordset(stored.pictures)
    as p(key text, role text, position int, type text, width int, height int, bytes int, flagged bool)`
