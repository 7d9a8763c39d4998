/** The part that draws: takes jobs, keeps its leases, sweeps. */
import type { Core } from '../core.ts'
import { keepLeases, type Leases } from './leases.ts'
import { perform } from './perform.ts'
import { keepSweeping, type Sweeper } from './sweep.ts'

export interface Worker {
  /** Takes no more work; what is not done within `graceMs` is left for another process. */
  stop(graceMs: number): Promise<void>
}

export async function startWorker(core: Core): Promise<Worker> {
  const leases: Leases = keepLeases(core)
  const sweeper: Sweeper = keepSweeping(core, leases)
  await core.queue.work((id, signal) => perform(core, leases, id, signal))
  return {
    stop: async (graceMs) => {
      await sweeper.stop()
      await core.queue.close(graceMs)
      leases.stop()
    },
  }
}
