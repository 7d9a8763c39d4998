/** How long a request will still take, judged by what was drawn lately. */
import { sql } from 'drizzle-orm'
import type { Core } from '../core.ts'
import { hasEnded, type Outcome } from './outcome.ts'

/** Looked at: of everybody's, newest first, so that this costs the same however many there are. */
const lately = 500

/** Whole seconds, at least 1; null when it is over, or nothing like it was drawn lately. */
export async function estimateOf(core: Core, outcome: Outcome): Promise<number | null> {
  const { model, provider, state, position, percent, startedAt } = outcome
  if (hasEnded(state)) return null
  const [row] = await core.database.rows<{ usual: number | null }>(sql`
    select percentile_cont(0.5) within group (order by extract(epoch from stored_at - started_at))::float8 as usual
    from (select model, started_at, stored_at from generations order by id desc limit ${lately}) recent
    where model = ${model} and stored_at is not null and started_at is not null`)
  const usual = row?.usual ?? null
  const elapsed = startedAt === null ? 0 : (Date.now() - startedAt.getTime()) / 1000
  if (state !== 'queued' && percent !== null && percent >= 10) return whole((elapsed * (100 - percent)) / percent)
  if (usual === null) return null
  const places = core.providers.get(provider)?.settings.concurrency ?? 1
  const rounds = state === 'queued' ? Math.ceil((position ?? 1) / places) : 1
  return whole(rounds * usual - (state === 'queued' ? 0 : elapsed))
}

const whole = (seconds: number) => Math.max(1, Math.ceil(seconds))
