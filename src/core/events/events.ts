/**
 * Wakes what waits in this process for a generation, whichever process changed it. A notification only says "look now":
 * one that is missed costs a little time and nothing else.
 */
import { type SQL, sql } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import type { Outcome } from '../history/outcome-columns.ts'

/** ended: it has ended · progress: there is more to show · webhook: its provider called our webhook. */
export type GenerationEvent = 'ended' | 'progress' | 'webhook'

export interface Following {
  /** Aborts once an 'ended' event arrived. */
  readonly ended: AbortSignal
  /** How it ended. Absent: it has not, or not in this process. */
  outcome(): Outcome | undefined
  /** Waits `ms`, or until the next event. Resolves to true for an event since the last call. Rejects when aborted. */
  wait(ms: number, signal: AbortSignal): Promise<boolean>
  stop(): void
}

export interface GenerationEvents {
  /** From here on no event of these kinds is missed, until `stop`. */
  follow(id: string, kinds: readonly GenerationEvent[]): Following
  /**
   * Runs what ends the generation here, and gives its outcome to all that follow it in this process, which then need not read the row. The
   * notification of the end, which may arrive first, waits for it. undefined: nothing was ended.
   */
  endHere(id: string, end: () => Promise<Outcome | undefined>): Promise<Outcome | undefined>
  stop(): Promise<void>
}

const channel = 'fluxbot_generation'

/** Part of the statement that made the change. `id`: an expression for the generation's id. */
export const notify = (event: GenerationEvent, id: SQL) => sql`pg_notify(${channel}, ${`${event} `} || ${id}::text)`

type Listener = (event: GenerationEvent, outcome?: Outcome) => void

/** One LISTEN for all of a process. */
export async function listenForEvents(database: Database): Promise<GenerationEvents> {
  const listeners = new Map<string, Set<Listener>>()
  /** Generations that are being ended here → whether they were notified meanwhile. */
  const ending = new Map<string, boolean>()
  const unlisten = await database.listen(channel, (payload) => {
    const [event = '', id = ''] = payload.split(' ')
    if (event === 'ended' && ending.has(id)) ending.set(id, true)
    else tell(id, event as GenerationEvent)
  })

  function tell(id: string, event: GenerationEvent, outcome?: Outcome): void {
    for (const listener of listeners.get(id) ?? []) listener(event, outcome)
  }

  function listen(id: string, listener: Listener): () => void {
    const ofGeneration = listeners.get(id) ?? new Set()
    listeners.set(id, ofGeneration.add(listener))
    return () => {
      ofGeneration.delete(listener)
      if (ofGeneration.size === 0 && listeners.get(id) === ofGeneration) listeners.delete(id)
    }
  }

  return {
    follow(id, kinds) {
      const ended = new AbortController()
      let arrived = false
      let known: Outcome | undefined
      let wake = () => {}
      const stop = listen(id, (event, outcome) => {
        if (!kinds.includes(event)) return
        known ??= outcome
        if (event === 'ended') ended.abort(new Error('the generation has ended'))
        arrived = true
        wake()
      })
      return {
        ended: ended.signal,
        outcome: () => known,
        async wait(ms, signal) {
          signal.throwIfAborted()
          if (!arrived) {
            await pause(ms, signal, (woken) => {
              wake = woken
            })
          }
          signal.throwIfAborted()
          const result = arrived
          arrived = false
          return result
        },
        stop,
      }
    },
    async endHere(id, end) {
      let outcome: Outcome | undefined
      ending.set(id, false)
      try {
        outcome = await end()
        return outcome
      } finally {
        const notified = ending.get(id)
        ending.delete(id)
        if (outcome || notified) tell(id, 'ended', outcome)
      }
    },
    stop: unlisten,
  }
}

/** Hundreds may wait at once, so a wait that is cut short creates no error. */
async function pause(ms: number, signal: AbortSignal, wakeWith: (woken: () => void) => void): Promise<void> {
  let woken = () => {}
  const over = new Promise<void>((resolve) => {
    woken = resolve
  })
  const timer = setTimeout(woken, ms)
  signal.addEventListener('abort', woken, { once: true })
  wakeWith(woken)
  await over
  clearTimeout(timer)
  signal.removeEventListener('abort', woken)
}
