/** Requests that wait and requests that are being drawn: counts for a lane, and lists for an account. */

import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import type { Database } from '../../db/database.ts'
import { generations } from '../../db/schema/generations.ts'
import { apiProgress } from '../../db/schema/programs.ts'
import type { Core } from '../core.ts'
import { lowestIdAt } from '../ids.ts'
import type { PictureRequest } from '../ports/models.ts'
import { placeInQueue } from './outcome-columns.ts'

const queuedColumns = columnsOf(
  {
    id: generations.id,
    model: generations.model,
    provider: generations.provider,
    /** Place in its provider's queue, from 1. */
    position: typed<number>(sql`position`),
    createdAt: generations.createdAt,
  },
  '',
)

export type QueuedRequest = NonNullable<(typeof queuedColumns)['row']>

const runningColumns = columnsOf({
  id: generations.id,
  model: generations.model,
  provider: generations.provider,
  percent: typed<number | null>(apiProgress.percent),
  createdAt: generations.createdAt,
  startedAt: generations.startedAt,
})

export type RunningRequest = NonNullable<(typeof runningColumns)['row']>

/** Requests of all accounts in a provider's lane. */
export async function countIn(core: Core, lane: string): Promise<{ running: number; pending: number }> {
  const [counts] = await core.database.db
    .select({
      running: sql<number>`(count(*) filter (where state <> 'queued'))::int`,
      pending: sql<number>`(count(*) filter (where state = 'queued'))::int`,
    })
    .from(generations)
    .where(sql`state in ('queued','running','stored') and ${generations.provider} = ${lane}`)
  return counts ?? { running: 0, pending: 0 }
}

/** In the order in which they will be drawn, over all lanes. `userId` null: of any account, for admins. */
export function queuedRequests(core: Core, userId: string | null, limit: number): Promise<QueuedRequest[]> {
  return readRows(
    core.database,
    queuedColumns,
    (list) => sql`
      select ${list} from (
        select *, row_number() over (partition by provider order by priority, id)::int as position
        from generations where state = 'queued') queued
      where ${userId}::uuid is null or user_id = ${userId}::uuid
      order by position, id limit ${limit}`,
  )
}

/** The longest running first. `userId` null: of any account, for admins. */
export function runningRequests(core: Core, userId: string | null, limit: number): Promise<RunningRequest[]> {
  return readRows(
    core.database,
    runningColumns,
    (list) => sql`
      select ${list} from generations left join api_progress on api_progress.generation_id = generations.id
      where generations.state in ('running','stored')
        and (${userId}::uuid is null or generations.user_id = ${userId}::uuid)
      order by generations.started_at, generations.id limit ${limit}`,
  )
}

const ownColumns = columnsOf({
  id: generations.id,
  model: generations.model,
  provider: generations.provider,
  endpoint: generations.endpoint,
  state: generations.state,
  request: typed<PictureRequest>(generations.request),
  private: generations.private,
  percent: typed<number | null>(apiProgress.percent),
  /** Place in its provider's queue, from 1; null once it is being drawn. */
  place: typed<number | null>(placeInQueue),
  /** Seconds since a worker first took the request up. */
  elapsed: typed<number | null>(sql`extract(epoch from now() - generations.started_at)::float8`),
})

export type OwnRequest = NonNullable<(typeof ownColumns)['row']>

/** Requests of an account under way, newest first. */
export function requestsUnderWay(core: Core, userId: string, limit: number): Promise<OwnRequest[]> {
  return readRows(
    core.database,
    ownColumns,
    (list) => sql`
      select ${list} from generations left join api_progress on api_progress.generation_id = generations.id
      where generations.user_id = ${userId}::uuid and generations.id > ${oldestUnfinished(core)}::uuid
        and generations.state in ('queued','running','stored')
      order by generations.id desc limit ${limit}`,
  )
}

/** Every request has ended this long after its deadline, with a margin. */
const afterDeadlineMs = 10 * 60_000

/** Requests with lower ids have ended: lists of an account need not look further back. */
export const oldestUnfinished = ({ limits }: Pick<Core, 'limits'>): string =>
  lowestIdAt(Date.now() - limits.deadlineMs - afterDeadlineMs)

const loadColumns = columnsOf({
  provider: generations.provider,
  state: generations.state,
  count: typed<number>(sql`count(*)::int`),
  /** Credits held. */
  price: typed<number>(sql`sum(price)::int`),
  /** Since the oldest of them was accepted. */
  oldestSeconds: typed<number>(sql`extract(epoch from now() - min(created_at))::float8`),
})

/** Unfinished generations of all accounts, by provider and state. */
export function unfinishedLoad(database: Pick<Database, 'rows'>) {
  return readRows(
    database,
    loadColumns,
    (list) => sql`
    select ${list} from generations where state in ('queued','running','stored') group by provider, state`,
  )
}
