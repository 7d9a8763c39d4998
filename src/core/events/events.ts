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
  /** What follows the generation in this process need not wait for the notification, and need not read the row. */
  endedHere(outcome: Outcome): void
  stop(): Promise<void>
}

const channel = 'fluxbot_generation'

/** Part of the statement that made the change. `id`: an expression for the generation's id. */
export const notify = (event: GenerationEvent, id: SQL) => sql`pg_notify(${channel}, ${`${event} `} || ${id}::text)`

type Listener = (event: GenerationEvent, outcome?: Outcome) => void

/** One LISTEN for all of a process. */
export async function listenForEvents(database: Database): Promise<GenerationEvents> {
  const listeners = new Map<string, Set<Listener>>()
  const unlisten = await database.listen(channel, (payload) => {
    const [event = '', id = ''] = payload.split(' ')
    for (const listener of listeners.get(id) ?? []) listener(event as GenerationEvent)
  })

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
    endedHere(outcome) {
      for (const listener of listeners.get(outcome.id) ?? []) listener('ended', outcome)
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
