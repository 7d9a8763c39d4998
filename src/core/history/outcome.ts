/** How a request stands or ended, as programs and the history see it. */
import { eq, type SQL, sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { type GenerationState, generations } from '../../db/schema/generations.ts'
import { apiProgress } from '../../db/schema/programs.ts'
import { heirOf } from '../accounts/accounts.ts'
import type { Core } from '../core.ts'
import { AppError, asFinal, type ErrorData, type ErrorKind } from '../errors.ts'
import { isId } from '../ids.ts'
import type { ImageType } from '../ports/images.ts'
import type { Note, PictureRequest } from '../ports/models.ts'
import { generator } from './generator.ts'

export interface OutcomePicture {
  key: string
  type: ImageType
  width: number
  height: number
  bytes: number
}

export const placeInQueue = sql`case when generations.state = 'queued' then (
  select count(*)::int from generations o
  where o.provider = generations.provider and o.state = 'queued'
    and (o.priority, o.id) <= (generations.priority, generations.id)) end`

const columns = columnsOf({
  id: generations.id,
  state: generations.state,
  /** Name of the surface where the request was made. */
  source: generations.surface,
  /** The kind of its model. */
  generator: typed<string>(generator),
  userId: generations.userId,
  /** How many times a worker started it. */
  attempt: generations.attempt,
  model: generations.model,
  provider: generations.provider,
  endpoint: generations.endpoint,
  /** The prompt that was submitted, where it is not the person's own. */
  enhanced: generations.enhanced,
  request: typed<PictureRequest>(generations.request),
  private: generations.private,
  seed: generations.seed,
  /** Credits that were held for it. */
  price: generations.price,
  createdAt: generations.createdAt,
  endedAt: generations.endedAt,
  notes: typed<readonly Note[] | null>(generations.notes),
  error: typed<ErrorKind | null>(generations.error),
  errorData: typed<ErrorData | null>(generations.errorData),
  percent: typed<number | null>(apiProgress.percent),
  /** When a worker first took it up. */
  startedAt: typed<Date | null>(sql`case when generations.state <> 'queued' then generations.started_at end`),
  /** Place in its provider's queue, from 1; null once it is being drawn. */
  position: typed<number | null>(placeInQueue),
  /** Charged so far: nothing while it is under way, or when it ended without pictures. */
  credits: typed<number>(sql`case when generations.ended_at is null then 0 else coalesce(
    (select -sum(l.amount)::int from ledger l where l.generation_id = generations.id), 0) end`),
  /** Keys of the input pictures. */
  inputs: typed<string[]>(sql`coalesce((select jsonb_agg(i.key order by i.position)
    from images i where i.generation_id = generations.id and i.role = 'input'), '[]')`),
  pictures: typed<OutcomePicture[]>(sql`case when generations.state <> 'delivered' then '[]' else coalesce((
    select jsonb_agg(jsonb_build_object('key', i.key, 'type', i.type, 'width', i.width, 'height', i.height,
      'bytes', i.bytes) order by i.position)
    from images i where i.generation_id = generations.id and i.role = 'output'), '[]') end`),
})

type Row = NonNullable<(typeof columns)['row']>

export type Outcome = Omit<Row, 'error' | 'errorData' | 'notes'> & {
  prompt: string
  notes: readonly Note[]
  /** Why it failed or was cancelled. Final. */
  error: AppError | undefined
}

export const hasEnded = (state: GenerationState) => ['delivered', 'failed', 'cancelled'].includes(state)

/** Whether its pictures were deleted because of their age (media/retention.ts). */
export const isExpired = ({ state, pictures }: Pick<Outcome, 'state' | 'pictures'>) =>
  state === 'delivered' && pictures.length === 0

/** undefined: no such request, or it was erased. `userId` null: of any account, for admins; it may have been joined with another since. */
export async function outcomeOf(core: Core, userId: string | null, id: string): Promise<Outcome | undefined> {
  if (!isId(id)) return undefined
  const [row] = await readRows(
    core.database,
    columns,
    (list) => sql`
      select ${list} from generations left join api_progress on ${isProgressOf}
      where ${eq(generations.id, id)} and (${userId}::uuid is null or generations.user_id = ${ownerNow(userId)})
        and generations.erased_at is null`,
  )
  return row && asOutcome(row)
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
    columns,
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
  return { items: rows.slice(0, limit).map(asOutcome), more: rows.length > limit }
}

const isProgressOf = eq(apiProgress.generationId, generations.id)

/** Pixels of the first picture, else as requested. null: those of an input picture, and nothing is drawn yet. */
export function pixelsOf({ pictures: [picture], request }: Outcome): { width: number | null; height: number | null } {
  const { width, height } = picture ?? request
  return { width: width || null, height: height || null }
}

function asOutcome(row: Row): Outcome {
  const { error, errorData, notes, ...rest } = row
  return { ...rest, prompt: row.request.prompt, notes: notes ?? [], error: errorOf(row) }
}

/** A failure that is decided but not yet settled is not shown: its credits are still on hold. */
function errorOf({ state, error, errorData }: Row): AppError | undefined {
  if (state === 'cancelled')
    return asFinal(error === 'banned' ? new AppError(error, errorData ?? {}) : new AppError('cancelled'))
  return state === 'failed' ? asFinal(new AppError(error ?? 'internal', errorData ?? {})) : undefined
}
