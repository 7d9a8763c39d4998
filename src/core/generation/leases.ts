/** What this process works on right now. A generation that another has taken or ended is aborted here. */
import type { Core } from '../core.ts'
import { type Generation, leaseMs, renewLeases } from './row.ts'

export interface Leases {
  /** The signal aborts when the generation is no longer ours. Call the returned function when done. */
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
        const now = held.get(id)
        if (!ours.has(id) && now?.attempt === attempt) now.lost.abort(new Error('another process has it'))
      }
    } catch (error) {
      // the fence keeps the row safe meanwhile; the next round tries again
      core.log.warn({ err: error }, 'leases could not be renewed')
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
