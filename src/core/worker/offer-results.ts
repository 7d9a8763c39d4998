/**
 * The bot can change some messages for a limited time only, and later only when a person presses one of their buttons. Shortly before
 * that time is over, such a message gets a button that fetches the result.
 */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { generations } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import { asAppError } from '../errors.ts'
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
        await offer(core, waiting)
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

const askedColumns = columnsOf({
  id: generations.id,
  locale: generations.locale,
  request: typed<PictureRequest>(generations.request),
})

async function offer(core: Core, { id, surface, posted }: Waiting): Promise<void> {
  const [asked] = await readRows(
    core.database,
    askedColumns,
    (list) => sql`select ${list} from generations where id = ${id}::uuid and ended_at is null`,
  )
  if (!asked) return
  const offering = await core.surfaces.get(surface)?.edit(posted, offeringReply(asked))
  // the address says that the button is there: a result that cannot be shown may then be left for a press (deliver.ts)
  await core.database.rows(sql`
    update generations set posted = ${offering ?? posted} where id = ${id}::uuid and posted = ${posted} and ended_at is null`)
}
