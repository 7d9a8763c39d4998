/** Which lanes (providers' queues) a worker serves. Workers record it in the database, since their settings may differ. */
import { inArray, sql } from 'drizzle-orm'
import { servedLanes } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'

export interface Lanes {
  /** Records the lanes of this worker, unless it did so lately. */
  record(): Promise<void>
  /** Those of the given lanes that no worker has served for a while. */
  abandoned(lanes: readonly string[]): Promise<ReadonlySet<string>>
}

const recordEveryMs = 10_000

export function createLanes(core: Core): Lanes {
  const since = Date.now()
  let recordedAt = 0

  return {
    async record() {
      if (Date.now() - recordedAt < recordEveryMs) return
      recordedAt = Date.now()
      const lanes = core.providers.all().map(({ provider }) => provider.name)
      await core.database.rows(sql`
        insert into served_lanes (lane, served_at)
        select lane, now() from jsonb_array_elements_text(${JSON.stringify(lanes)}::jsonb) lane
        on conflict (lane) do update set served_at = excluded.served_at`)
    },
    async abandoned(lanes) {
      const unserved = [...new Set(lanes)].filter((lane) => !core.providers.get(lane))
      // a worker that has just started does not know yet which others there are
      if (unserved.length === 0 || Date.now() - since < core.limits.goneMs) return new Set()
      const served = await core.database.db
        .select({ lane: servedLanes.lane })
        .from(servedLanes)
        .where(
          sql`${inArray(servedLanes.lane, unserved)}
            and ${servedLanes.servedAt} > now() - ${`${core.limits.goneMs} milliseconds`}::interval`,
        )
      return new Set(unserved.filter((lane) => !served.some((each) => each.lane === lane)))
    },
  }
}
