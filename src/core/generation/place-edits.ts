/**
 * Edits of waiting messages that show a place in the queue. They keep no worker from starting the request: the worker's own
 * edits wait until such an edit is over, so that an older text never replaces a picture.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { eq, sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { generations } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import type { Posted } from '../ports/chat.ts'
import type { PictureRequest } from '../ports/models.ts'
import type { Generation } from './row.ts'

/** Longer than a surface tries an edit that shows progress (ports/chat.ts). */
export const editWithin = '8 seconds'
const lookEveryMs = 50
/**
 * The first requests of a lane, with those that are being drawn. Their places are shown as they change. A message further back keeps
 * the place that it was posted with: it would change long before anything happens, and looking at all places would cost more the
 * longer the queue is.
 */
const firstPlaces = 300
/** Most messages of a lane that one round edits, and the time between two edits of a message. */
const mostEdits = 10
const pause = '3 seconds'
/** A request is usually drawn before this age, and then its message needs no place. */
const youngest = '2 seconds'

const columns = columnsOf(
  {
    id: generations.id,
    surface: generations.surface,
    posted: typed<Posted>(generations.posted),
    locale: generations.locale,
    model: generations.model,
    provider: generations.provider,
    endpoint: generations.endpoint,
    request: typed<PictureRequest>(generations.request),
    price: generations.price,
    place: typed<number>(sql`locked.place`),
  },
  'g',
)

export type PlaceEdit = NonNullable<(typeof columns)['row']>

/** Messages of a lane whose place has changed by at least a tenth. No other process edits them before `endPlaceEdit`. */
export function takePlaceEdits(core: Core, lane: string): Promise<PlaceEdit[]> {
  return readRows(
    core.database,
    columns,
    (list) => sql`
      with due as (
        select id, place from (
          select *, (row_number() over (order by priority, id))::int as place from (
            select id, state, priority, posted, watched, error, created_at, narrated_at, narrated_place, editing_until
            from generations where provider = ${lane} and ended_at is null
            order by priority, id limit ${firstPlaces}) line
          where state = 'queued') places -- not in the inner query, where the planner would expect very few rows
        where posted is not null and error is null
          and not watched -- programs poll for it
          and created_at < now() - ${youngest}::interval
          and coalesce(narrated_at < now() - ${pause}::interval, true) and coalesce(editing_until < now(), true)
          and coalesce(abs(place - narrated_place) >= greatest(1, place / 10), true)
        order by narrated_at nulls first, place limit ${mostEdits}),
      locked as (
        select g.id, due.place from generations g join due on due.id = g.id where g.state = 'queued'
        for update of g skip locked)
      update generations g set narrated_at = now(), editing_until = now() + ${editWithin}::interval
      from locked where g.id = locked.id
      returning ${list}`,
  )
}

/** `shown`: the place that the message shows now. Absent: it was not edited. Resolves to the state of the request, which may have ended. */
export async function endPlaceEdit(core: Core, id: string, shown?: number): Promise<Generation['state'] | undefined> {
  const [row] = await core.database.db
    .update(generations)
    .set({ editingUntil: null, ...(shown !== undefined && { narratedPlace: shown }) })
    .where(eq(generations.id, id))
    .returning({ state: generations.state })
  return row?.state
}

/**
 * The address of the waiting message, which changes when its result is offered (worker/offer-results.ts), once no such edit is under way.
 * The row says already that the request is about to end, so that no other one begins. `known`: what the address was before.
 */
export async function offerIsOver(core: Core, id: string, known: Posted): Promise<Posted> {
  for (;;) {
    const [row] = await readRows(
      core.database,
      offeringColumns,
      (list) => sql`select ${list} from generations where id = ${id}::uuid`,
    )
    if (!row?.isEdited) return row?.posted ?? known
    await sleep(lookEveryMs)
  }
}

const offeringColumns = columnsOf({
  posted: typed<Posted | null>(generations.posted),
  isEdited: typed<boolean>(sql`coalesce(editing_until > now(), false)`),
})

/** Waits until no edit of the place is under way. A worker calls it before its own edits. */
export async function placeEditIsOver(
  core: Core,
  generation: Pick<Generation, 'id' | 'editingMs' | 'takenAt'>,
): Promise<void> {
  while (generation.takenAt + generation.editingMs > Date.now()) {
    const [row] = await core.database.db
      .select({ until: generations.editingUntil })
      .from(generations)
      .where(eq(generations.id, generation.id))
    if (!row?.until) return
    await sleep(lookEveryMs)
  }
}
