/** Deletes pictures that are older than the operator keeps them. Words stay in the history, and favourites of any person stay whole. */
import { sql } from 'drizzle-orm'
import type { Core } from '../core.ts'
import { noteDeletion } from './deletions.ts'

export interface Retention {
  /** Notes some of the results whose pictures are due; `deleteDue` deletes their objects. */
  expire(): Promise<void>
}

/** Results that one statement looks at, and statements in one call. */
const batchRows = 200
const batches = 10

/** A result in the order of age. The time is text, because a Date has no microseconds. */
interface Place {
  at: string
  id: string
}

const oldest: Place = { at: '-infinity', id: '00000000-0000-0000-0000-000000000000' }

/** It goes on where the last call stopped, so that favourites, which stay, are not looked at in each call. */
export function createRetention(core: Core): Retention {
  let after = oldest
  return {
    async expire() {
      const { pictureDays } = core.limits
      if (pictureDays === undefined) return
      for (let n = 0; n < batches; n++) {
        const last = await expireAfter(core, after, pictureDays)
        after = last ?? oldest
        if (!last) return
      }
    },
  }
}

/** Resolves to the position of the last result that it looked at. undefined: there were no more. */
async function expireAfter(core: Core, { at, id }: Place, days: number): Promise<Place | undefined> {
  // unchecked row: the columns belong to the statement's own tables
  const rows = await core.database.rows<Place>(sql`
    with looked as (
      select created_at, generation_id from images
      where role = 'output' and position = 0 and created_at < now() - make_interval(days => ${days}::int)
        and (created_at, generation_id) > (${at}::timestamptz, ${id}::uuid)
      order by created_at, generation_id limit ${batchRows}),
    expired as (
      select g.id, (g.request->>'count')::int as pictures
      from looked join generations g on g.id = looked.generation_id
      where g.state = 'delivered' and not exists (select from favourites f where f.generation_id = g.id)),
    noted as (${noteDeletion(sql`expired`, 0)})
    select created_at::text as at, generation_id as id from looked order by created_at, generation_id`)
  return rows.length < batchRows ? undefined : rows.at(-1)
}
