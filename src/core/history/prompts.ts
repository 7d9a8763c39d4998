/** Prompts of a person's own earlier requests. */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { generations } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'

/** Latest requests that are looked through, so that each look costs the same for every account. */
const lookedAt = 200

const columns = columnsOf({ id: generations.id, prompt: typed<string>(sql`generations.request->>'prompt'`) })

interface Wanted {
  /** '' for all. */
  containing: string
  limit: number
}

/** Newest first, each once. It opens no account. */
export async function lastPrompts(
  { database }: Pick<Core, 'database'>,
  identity: string,
  { containing, limit }: Wanted,
): Promise<{ id: string; prompt: string }[]> {
  const rows = await readRows(
    database,
    columns,
    (list) => sql`
      select ${list} from (
        select id, request from generations
        where user_id between ${ownerOf(identity)} and ${ownerOf(identity)} and erased_at is null
        order by user_id desc, id desc limit ${lookedAt}) generations
      where request->>'prompt' <> '' and position(lower(${containing}::text) in lower(request->>'prompt')) > 0
      order by generations.id desc`,
  )
  const found = new Map(rows.toReversed().map((row) => [row.prompt, row]))
  return [...found.values()].toSorted((a, b) => (a.id < b.id ? 1 : -1)).slice(0, limit)
}

/** Throws AppError unknown_request if the person has no such request. */
export async function promptOfRequest(
  { database }: Pick<Core, 'database'>,
  identity: string,
  id: string,
): Promise<string> {
  const [row] = await readRows(
    database,
    columns,
    (list) => sql`
      select ${list} from generations
      where id = ${id}::uuid and user_id = ${ownerOf(identity)} and erased_at is null`,
  )
  if (!row) throw new AppError('unknown_request')
  return row.prompt
}

const ownerOf = (identity: string) => sql`(select user_id from identities where id = ${identity})`
