/** What an account asked for, newest first. */
import { sql } from 'drizzle-orm'
import type { GenerationState } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import type { ErrorKind } from '../errors.ts'
import type { PictureRequest } from '../ports/models.ts'

export interface Past {
  id: string
  state: GenerationState
  request: PictureRequest
  price: number
  error: ErrorKind | null
  createdAt: Date
}

export const pageSize = 10
const lastPage = 100

/** `page` from 1. Ids are in the order of time, so the index alone serves a page. */
export async function history(core: Core, userId: string, page: number): Promise<Past[]> {
  const offset = (Math.min(Math.max(1, page), lastPage) - 1) * pageSize
  return core.database.rows<Past>(sql`
    select id, state, request, price, error, created_at as "createdAt" from generations
    where user_id = ${userId} and erased_at is null order by id desc limit ${pageSize} offset ${offset}`)
}
