/** Acts that wait in the inbox: one visitor may have so many of them, so that the acts of others are stored and handled, too. */
import { sql } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import { lanesOf } from './calls.ts'

const mostWaiting = 50

/** Whether this visitor may store no more acts now. An act that was stored before may be sent again. */
export async function isFull(database: Database, visitor: string, key: string): Promise<boolean> {
  const lanes = JSON.stringify(lanesOf(visitor))
  const found = await database.rows(sql`
    select 1 from inbox
    where surface = 'web' and lane in (select jsonb_array_elements_text(${lanes}::jsonb)) and handled_at is null
      and received_at > now() - interval '1 day' and not exists (select from inbox where key = ${key})
    limit ${mostWaiting}`)
  return found.length >= mostWaiting
}
