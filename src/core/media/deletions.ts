/**
 * Objects of generations that failed, were cancelled, or were erased by their owner. A row notes them in the statement that
 * ends or erases the generation; then objects go, then the row. After a crash the sweeper continues from the row.
 */

import { type SQL, sql } from 'drizzle-orm'
import { columnsOf, readRows } from '../../db/columns.ts'
import { images, objectDeletions } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import { possibleOutputKeys } from './object-keys.ts'

interface Deletion {
  id: string
  /** Pictures requested. */
  pictures: number
}

/** Generations whose objects are deleted at the same time. */
const batchSize = 20
const sweepMs = 2_000
/** Within this time after it was begun (thumbnails.ts), a thumbnail is stored. */
const lateThumbnail = sql`interval '2 minutes'`

/**
 * Part of the statement that ends or erases. `from`: a CTE with `id` and `pictures`. `settleMs`: how long a worker may still
 * store pictures of it.
 */
export const noteDeletion = (from: SQL, settleMs: number) => sql`
  insert into object_deletions (generation_id, pictures, final_at)
  select id, pictures, now() + ${`${settleMs} milliseconds`}::interval from ${from}
  on conflict (generation_id) do update set final_at = greatest(object_deletions.final_at, excluded.final_at)`

/** Deletes what is due, as long as there is time. Stops at the first failure: a store that is away stays away. */
export async function deleteDue(core: Core, withinMs = sweepMs): Promise<void> {
  const until = Date.now() + withinMs
  for (;;) {
    // in random order, so that one that always fails does not block the others
    const due = await core.database.db
      .select({ id: objectDeletions.generationId, pictures: objectDeletions.pictures })
      .from(objectDeletions)
      .where(sql`${objectDeletions.finalAt} <= now()`)
      .orderBy(sql`random()`)
      .limit(batchSize)
    const done = await Promise.all(due.map((each) => deleteNoted(core, each)))
    if (due.length < batchSize || done.includes(false) || Date.now() >= until) return
  }
}

/**
 * Resolves to false when it has to be tried again. A row that is not final yet stays, and the sweeper repeats it; so it does while a
 * thumbnail that was begun after the delivery may still be stored.
 */
export async function deleteNoted(core: Core, { id, pictures }: Deletion): Promise<boolean> {
  try {
    await deleteObjects(core, { id, pictures })
    await core.database.rows(sql`
      with late as (
        select from images t where t.generation_id = ${id}::uuid and t.role = 'thumbnail' and t.created_at > now() - ${lateThumbnail}
          and t.created_at > (select o.created_at from images o
            where o.generation_id = t.generation_id and o.role = 'output' and o.position = t.position)),
      gone as (delete from images where generation_id = ${id}::uuid),
      again as (
        update object_deletions set final_at = greatest(final_at, now() + ${lateThumbnail})
        where generation_id = ${id}::uuid and exists (select from late))
      delete from object_deletions
      where generation_id = ${id}::uuid and final_at <= now() and not exists (select from late)`)
    return true
  } catch (error) {
    core.log.warn({ id, err: error }, 'could not delete pictures of an ended request; the sweeper retries')
    return false
  }
}

const keyColumns = columnsOf({ key: images.key })

/** Deletes recorded objects, and those that a worker stored before it died without recording them. */
export async function deleteObjects(core: Core, { id, pictures }: Deletion): Promise<void> {
  const rows = await readRows(
    core.database,
    keyColumns,
    (list) => sql`select ${list} from images where generation_id = ${id}::uuid`,
  )
  const keys = new Set([...rows.map(({ key }) => key), ...possibleOutputKeys(core, id, pictures)])
  await Promise.all([...keys].map((key) => core.store.delete(key)))
}
