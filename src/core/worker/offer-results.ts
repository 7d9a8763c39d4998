/**
 * The bot can change some messages for a limited time only, and later only when a person presses one of their buttons. Shortly before
 * that time is over, such a message gets a button that fetches the result.
 */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { generations } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import { asAppError } from '../errors.ts'
import { showCancelled } from '../generation/cancel.ts'
import { editWithin } from '../generation/place-edits.ts'
import { offeringReply } from '../generation/replies.ts'
import { oldestUnfinished } from '../history/backlog.ts'
import type { Posted } from '../ports/chat.ts'
import type { PictureRequest } from '../ports/models.ts'

/** Most requests end before this age, and need not be looked at. */
const youngest = '10 seconds'
/** Rows of one round. The next round looks at the next ones, so that a long queue is looked through in time. */
const batchSize = 1_000
const maxRemembered = 10_000

const waitingColumns = columnsOf({
  id: generations.id,
  surface: generations.surface,
  posted: typed<Posted>(generations.posted),
})

type Waiting = NonNullable<(typeof waitingColumns)['row']>

/** Each process offers a result once; doing it again in another one changes nothing. A failed offer is tried again in the next round. */
export function createResultOffers(core: Core): () => Promise<void> {
  const offered = new Set<string>()
  /** undefined: from the oldest one. */
  let after: string | undefined
  return async () => {
    const rows = await waitingAfter(core, after ?? oldestUnfinished(core))
    after = rows.length < batchSize ? undefined : rows.at(-1)?.id
    const now = Date.now()
    const due = rows.filter(({ id, surface, posted }) => {
      const from = core.surfaces.get(surface)?.needsPressFrom?.(posted)
      return from !== undefined && from <= now && !offered.has(id)
    })
    if (offered.size > maxRemembered) offered.clear()
    for (const { id } of due) offered.add(id)
    const offerOrRetry = async (waiting: Waiting) => {
      try {
        if (!(await offer(core, waiting))) offered.delete(waiting.id)
      } catch (thrown) {
        const { kind, retry, cause } = asAppError(thrown)
        if (retry) offered.delete(waiting.id)
        core.log.warn({ id: waiting.id, kind, err: cause, retry }, 'could not offer a result')
      }
    }
    await Promise.all(due.map(offerOrRetry))
  }
}

async function waitingAfter(core: Core, after: string): Promise<Waiting[]> {
  const surfaces = [...core.surfaces.values()].filter(({ needsPressFrom }) => needsPressFrom)
  if (surfaces.length === 0) return []
  return readRows(
    core.database,
    waitingColumns,
    (list) => sql`
      select ${list} from generations
      where ended_at is null and state in ('queued','running','stored') and posted is not null and id > ${after}::uuid
        and ${JSON.stringify(surfaces.map(({ name }) => name))}::jsonb @> to_jsonb(surface)
        and created_at < now() - ${youngest}::interval
      order by id limit ${batchSize}`,
  )
}

const takenColumns = columnsOf({
  id: generations.id,
  surface: generations.surface,
  posted: typed<Posted>(generations.posted),
  price: generations.price,
  locale: generations.locale,
  request: typed<PictureRequest>(generations.request),
})

const endedColumns = columnsOf({ state: generations.state })

/** False: another edit of the message is under way. */
async function offer(core: Core, { id, surface, posted }: Waiting): Promise<boolean> {
  const taken = await takeOffer(core, id, posted)
  if (!taken) return false
  let offering: Posted | undefined
  try {
    offering = await core.surfaces.get(surface)?.edit(posted, offeringReply(taken))
  } finally {
    // the address says that the button is there: a result that cannot be shown may then be left for a press (deliver.ts)
    const [row] = await readRows(
      core.database,
      endedColumns,
      (list) => sql`
        update generations set editing_until = null,
          posted = case when posted = ${posted} and ended_at is null then ${offering ?? posted} else posted end
        where id = ${id}::uuid returning ${list}`,
    )
    // our edit may have followed the one that showed the cancellation
    if (row?.state === 'cancelled') await showCancelled(core, taken)
  }
  return true
}

/**
 * Keeps the result back while the button is being shown (`offerIsOver`). undefined: the request has ended, its message is being edited, or
 * a worker is about to show how it ended.
 */
async function takeOffer(core: Core, id: string, posted: Posted) {
  const [taken] = await readRows(
    core.database,
    takenColumns,
    (list) => sql`
      update generations set editing_until = now() + ${editWithin}::interval
      where id = ${id}::uuid and posted = ${posted} and ended_at is null and coalesce(editing_until < now(), true)
        and ((state in ('queued','running') and error is null) or coalesce(lease_until < now(), true))
      returning ${list}`,
  )
  return taken
}
