/** What became of a request, as a program sees it. */
import { sql } from 'drizzle-orm'
import type { GenerationState } from '../../db/schema.ts'
import type { Core } from '../core.ts'
import { AppError, asFinal, type ErrorData, type ErrorKind } from '../errors.ts'
import type { ImageType } from '../ports/images.ts'
import type { Note, PictureRequest } from '../ports/models.ts'

export interface Outcome {
  id: string
  state: GenerationState
  /** Name of the surface on which it was requested. */
  source: string
  model: string
  provider: string
  prompt: string
  /** The prompt that was sent, where it is not the sender's own. */
  enhanced: string | null
  notes: readonly Note[]
  request: PictureRequest
  seed: string | null
  /** Why it failed or was cancelled: for good. */
  error: AppError | undefined
  pictures: { key: string; type: ImageType; width: number; height: number; bytes: number }[]
  /** Place in its provider's queue, from 1; null once it is being drawn. */
  position: number | null
  percent: number | null
  createdAt: Date
  startedAt: Date | null
  endedAt: Date | null
  /** Charged so far: nothing while it is under way, or when it ended unserved. */
  credits: number
}

type Row = Omit<Outcome, 'prompt' | 'error' | 'notes'> & {
  notes: readonly Note[] | null
  error: ErrorKind | null
  errorData: ErrorData | null
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export const hasEnded = (state: GenerationState) => ['delivered', 'failed', 'cancelled'].includes(state)

/** Ids are the database's own type: anything else is nobody's. */
export const isId = (id: string) => uuid.test(id)

/** `userId` null: of any account, for admins. What was erased is not there. */
export async function outcomeOf(core: Core, userId: string | null, id: string): Promise<Outcome | undefined> {
  if (!isId(id)) return undefined
  const [row] = await core.database.rows<Row>(sql`
    select ${columns} from generations g left join api_progress p on p.generation_id = g.id
    where g.id = ${id}::uuid and (${userId}::uuid is null or g.user_id = ${userId}::uuid) and g.erased_at is null`)
  return row && asOutcome(row)
}

export interface PageOfOutcomes {
  userId: string
  /** From 1. */
  page: number
  /** Most on a page. */
  limit: number
  /** Name of a surface: only requests that were made there. Absent: all. */
  source?: string
  /** Only those older than this one. However far back, that costs the same; `page` costs what it skips. */
  before?: string
}

/** Newest first. `more`: there is another page. Ids are in the order of time, so an index has them in this order. */
export async function outcomes(
  core: Core,
  { userId, page, limit, source, before }: PageOfOutcomes,
): Promise<{ items: Outcome[]; more: boolean }> {
  const rows = await core.database.rows<Row>(sql`
    select ${columns} from (
      select * from generations
      where user_id = ${userId}::uuid and erased_at is null
        ${source === undefined ? sql`` : sql`and split_part(address, ':', 1) = ${source}`}
        ${before === undefined ? sql`` : sql`and id < ${before}::uuid`}
      order by id desc limit ${limit + 1} offset ${(page - 1) * limit}) g
    left join api_progress p on p.generation_id = g.id
    order by g.id desc`)
  return { items: rows.slice(0, limit).map(asOutcome), more: rows.length > limit }
}

/** Of the first picture, else as asked for. null: those of a picture that was sent, and nothing is drawn yet. */
export function pixelsOf({ pictures: [picture], request }: Outcome): { width: number | null; height: number | null } {
  const { width, height } = picture ?? request
  return { width: width || null, height: height || null }
}

/** Of `generations g` and `api_progress p`. */
const columns = sql`
      g.id, g.state, g.model, g.provider, g.enhanced, g.notes, g.request, g.seed, g.error,
      g.error_data as "errorData", p.percent, g.created_at as "createdAt", case when g.state <> 'queued' then g.started_at end as "startedAt",
      g.ended_at as "endedAt", split_part(g.address, ':', 1) as source,
      case when g.state = 'queued' then (
        select count(*)::int from generations o
        where o.provider = g.provider and o.state = 'queued' and (o.priority, o.id) <= (g.priority, g.id)) end as position,
      case when g.ended_at is null then 0 else coalesce(
        (select -sum(l.amount)::int from ledger l where l.generation_id = g.id), 0) end as credits,
      case when g.state <> 'delivered' then '[]' else coalesce((
        select jsonb_agg(jsonb_build_object('key', i.key, 'type', i.type, 'width', i.width, 'height', i.height,
          'bytes', i.bytes) order by i.position)
        from images i where i.generation_id = g.id and i.role = 'output'), '[]') end as pictures`

function asOutcome(row: Row): Outcome {
  const { error, errorData, notes, ...rest } = row
  return { ...rest, prompt: row.request.prompt, notes: notes ?? [], error: errorOf(row) }
}

/** A failure that is decided but not yet settled is not said: the credits are still put aside. */
function errorOf({ state, error, errorData }: Row): AppError | undefined {
  if (state === 'cancelled') return asFinal(new AppError('cancelled'))
  return state === 'failed' ? asFinal(new AppError(error ?? 'internal', errorData ?? {})) : undefined
}
