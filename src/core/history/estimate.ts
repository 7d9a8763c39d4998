/** How long a request will still take, by how long recent ones took. */
import { sql } from 'drizzle-orm'
import type { Core } from '../core.ts'
import { hasEnded, type Outcome } from './outcome.ts'

/** Newest requests of all accounts that are considered, so that the cost does not grow with the history. */
const recentRequests = 500

/** Whole seconds, at least 1. null: it has ended, or no recent request used the same model. */
export async function estimateOf(core: Core, outcome: Outcome): Promise<number | null> {
  const { model, provider, state, position, percent, startedAt } = outcome
  if (hasEnded(state)) return null
  // unchecked row: an aggregate over a subquery, no column
  const [row] = await core.database.rows<{ usual: number | null }>(sql`
    select percentile_cont(0.5) within group (order by extract(epoch from stored_at - started_at))::float8 as usual
    from (select model, started_at, stored_at from generations order by id desc limit ${recentRequests}) recent
    where model = ${model} and stored_at is not null and started_at is not null`)
  const usual = row?.usual ?? null
  const elapsed = startedAt === null ? 0 : (Date.now() - startedAt.getTime()) / 1000
  if (state !== 'queued' && percent !== null && percent >= 10) {
    return wholeSeconds((elapsed * (100 - percent)) / percent)
  }
  if (usual === null) return null
  const slots = core.providers.get(provider)?.settings.concurrency ?? 1
  const rounds = state === 'queued' ? Math.ceil((position ?? 1) / slots) : 1
  return wholeSeconds(rounds * usual - (state === 'queued' ? 0 : elapsed))
}

const wholeSeconds = (seconds: number) => Math.max(1, Math.ceil(seconds))
