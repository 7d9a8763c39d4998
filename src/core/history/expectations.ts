/** Measurements from which waiting times are estimated. They are read from time to time and shared by all requests. */
import { sql } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import type { Route } from '../ports/models.ts'

export interface Expectations {
  /** Median of the seconds that recent requests took from their start to the stored pictures. undefined: there were none on this route. */
  usual(asked: Pick<Route, 'provider' | 'endpoint'> & { model: string }): Promise<number | undefined>
  /** Requests in a provider's queue with this priority or a better one. A new one is drawn after them. */
  queued(lane: string, priority: number): Promise<number>
  /** Seconds that those requests take one after the other. Routes that were not measured count as the provider's others do. */
  secondsOfWork(lane: string, priority: number): Promise<number>
}

/** Only the newest requests of all accounts count, so that the cost does not grow with the history. */
const recentRequests = 500
const usualMs = 15_000
const queuedMs = 1_000

export function createExpectations(database: Pick<Database, 'rows'>): Expectations {
  const usual = kept(usualMs, () => readUsual(database))
  const queued = kept(queuedMs, () => readQueued(database))
  return {
    async usual({ model, provider, endpoint }) {
      const name = nameOf({ model, provider, endpoint })
      // the first request of a route may have been drawn since
      return (await usual()).get(name) ?? (await usual('anew')).get(name)
    },
    queued: async (lane, priority) => countOf(ahead(await queued(), lane, priority)),
    async secondsOfWork(lane, priority) {
      const waiting = ahead(await queued(), lane, priority)
      if (waiting.length === 0) return 0
      const times = await usual()
      const measured = waiting.filter((each) => times.has(nameOf(each)))
      if (measured.length === 0) return 0
      const seconds = measured.reduce((sum, each) => sum + each.count * (times.get(nameOf(each)) ?? 0), 0)
      return (seconds * countOf(waiting)) / countOf(measured)
    },
  }
}

const countOf = (queued: readonly Queued[]) => queued.reduce((sum, { count }) => sum + count, 0)

const ahead = (queued: readonly Queued[], lane: string, priority: number) =>
  queued.filter((each) => each.provider === lane && each.priority <= priority)

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

interface Queued {
  provider: string
  model: string
  endpoint: string
  priority: number
  count: number
}

function readQueued(database: Pick<Database, 'rows'>): Promise<Queued[]> {
  // unchecked row: an aggregate
  return database.rows<Queued>(sql`
    select provider, model, endpoint, priority, count(*)::int as count from generations where state = 'queued'
    group by provider, model, endpoint, priority`)
}
