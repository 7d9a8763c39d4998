/** What an account has asked for, newest first. */
import { and, desc, eq, isNull } from 'drizzle-orm'
import { type GenerationState, generations } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import type { PictureRequest } from '../ports/models.ts'

export interface PastRequest {
  id: string
  state: GenerationState
  request: PictureRequest
  createdAt: Date
}

export const pageSize = 10
const lastPage = 100

/** `page` from 1. Ids sort by time, so the index alone serves a page. */
export async function history(core: Core, userId: string, page: number): Promise<PastRequest[]> {
  const rows = await core.database.db
    .select({
      id: generations.id,
      state: generations.state,
      request: generations.request,
      createdAt: generations.createdAt,
    })
    .from(generations)
    .where(and(eq(generations.userId, userId), isNull(generations.erasedAt)))
    .orderBy(desc(generations.id))
    .limit(pageSize)
    .offset((Math.min(Math.max(1, page), lastPage) - 1) * pageSize)
  return rows.map((row) => ({ ...row, request: row.request as unknown as PictureRequest }))
}
