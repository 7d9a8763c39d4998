/** The columns of an outcome, and what they say. */
import { sql } from 'drizzle-orm'
import { columnsOf, typed } from '../../db/columns.ts'
import { generations } from '../../db/schema/generations.ts'
import { apiProgress } from '../../db/schema/programs.ts'
import { AppError, asFinal, type ErrorData, type ErrorKind } from '../errors.ts'
import type { ImageType } from '../ports/images.ts'
import type { Note, PictureRequest } from '../ports/models.ts'
import { generator } from './generator.ts'

interface OutcomePicture {
  key: string
  type: ImageType
  width: number
  height: number
  bytes: number
}

/** The most requests that a statement counts to find a place in the queue. `placeOf` finds places further back. */
const most = sql.raw('200')

/** Place in its provider's queue, from 1. null: it does not wait, or its place is too far behind to be counted each time. */
export const nearPlace = sql`case when generations.state = 'queued' then (
  select case when count(*) < ${most} then (count(*) filter (where line.state = 'queued'))::int end from (
    select o.state from generations o
    where o.provider = generations.provider and o.ended_at is null
      and (o.priority, o.id) <= (generations.priority, generations.id)
    order by o.priority, o.id limit ${most}) line) end`

/** Of a statement about `generations` and its `api_progress`. */
export const outcomeColumns = columnsOf({
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
  priority: generations.priority,
  near: typed<number | null>(nearPlace),
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

export type OutcomeRow = NonNullable<(typeof outcomeColumns)['row']>

export type Outcome = Omit<OutcomeRow, 'error' | 'errorData' | 'notes' | 'priority' | 'near'> & {
  prompt: string
  /** Place in its provider's queue, from 1; null once it is being drawn. */
  position: number | null
  notes: readonly Note[]
  /** Why it failed or was cancelled. Final. */
  error: AppError | undefined
}

export function asOutcome(row: OutcomeRow, position: number | null): Outcome {
  const { error, errorData, notes, priority, near, ...rest } = row
  return { ...rest, position, prompt: row.request.prompt, notes: notes ?? [], error: errorOf(row) }
}

/** A failure that is decided but not yet settled is not shown: its credits are still on hold. */
function errorOf({ state, error, errorData }: OutcomeRow): AppError | undefined {
  if (state === 'cancelled')
    return asFinal(error === 'banned' ? new AppError(error, errorData ?? {}) : new AppError('cancelled'))
  return state === 'failed' ? asFinal(new AppError(error ?? 'internal', errorData ?? {})) : undefined
}
