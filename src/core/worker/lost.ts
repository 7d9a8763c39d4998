/** How long to wait for news of a submission that was not answered. */
import { sql } from 'drizzle-orm'
import type { Core } from '../core.ts'
import type { AppError } from '../errors.ts'
import { type Generation, submittedSince } from '../generation/row.ts'

/** Time in which a stopped or disconnected worker may still receive the provider's answer. */
const lateMs = 20_000
/** A webhook arrives with the result, so the wait is this many times the slowest requests of the route. */
const slowestTimes = 3
/** Assumed for the slowest requests of a route that has served too few. */
const unknownSlowestMs = 20_000
const fewest = 5
/** Newest requests that are considered, so that the cost does not grow with the history. */
const recentRequests = 1_000

/** Milliseconds left to wait. 0: do not wait, because no news can arrive. Negative: the time has passed. */
export async function newsLeftMs(core: Core, generation: Generation, error: AppError): Promise<number> {
  if (error.kind !== 'unresolved' || generation.ticket !== null) return 0
  // this attempt's submission has failed, so no answer to it can arrive
  if (error.final && !generation.submittedBefore) return 0
  const limitMs = error.final ? lateMs : Math.max(lateMs, slowestTimes * (await slowestMs(core, generation)))
  return Math.min(limitMs, core.limits.lostMs) - submittedSince(generation)
}

/** The 95th percentile, from submission to stored picture. */
async function slowestMs(core: Core, { provider, endpoint }: Generation): Promise<number> {
  // unchecked row: an aggregate over a subquery, no column
  const [row] = await core.database.rows<{ ms: number | null; served: number }>(sql`
    select count(*)::int as served,
      (percentile_cont(0.95) within group (order by extract(epoch from stored_at - submit_at)) * 1000)::float8 as ms
    from (
      select provider, endpoint, submit_at, stored_at from generations order by id desc limit ${recentRequests}) recent
    where provider = ${provider} and endpoint = ${endpoint} and stored_at > submit_at`)
  return row?.ms && row.served >= fewest ? row.ms : unknownSlowestMs
}
