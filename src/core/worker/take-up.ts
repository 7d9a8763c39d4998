/** Takes a generation for a worker, in one statement for all that start at the same time. */
import { type SQL, sql } from 'drizzle-orm'
import { inBatches, rowsOfCalls } from '../../db/batches.ts'
import { readRows } from '../../db/columns.ts'
import type { Core } from '../core.ts'
import { type Generation, generationColumns, leaseMs, milliseconds, minLeftMs, wakeMs } from '../generation/row.ts'

type Row = NonNullable<(typeof generationColumns)['row']>

/** Takes the generation for this worker, with a new attempt number as its fence. 'over': it has ended. */
export async function takeUp(core: Core, id: string): Promise<Generation | 'over' | { retryInMs: number }> {
  const row = await take(core, id)
  if (row) return { ...row, takenAt: Date.now() }
  // unchecked row: an expression, no column
  const [other] = await core.database.rows<{ waitMs: number }>(sql`
    select greatest(50, (extract(epoch from lease_until - now()) * 1000))::float8 as "waitMs" from generations
    where id = ${id} and state in ('queued','running','stored')`)
  return other ? { retryInMs: Math.ceil(Number(other.waitMs)) } : 'over'
}

/** undefined: it has ended, another worker has it, or its row is locked. */
const take = inBatches<Core, string, Row | undefined>({
  keyOf: (id) => id,
  async run(core, ids) {
    const calls = ids.map((id) => ({ id }))
    const rows = await readRows(
      core.database,
      generationColumns,
      (list) => sql`
        with calls as (${rowsOfCalls(calls, sql`id uuid`)}),
        before as (
          select generations.id, submit_at, ${isReady(core)} as ready from calls join generations on generations.id = calls.id
          where state in ('queued','running','stored') and (lease_until is null or lease_until <= now())
          order by generations.id for no key update of generations skip locked)
        update generations set attempt = attempt + 1, state = case state when 'queued' then 'running' else state end,
          started_at = coalesce(started_at, now()), submit_at = case when before.ready then now() else generations.submit_at end,
          lease_until = now() + ${milliseconds(leaseMs)}, wake_at = now() + ${milliseconds(wakeMs)}
        from before where generations.id = before.id
        returning ${list}`,
    )
    return ids.map((id) => rows.find((row) => row.id === id))
  },
})

/** Whether the submission follows the take-up at once: then that saves the intent as well. A repeatable provider needs none. */
function isReady({ providers }: Core): SQL {
  const once = providers.all().filter(({ provider }) => !provider.repeatable)
  return sql`(state = 'queued' and submit_at is null and ticket is null and error is null
    and ${JSON.stringify(once.map(({ provider }) => provider.name))}::jsonb @> to_jsonb(provider)
    and (request->>'images')::int = 0 and (enhanced is not null or coalesce(request->>'enhance', 'false') = 'false')
    and deadline_at > now() + ${milliseconds(minLeftMs)})`
}
