/** Wakes what the queue forgot, ends what is overdue, tells people their place. Any number of processes may sweep. */
import { sql } from 'drizzle-orm'
import type { Core } from './core.ts'
import type { Leases } from './leases.ts'
import { narrateQueue } from './narrate.ts'
import { perform } from './perform.ts'
import type { Job } from './ports.ts'

const everyMs = 1_000
/** Rows looked at in one round, and the pauses before the same row is looked at again: one in the queue, one cut short. */
const batch = 200
const queuedAgain = '15 seconds'
const resumedAgain = '2 seconds'

export interface Sweeper {
  stop(): Promise<void>
}

export function keepSweeping(core: Core, leases: Leases): Sweeper {
  const stopping = new AbortController()
  let round: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    if (!busy) round = run()
  }, everyMs)
  let busy = false

  async function run() {
    busy = true
    try {
      await sweep(core, leases, stopping.signal)
    } catch (error) {
      core.log.warn({ err: error }, 'a sweep failed; the next one tries again')
    }
    busy = false
  }

  return {
    stop: async () => {
      clearInterval(timer)
      stopping.abort()
      await round
    },
  }
}

export async function sweep(core: Core, leases: Leases, signal: AbortSignal): Promise<void> {
  const forgotten = await core.database.rows<Job & { overdue: boolean }>(sql`
    update generations
    set wake_at = now() + case state when 'queued' then ${queuedAgain} else ${resumedAgain} end::interval
    where id in (
      select id from generations where state in ('queued','running','stored') and wake_at < now()
      order by wake_at limit ${batch} for update skip locked)
    returning id, provider as lane, priority, state <> 'queued' as resumed, deadline_at < now() as overdue`)
  for (const { overdue, ...job } of forgotten) {
    if (signal.aborted) return
    // past its deadline it must end even with the queue away; for a provider that is gone there is no lane
    if (overdue || !core.providers.get(job.lane)) await perform(core, leases, job.id, signal)
    else await core.queue.add(job)
  }
  await narrateQueue(core)
}
