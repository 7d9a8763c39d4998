/** Measurements from which waiting times are estimated. They are read from time to time and shared by all requests. */
import { sql } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import type { Route } from '../ports/models.ts'

export interface Expectations {
  /** Median of the seconds that recent requests took from their start to the stored pictures. undefined: there were none on this route. */
  usual(asked: Pick<Route, 'provider' | 'endpoint'> & { model: string }): Promise<number | undefined>
  /**
   * Requests in a provider's queue with this priority or a better one, and those that it draws. Called once for each request that was
   * accepted, which is counted as well.
   */
  before(lane: string, priority: number): Promise<{ queued: number; running: number }>
  /**
   * Seconds that the requests in a provider's queue with this priority or a better one take, one after the other. Routes that were not
   * measured count as the provider's others do.
   */
  secondsOfWork(lane: string, priority: number): Promise<number>
  /** Place in its provider's queue, from 1, as it was a second ago. */
  placeOf(request: Queued): Promise<number>
}

/** A request that waits. */
export interface Queued {
  id: string
  provider: string
  priority: number
}

/** Only the newest requests of all accounts count, so that the cost does not grow with the history. */
const recentRequests = 500
const usualMs = 15_000
const loadMs = 1_000

export function createExpectations(database: Pick<Database, 'rows'>): Expectations {
  const usual = kept(usualMs, () => readUsual(database))
  const load = kept(loadMs, () => readLoad(database))
  const lines = kept(loadMs, () => readLines(database))
  return {
    async usual({ model, provider, endpoint }) {
      const name = nameOf({ model, provider, endpoint })
      // the first request of a route may have been drawn since
      return (await usual()).get(name) ?? (await usual('anew')).get(name)
    },
    async before(lane, priority) {
      const since = performance.now()
      const { rows, readAt, callers } = await load()
      // a request that was accepted before the reading is among the rows
      if (readAt < since) callers.push({ provider: lane, priority })
      const running = rows.filter(({ provider, state }) => provider === lane && state === 'running')
      const later = callers.filter((each) => each.provider === lane && each.priority <= priority)
      return { queued: countOf(ahead(rows, lane, priority)) + later.length, running: countOf(running) }
    },
    async secondsOfWork(lane, priority) {
      const waiting = ahead((await load()).rows, lane, priority)
      if (waiting.length === 0) return 0
      const times = await usual()
      const measured = waiting.filter((each) => times.has(nameOf(each)))
      if (measured.length === 0) return 0
      const seconds = measured.reduce((sum, each) => sum + each.count * (times.get(nameOf(each)) ?? 0), 0)
      return (seconds * countOf(waiting)) / countOf(measured)
    },
    async placeOf({ id, provider, priority }) {
      const inLane = (await lines()).filter((line) => line.provider === provider && line.priority <= priority)
      let place = 1
      for (const { priority: its, ids, started } of inLane) {
        place += (its < priority ? ids.length : firstNotBelow(ids, id)) - started
      }
      return Math.max(1, place)
    },
  }
}

const countOf = (rows: readonly Counted[]) => rows.reduce((sum, { count }) => sum + count, 0)

const ahead = (rows: readonly Counted[], lane: string, priority: number) =>
  rows.filter((each) => each.state === 'queued' && each.provider === lane && each.priority <= priority)

/** Keeps what was read for `ms`. A failed reading is not kept. */
function kept<T>(ms: number, read: () => Promise<T>): (when?: 'anew') => Promise<T> {
  let last: { until: number; value: Promise<T> } | undefined
  return (when) => {
    if (last && Date.now() < last.until && when !== 'anew') return last.value
    const value = read()
    last = { until: Date.now() + ms, value }
    value.catch(() => {
      last = undefined
    })
    return value
  }
}

interface Usual {
  model: string
  provider: string
  endpoint: string
  seconds: number
}

const nameOf = ({ model, provider, endpoint }: Omit<Usual, 'seconds'>) => `${model} ${provider} ${endpoint}`

async function readUsual(database: Pick<Database, 'rows'>): Promise<Map<string, number>> {
  // unchecked row: an aggregate over a subquery, no column
  const rows = await database.rows<Usual>(sql`
    select model, provider, endpoint,
      percentile_cont(0.5) within group (order by extract(epoch from stored_at - started_at))::float8 as seconds
    from (
      select model, provider, endpoint, started_at, stored_at from generations order by id desc limit ${recentRequests}) recent
    where stored_at is not null and started_at is not null group by model, provider, endpoint`)
  return new Map(rows.map((row) => [nameOf(row), row.seconds]))
}

interface Counted {
  provider: string
  model: string
  endpoint: string
  state: 'queued' | 'running' | 'stored'
  priority: number
  count: number
}

interface Load {
  rows: readonly Counted[]
  /** Milliseconds, as `performance.now` has them. */
  readAt: number
  /** Requests that were accepted since. */
  callers: Pick<Counted, 'provider' | 'priority'>[]
}

async function readLoad(database: Pick<Database, 'rows'>): Promise<Load> {
  const readAt = performance.now()
  // unchecked row: an aggregate
  const rows = await database.rows<Counted>(sql`
    select provider, model, endpoint, state, priority, count(*)::int as count from generations
    where ended_at is null group by provider, model, endpoint, state, priority`)
  return { rows, readAt, callers: [] }
}

/** Unfinished requests of a lane with the same priority. */
interface Line {
  provider: string
  priority: number
  /** Sorted. */
  ids: readonly string[]
  /** How many of them are being drawn. */
  started: number
}

async function readLines(database: Pick<Database, 'rows'>): Promise<Line[]> {
  const [rows, drawn] = await Promise.all([
    // unchecked row: an aggregate, of which the index has all
    database.rows<{ provider: string; priority: number; ids: string }>(sql`
      select provider, priority, string_agg(id::text, ' ' order by id) as ids from generations
      where ended_at is null group by provider, priority`),
    // unchecked row: an aggregate
    database.rows<{ provider: string; priority: number; count: number }>(sql`
      select provider, priority, count(*)::int as count from generations
      where ended_at is null and state <> 'queued' group by provider, priority`),
  ])
  return rows.map(({ ids, ...line }) => {
    const started = drawn.find(({ provider, priority }) => provider === line.provider && priority === line.priority)
    return { ...line, ids: ids.split(' '), started: started?.count ?? 0 }
  })
}

/** Index of the first of the sorted values that is not below this one. */
function firstNotBelow(sorted: readonly string[], value: string): number {
  let [from, to] = [0, sorted.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if ((sorted[middle] ?? '') < value) from = middle + 1
    else to = middle
  }
  return from
}
