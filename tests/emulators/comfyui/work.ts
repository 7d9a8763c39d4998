/** The server's one worker: takes what waits, runs it, keeps the history. All in memory, so a restart forgets it. */

import { createHeap, type Item, shown } from './queue.ts'
import { type Entry, type RunContext, runGraph } from './run.ts'

export interface Work {
  add(item: Omit<Item, 'number'>, order: { number?: number; front?: boolean }): number
  /** As GET /queue shows it. */
  queue(): { queue_running: unknown[]; queue_pending: unknown[] }
  remaining(): number
  history: Map<string, { prompt: unknown[] } & Entry>
  running(): Item | undefined
  remove(ids: readonly string[]): void
  clear(): void
  interrupt(): void
  /** The run under way, or the next one, waits for nothing any more. */
  hurry(): void
  restart(): void
  /** Runs that began. */
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
  let era = 0
  let interrupted = false
  let hurried = false
  let wake: () => void = () => undefined

  const status = () =>
    options.sockets.tell(undefined, 'status', { status: { exec_info: { queue_remaining: remaining() } } })
  const remaining = () => heap.items.length + (running ? 1 : 0)

  async function work() {
    if (running) return
    running = heap.pop()
    if (!running) return
    const item = running
    const mine = era
    executed++
    interrupted = false
    status()
    const entry = await runGraph(item, {
      ...options,
      cache,
      previews: options.previews(item),
      pause: (ms) => pause(ms, mine),
      state: () => (mine !== era ? 'forgotten' : interrupted ? 'interrupted' : 'go'),
    })
    if (mine !== era || !entry) return
    hurried = false
    running = undefined
    history.set(item.id, { prompt: shown(item), ...entry })
    status()
    options.sockets.tell(item.client, 'executing', { node: null, prompt_id: item.id })
    next()
  }

  function next() {
    setImmediate(() => {
      work().catch((error: Error) => process.stderr.write(`the emulated ComfyUI failed: ${error.stack}\n`))
    })
  }

  function pause(ms: number, mine: number): Promise<void> {
    if (hurried || interrupted || mine !== era) return new Promise(setImmediate)
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
      next()
      return ordinal
    },
    queue: () => ({ queue_running: running ? [shown(running)] : [], queue_pending: heap.items.map(shown) }),
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
