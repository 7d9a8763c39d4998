/** Requests that wait and requests that are being drawn: counts for a lane, and lists for an account. */

import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import type { Database } from '../../db/database.ts'
import { generations } from '../../db/schema/generations.ts'
import { apiProgress } from '../../db/schema/programs.ts'
import type { Core } from '../core.ts'
import { lowestIdAt } from '../ids.ts'
import type { PictureRequest } from '../ports/models.ts'
import { longestDeadlineMs } from '../providers/deadline.ts'
import { placeOf } from './outcome.ts'
import { nearPlace } from './outcome-columns.ts'

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

const ownQueuedColumns = columnsOf({
  id: generations.id,
  model: generations.model,
  provider: generations.provider,
  priority: generations.priority,
  near: typed<number | null>(nearPlace),
  createdAt: generations.createdAt,
})

/** More than there are providers. Without a limit the planner expects a hundred lanes, and compiles the statement, which takes 50 ms. */
const mostLanes = 20
/** Requests that a lane draws are first in line, too. If it draws more, the list for admins is shorter. */
const mostDrawn = 300

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
    .where(sql`ended_at is null and ${generations.provider} = ${lane}`)
  return counts ?? { running: 0, pending: 0 }
}

/** By their places, over all lanes. `userId` null: of any account, for admins. */
export async function queuedRequests(core: Core, userId: string | null, limit: number): Promise<QueuedRequest[]> {
  const rows = await (userId === null ? firstOfLanes(core, limit) : firstOf(core, userId, limit))
  return rows.sort((one, other) => one.position - other.position)
}

async function firstOf(core: Core, userId: string, limit: number): Promise<QueuedRequest[]> {
  const rows = await readRows(
    core.database,
    ownQueuedColumns,
    (list) => sql`
      select ${list} from generations
      where generations.user_id = ${userId}::uuid and generations.id > ${oldestUnfinished(core)}::uuid
        and generations.state = 'queued'
      order by generations.priority, generations.id limit ${limit}`,
  )
  return Promise.all(
    rows.map(async ({ priority, near, ...row }) => {
      return { ...row, position: (await placeOf(core, { ...row, state: 'queued', priority, near })) ?? 1 }
    }),
  )
}

/** Goes from lane to lane, since reading all that waits costs more the longer the queues are. */
function firstOfLanes(core: Core, limit: number): Promise<QueuedRequest[]> {
  return readRows(
    core.database,
    queuedColumns,
    (list) => sql`
      with recursive lane(name) as (
        (select provider from generations where ended_at is null order by provider limit 1)
        union all
        select (select provider from generations where ended_at is null and provider > lane.name order by provider limit 1)
        from lane where lane.name is not null)
      select ${list} from (select name from lane limit ${mostLanes}) lane cross join lateral (
        select line.*, (count(*) filter (where state = 'queued') over (order by priority, id))::int as position from (
          select id, state, model, provider, priority, created_at from generations
          where provider = lane.name and ended_at is null
          order by priority, id limit ${limit + mostDrawn}) line) places
      where state = 'queued' order by position, id limit ${limit}`,
  )
}

/** The longest running first. `userId` null: of any account, for admins. */
export function runningRequests(core: Core, userId: string | null, limit: number): Promise<RunningRequest[]> {
  return readRows(
    core.database,
    runningColumns,
    (list) => sql`
      select ${list} from generations left join api_progress on api_progress.generation_id = generations.id
      where generations.ended_at is null and generations.state in ('running','stored')
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
  priority: generations.priority,
  near: typed<number | null>(nearPlace),
  /** Seconds since a worker first took the request up. */
  elapsed: typed<number | null>(sql`extract(epoch from now() - generations.started_at)::float8`),
})

export type OwnRequest = Omit<NonNullable<(typeof ownColumns)['row']>, 'priority' | 'near'> & {
  /** Place in its provider's queue, from 1; null once it is being drawn. */
  place: number | null
}

/** Requests of an account under way, newest first. */
export async function requestsUnderWay(core: Core, userId: string, limit: number): Promise<OwnRequest[]> {
  const rows = await readRows(
    core.database,
    ownColumns,
    (list) => sql`
      select ${list} from generations left join api_progress on api_progress.generation_id = generations.id
      where generations.user_id = ${userId}::uuid and generations.id > ${oldestUnfinished(core)}::uuid
        and generations.state in ('queued','running','stored')
      order by generations.id desc limit ${limit}`,
  )
  return Promise.all(
    rows.map(async ({ priority, near, ...row }) => {
      return { ...row, place: await placeOf(core, { ...row, priority, near }) }
    }),
  )
}

/** Every request has ended this long after its deadline, with a margin. */
const afterDeadlineMs = 10 * 60_000

/** Requests with lower ids have ended: lists of an account need not look further back. */
export const oldestUnfinished = (core: Pick<Core, 'limits'>): string =>
  lowestIdAt(Date.now() - longestDeadlineMs(core) - afterDeadlineMs)

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
    select ${list} from generations where ended_at is null group by provider, state`,
  )
}
