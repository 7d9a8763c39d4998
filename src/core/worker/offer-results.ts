/**
 * Some messages can be changed for a while only, and after that when a person presses a button of theirs. Shortly before the
 * deadline of its request, such a message gets a button that fetches the result.
 */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { generations } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import { offeringReply } from '../generation/replies.ts'
import type { Posted } from '../ports/chat.ts'
import type { PictureRequest } from '../ports/models.ts'

/** Discord takes edits without a press for 15 minutes, and the deadline comes after 14. */
const beforeDeadline = '60 seconds'
const batchSize = 200
const maxRemembered = 10_000

const columns = columnsOf({
  id: generations.id,
  locale: generations.locale,
  request: typed<PictureRequest>(generations.request),
  surface: generations.surface,
  posted: typed<Posted>(generations.posted),
})

/** Each process offers a result once; doing it again in another one changes nothing. */
export function createResultOffers(core: Core): () => Promise<void> {
  const offered = new Set<string>()
  return async () => {
    const rows = await readRows(
      core.database,
      columns,
      (list) => sql`
        select ${list} from generations
        where ended_at is null and state in ('queued','running','stored') and deadline_at < now() + ${beforeDeadline}::interval
          and posted is not null
        order by deadline_at limit ${batchSize}`,
    )
    const due = rows.filter(({ id, surface, posted }) => {
      return !offered.has(id) && core.surfaces.get(surface)?.needsPress?.(posted)
    })
    if (offered.size > maxRemembered) offered.clear()
    for (const { id } of due) offered.add(id)
    await Promise.all(due.map((row) => offer(core, row)))
  }
}

async function offer(core: Core, row: NonNullable<(typeof columns)['row']>): Promise<void> {
  try {
    await core.surfaces.get(row.surface)?.edit(row.posted, offeringReply(row))
  } catch (error) {
    core.log.debug({ id: row.id, err: error }, 'could not offer a result')
  }
}
