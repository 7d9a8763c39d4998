/**
 * Wakes those in this process who wait for a generation, wherever it is being drawn. A notification only says "look now";
 * one that is missed costs a little time, nothing else.
 */
import type { Database } from '../../db/database.ts'
import type { Core } from '../core.ts'

/** It has ended: asked for by a program, or cancelled by anybody. */
export const endedChannel = 'fluxbot_ended'
/** There is more to show a program. */
export const progressChannel = 'fluxbot_progress'

type Heard = (channel: string) => void

export interface Watch {
  /**
   * Waits so long, or until there is something new since the last time. True: somebody said that it has ended. Rejects
   * when aborted.
   */
  wait(ms: number, signal: AbortSignal): Promise<boolean>
  end(): void
}

/** One LISTEN for all of a process, for as long as its database is open. */
const listening = new WeakMap<Database, Promise<Map<string, Set<Heard>>>>()

/** From when it resolves nothing is missed, until `end`. `progress` false: the only news is that it has ended. */
export async function watch(core: Core, id: string, progress = true): Promise<Watch> {
  let heard = false
  let ended = false
  let wake = () => {}
  const end = await hear(core.database, id, (channel) => {
    ended ||= channel === endedChannel
    if (!ended && !progress) return
    heard = true
    wake()
  })
  return {
    async wait(ms, signal) {
      signal.throwIfAborted()
      if (!heard) {
        await pause(ms, signal, (woken) => {
          wake = woken
        })
      }
      signal.throwIfAborted()
      heard = false
      return ended
    },
    end,
  }
}

/** Without an error made for each waiting that is cut short: there may be hundreds. */
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

/** The signal aborts when somebody says that it has ended. */
export async function watchEnd(core: Core, id: string): Promise<{ ended: AbortSignal; done: () => void }> {
  const controller = new AbortController()
  const done = await hear(core.database, id, (channel) => {
    if (channel === endedChannel) controller.abort(new Error('it has been ended'))
  })
  return { ended: controller.signal, done }
}

async function hear(database: Database, id: string, heard: Heard): Promise<() => void> {
  const waiting = await listenOnce(database)
  const ours = waiting.get(id) ?? new Set()
  waiting.set(id, ours.add(heard))
  return () => {
    ours.delete(heard)
    if (ours.size === 0 && waiting.get(id) === ours) waiting.delete(id)
  }
}

function listenOnce(database: Database): Promise<Map<string, Set<Heard>>> {
  const known = listening.get(database)
  if (known) return known
  const opening = listen(database)
  listening.set(database, opening)
  // the next to wait tries again
  opening.catch(() => listening.delete(database))
  return opening
}

async function listen(database: Database): Promise<Map<string, Set<Heard>>> {
  const waiting = new Map<string, Set<Heard>>()
  for (const channel of [endedChannel, progressChannel]) {
    await database.listen(channel, (id) => {
      for (const heard of waiting.get(id) ?? []) heard(channel)
    })
  }
  return waiting
}
