/** How a request stands or ended, as programs and the history see it. */
import { eq, type SQL, sql } from 'drizzle-orm'
import { readRows } from '../../db/columns.ts'
import { type GenerationState, generations } from '../../db/schema/generations.ts'
import { apiProgress } from '../../db/schema/programs.ts'
import { heirOf } from '../accounts/accounts.ts'
import type { Core } from '../core.ts'
import { isId } from '../ids.ts'
import type { Queued } from './expectations.ts'
import { generator } from './generator.ts'
import { asOutcome, type Outcome, type OutcomeRow, outcomeColumns } from './outcome-columns.ts'

export type { Outcome } from './outcome-columns.ts'

export const hasEnded = (state: GenerationState) => ['delivered', 'failed', 'cancelled'].includes(state)

/** Whether its pictures were deleted because of their age (media/retention.ts). */
export const isExpired = ({ state, pictures }: Pick<Outcome, 'state' | 'pictures'>) =>
  state === 'delivered' && pictures.length === 0

/** undefined: no such request, or it was erased. `userId` null: of any account, for admins; it may have been joined with another since. */
export async function outcomeOf(core: Core, userId: string | null, id: string): Promise<Outcome | undefined> {
  if (!isId(id)) return undefined
  const [row] = await readRows(
    core.database,
    outcomeColumns,
    (list) => sql`
      select ${list} from generations left join api_progress on ${isProgressOf}
      where ${eq(generations.id, id)} and (${userId}::uuid is null or generations.user_id = ${ownerNow(userId)})
        and generations.erased_at is null`,
  )
  return row && placed(core, row)
}

const ownerNow = (userId: string | null) => (userId === null ? sql`null` : heirOf(userId))

export interface PageOfOutcomes {
  userId: string
  /** From 1. */
  page: number
  /** Most on a page. */
  limit: number
  /** Only requests made on this surface. */
  source?: string
  /** Only requests that this kind of model draws. */
  generator?: string
  /** Only requests whose pictures were delivered. */
  delivered?: boolean
  /** Only requests older than this one. It costs the same however old that is; `page` costs what it skips. */
  before?: string
}

/**
 * Newest first. `more`: there is another page. The range of a single account, and the sorting by account, make the planner take the
 * index of the account; otherwise it may read the primary key backwards, with every later request of other accounts.
 */
export async function outcomes(
  core: Core,
  { userId, page, limit, source, generator: kind, delivered, before }: PageOfOutcomes,
): Promise<{ items: Outcome[]; more: boolean }> {
  const only = (condition: SQL | undefined) => condition ?? sql``
  const order = source === undefined ? sql`user_id desc, id desc` : sql`user_id desc, surface desc, id desc`
  const rows = await readRows(
    core.database,
    outcomeColumns,
    (list) => sql`
      select ${list} from (
        select * from generations
        where user_id between ${userId}::uuid and ${userId}::uuid and erased_at is null
          ${only(source === undefined ? undefined : sql`and surface between ${source} and ${source}`)}
          ${only(kind === undefined ? undefined : sql`and ${generator} = ${kind}`)}
          ${only(delivered ? sql`and state = 'delivered'` : undefined)}
          ${only(before === undefined ? undefined : sql`and id < ${before}::uuid`)}
        order by ${order} limit ${limit + 1} offset ${(page - 1) * limit}) generations
      left join api_progress on ${isProgressOf}
      order by generations.id desc`,
  )
  const items = await Promise.all(rows.slice(0, limit).map((row) => placed(core, row)))
  return { items, more: rows.length > limit }
}

const isProgressOf = eq(apiProgress.generationId, generations.id)

/** Pixels of the first picture, else as requested. null: those of an input picture, and nothing is drawn yet. */
export function pixelsOf({ pictures: [picture], request }: Outcome): { width: number | null; height: number | null } {
  const { width, height } = picture ?? request
  return { width: width || null, height: height || null }
}

/** null: it does not wait. */
export function placeOf(
  core: Core,
  { state, near, ...queued }: Queued & { state: GenerationState; near: number | null },
): Promise<number> | number | null {
  return state === 'queued' ? (near ?? core.expectations.placeOf(queued)) : null
}

const placed = async (core: Core, row: OutcomeRow) => asOutcome(row, await placeOf(core, row))
