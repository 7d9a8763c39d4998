/** Wakes what the queue forgot, ends what is overdue, tells people their place. Any number of processes may sweep. */
import { sql } from 'drizzle-orm'
import type { Core } from '../core.ts'
import { finishErasing } from '../media/erase.ts'
import { forgetOldUploads } from '../media/uploads.ts'
import type { Job } from '../ports/queue.ts'
import { forgetOldRequests } from '../programs/idempotency.ts'
import { forgetLeftovers } from './end.ts'
import type { Leases } from './leases.ts'
import { narrateQueue } from './narrate.ts'
import { perform } from './perform.ts'
import { createPresence, type Presence } from './presence.ts'

const everyMs = 1_000
const tidyEvery = 30
/** Rows looked at in one round, and the pauses before the same row is looked at again: one in the queue, one cut short. */
const batch = 200
const queuedAgain = '15 seconds'
const resumedAgain = '2 seconds'

export interface Sweeper {
  stop(): Promise<void>
}

export function keepSweeping(core: Core, leases: Leases): Sweeper {
  const stopping = new AbortController()
  const presence = createPresence(core)
  let rounds = 0
  let round: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    if (!busy) round = run()
  }, everyMs)
  let busy = false

  async function run() {
    busy = true
    try {
      await presence.say()
      await sweep(core, leases, { presence, signal: stopping.signal, tidy: rounds++ % tidyEvery === 0 })
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

interface Round {
  presence: Presence
  signal: AbortSignal
  /** Also what is not urgent. */
  tidy: boolean
}

async function sweep(core: Core, leases: Leases, { presence, signal, tidy }: Round): Promise<void> {
  const forgotten = await core.database.rows<Job & { overdue: boolean }>(sql`
    update generations
    set wake_at = now() + case state when 'queued' then ${queuedAgain} else ${resumedAgain} end::interval
    where id in (
      select id from generations where state in ('queued','running','stored') and wake_at < now()
      order by wake_at limit ${batch} for update skip locked)
    returning id, provider as lane, priority, state <> 'queued' as resumed, deadline_at < now() as overdue`)
  const gone = await presence.gone(forgotten.map(({ lane }) => lane))
  for (const { overdue, ...job } of forgotten) {
    if (signal.aborted) return
    try {
      // past its deadline it must end even with the queue away; in a lane that nobody serves it would wait in vain
      if (overdue || gone.has(job.lane)) await perform(core, leases, job.id, signal)
      else await core.queue.add(job)
    } catch (error) {
      core.log.warn({ id: job.id, err: error }, 'a generation was not woken; the next sweep tries again')
    }
  }
  if (tidy) await forgetLeftovers(core)
  if (tidy) await finishErasing(core)
  if (tidy) await forgetOldUploads(core)
  if (tidy) await forgetOldRequests(core)
  await narrateQueue(core)
}
