/** The generations that this process works on. It renews their leases, and aborts work on those that it has lost. */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows } from '../../db/columns.ts'
import { generations } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import { type Fence, type Generation, leaseMs, milliseconds, wakeMs } from '../generation/row.ts'

export interface Leases {
  /** `lost` aborts when the generation is no longer ours. Call `done` when the work is over. */
  hold(generation: Generation): { lost: AbortSignal; done: () => void }
  stop(): void
}

export function keepLeases(core: Core): Leases {
  const held = new Map<string, { attempt: number; lost: AbortController }>()
  let renewing = false
  const timer = setInterval(renew, leaseMs / 3)
  timer.unref()

  async function renew() {
    if (renewing || held.size === 0) return
    renewing = true
    const asked = [...held].map(([id, { attempt }]) => ({ id, attempt }))
    try {
      const ours = new Set(await renewLeases(core, asked))
      for (const { id, attempt } of asked) {
        const current = held.get(id)
        if (!ours.has(id) && current?.attempt === attempt) current.lost.abort(new Error('another worker has it'))
      }
    } catch (error) {
      // the fence protects the row until the next round
      core.log.warn({ err: error }, 'could not renew leases; retrying')
    }
    renewing = false
  }

  return {
    hold({ id, attempt }) {
      const lost = new AbortController()
      held.set(id, { attempt, lost })
      return {
        lost: lost.signal,
        done: () => {
          if (held.get(id)?.attempt === attempt) held.delete(id)
        },
      }
    },
    stop: () => clearInterval(timer),
  }
}

const heldColumns = columnsOf({ id: generations.id }, 'g')

/**
 * Resolves to the ids that this process still has. Locks the rows in the order of their ids, as the statements of batches do. The array
 * shows the planner how few there are.
 */
export async function renewLeases(core: Core, held: readonly Fence[]): Promise<string[]> {
  const rows = await readRows(
    core.database,
    heldColumns,
    (list) => sql`
    with ours as (
      select generations.id from generations
      join jsonb_to_recordset(${JSON.stringify(held)}::jsonb) as h(id uuid, attempt int) on generations.id = h.id
      where generations.id = any(${`{${held.map(({ id }) => id)}}`}::uuid[]) and generations.attempt = h.attempt and ended_at is null
      order by generations.id for no key update of generations)
    update generations g set lease_until = now() + ${milliseconds(leaseMs)}, wake_at = now() + ${milliseconds(wakeMs)}
    from ours where g.id = ours.id returning ${list}`,
  )
  return rows.map(({ id }) => id)
}
