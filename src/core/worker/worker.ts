/** The worker role: takes jobs from the queue, keeps their leases, sweeps. */
import type { Core } from '../core.ts'
import { keepLeases } from './leases.ts'
import { keepNarratingQueue } from './narrate-queue.ts'
import { perform } from './perform.ts'
import { keepSweeping } from './sweep.ts'

export interface Worker {
  /** Takes no more jobs; work that is not done within `graceMs` is left to another process. */
  stop(graceMs: number): Promise<void>
}

export async function startWorker(core: Core): Promise<Worker> {
  const leases = keepLeases(core)
  const sweeper = keepSweeping(core, leases)
  const queueNarrator = keepNarratingQueue(core)
  await core.queue.work((id, signal) => perform(core, leases, id, signal))
  return {
    stop: async (graceMs) => {
      // its last edits may end beside the work
      const narrated = queueNarrator.stop()
      await sweeper.stop()
      await core.queue.close(graceMs)
      await narrated
      leases.stop()
    },
  }
}
