/** The server's worker: runs queued graphs one by one and keeps the history in memory, so that a restart loses it. */

import { createHeap, type Item, queueEntry } from './queue.ts'
import { type Entry, type RunContext, runGraph } from './run.ts'

export interface Work {
  add(item: Omit<Item, 'number'>, order: { number?: number; front?: boolean }): number
  /** The body of GET /queue. */
  queue(): { queue_running: unknown[]; queue_pending: unknown[] }
  remaining(): number
  history: Map<string, { prompt: unknown[] } & Entry>
  running(): Item | undefined
  remove(ids: readonly string[]): void
  clear(): void
  interrupt(): void
  /** Ends the pauses of the current run, or of the next one if none runs. */
  hurry(): void
  restart(): void
  /** Number of runs that started. */
  executed(): number
}

type Options = Omit<RunContext, 'pause' | 'state' | 'cache' | 'previews'> & { previews(item: Item): boolean }

export function createWork(options: Options): Work {
  const heap = createHeap()
  const history: Work['history'] = new Map()
  const cache: RunContext['cache'] = new Map()
  let running: Item | undefined
  let counter = 0
  let executed = 0
  /** Number of restarts; a run from an earlier era is forgotten. */
  let era = 0
  let interrupted = false
  let hurried = false
  let wake: () => void = () => undefined

  const status = () =>
    options.sockets.send(undefined, 'status', { status: { exec_info: { queue_remaining: remaining() } } })
  const remaining = () => heap.items.length + (running ? 1 : 0)

  async function runNext() {
    if (running) return
    running = heap.pop()
    if (!running) return
    const item = running
    const startedIn = era
    executed++
    interrupted = false
    status()
    const entry = await runGraph(item, {
      ...options,
      cache,
      previews: options.previews(item),
      pause: (ms) => pause(ms, startedIn),
      state: () => (startedIn !== era ? 'forgotten' : interrupted ? 'interrupted' : 'go'),
    })
    if (startedIn !== era || !entry) return
    hurried = false
    running = undefined
    history.set(item.id, { prompt: queueEntry(item), ...entry })
    status()
    options.sockets.send(item.client, 'executing', { node: null, prompt_id: item.id })
    scheduleNext()
  }

  function scheduleNext() {
    setImmediate(() => {
      runNext().catch((error: Error) => process.stderr.write(`the emulated ComfyUI failed: ${error.stack}\n`))
    })
  }

  function pause(ms: number, startedIn: number): Promise<void> {
    if (hurried || interrupted || startedIn !== era) return new Promise(setImmediate)
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  return {
    history,
    add(item, { number, front = false }) {
      const ordinal = number ?? (front ? -counter : counter)
      if (number === undefined) counter++
      heap.push({ ...item, number: ordinal })
      status()
      scheduleNext()
      return ordinal
    },
    queue: () => ({ queue_running: running ? [queueEntry(running)] : [], queue_pending: heap.items.map(queueEntry) }),
    remaining,
    running: () => running,
    remove: (ids) => {
      heap.remove(ids)
      status()
    },
    clear: () => heap.remove(heap.items.map(({ id }) => id)),
    interrupt() {
      if (!running) return
      interrupted = true
      wake()
    },
    hurry() {
      hurried = true
      wake()
    },
    restart() {
      era++
      heap.remove(heap.items.map(({ id }) => id))
      history.clear()
      cache.clear()
      running = undefined
      counter = 0
      hurried = false
      wake()
    },
    executed: () => executed,
  }
}
