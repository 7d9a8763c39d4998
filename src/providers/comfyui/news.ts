/**
 * What a server tells of its runs as they go: percent and previews. Hints only: whether a run is over, and how it ended,
 * is asked of the server's history and queue.
 */
import { z } from 'zod'
import { createSocket, type SocketOptions } from './socket.ts'

/** One run, as far as it was told. */
export interface Run {
  readonly samplers: readonly string[]
  /** Node → how much of it is done, 0–1. */
  readonly done: Map<string, number>
  /** Encoded bytes of how far it is. */
  preview?: Buffer
  /** The server says that it is over; its history knows how. */
  over: boolean
  /** Place in the queue when it was last asked. */
  position?: number
  /** When history and queue were last asked; 0: never. Monotonic, ms. */
  askedAt: number
  usedAt: number
  /** Something came that nobody has looked at. */
  fresh: boolean
  readonly waiting: Set<() => void>
}

export interface News {
  /** The run of this id, from now on listened for; one that nobody asks for any more is forgotten. */
  follow(id: string, samplers: readonly string[]): Run
  /** Resolves when the server can be heard, or soon after. */
  ready(): Promise<void>
  forget(id: string): void
  close(): void
}

interface NewsOptions extends Omit<SocketOptions, 'onText' | 'onBinary'> {
  /** What nobody asked for in so long is forgotten; with nothing left, the socket is closed. */
  idleMs: number
}

export function createNews({ idleMs, ...options }: NewsOptions): News {
  const runs = new Map<string, Run>()
  /** Whom previews without an id belong to: events come for our own runs only. */
  let current: Run | undefined
  const socket = createSocket({
    ...options,
    onText: (text) => {
      current = readText(runs, text) ?? current
    },
    onBinary: (bytes) => {
      const { run, picture } = readPreview(runs, current, bytes)
      if (!run || !picture) return
      run.preview = picture
      wake(run)
    },
  })
  let sweeper: NodeJS.Timeout | undefined
  let closed = false

  function sweep() {
    for (const [id, run] of runs) {
      if (performance.now() - run.usedAt > idleMs && run.waiting.size === 0) runs.delete(id)
    }
    if (runs.size === 0) stop()
  }

  function stop() {
    clearInterval(sweeper)
    sweeper = undefined
    current = undefined
    socket.drop()
  }

  return {
    follow(id, samplers) {
      const run: Run = runs.get(id) ?? {
        samplers,
        done: new Map(),
        over: false,
        askedAt: 0,
        usedAt: 0,
        fresh: false,
        waiting: new Set(),
      }
      run.usedAt = performance.now()
      runs.set(id, run)
      if (!closed) {
        sweeper ??= setInterval(sweep, idleMs).unref()
        void socket.want()
      }
      return run
    },
    ready: async () => (closed ? undefined : socket.want()),
    forget: (id) => void runs.delete(id),
    close() {
      closed = true
      for (const run of runs.values()) wake(run)
      runs.clear()
      stop()
    },
  }
}

/** Waits for something new about a run. Rejects when the signal aborts. */
export function nextNews(run: Run, waitMs: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  if (run.fresh || run.over) {
    run.fresh = false
    return Promise.resolve()
  }
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer)
      run.waiting.delete(end)
      signal.removeEventListener('abort', end)
      run.fresh = false
      if (signal.aborted) reject(signal.reason)
      else resolve()
    }
    const timer = setTimeout(end, waitMs)
    run.waiting.add(end)
    signal.addEventListener('abort', end)
  })
}

/** Over all nodes that take steps, or those that told of any. 100 is for the history to say. */
export function percentOf({ samplers, done }: Run): number | undefined {
  const nodes = samplers.length > 0 ? samplers : [...done.keys()]
  const known = nodes.flatMap((node) => done.get(node) ?? [])
  if (known.length === 0) return undefined
  return Math.min(99, (100 * known.reduce((sum, each) => sum + each, 0)) / nodes.length)
}

function wake(run: Run): void {
  run.fresh = true
  for (const end of run.waiting) end()
}

const message = z.looseObject({ type: z.string(), data: z.looseObject({ prompt_id: z.string() }) })
const progress = z.looseObject({ node: z.string(), value: z.number(), max: z.number() })
const progressState = z.looseObject({
  nodes: z.record(z.string(), z.looseObject({ value: z.number(), max: z.number(), state: z.string() })),
})

/** Returns the run that it was about. */
function readText(runs: ReadonlyMap<string, Run>, text: string): Run | undefined {
  const read = message.safeParse(jsonOf(text)).data
  const run = read && runs.get(read.data.prompt_id)
  if (!run) return undefined
  take(run, read.type, read.data)
  wake(run)
  return run
}

function take(run: Run, type: string, data: { [key: string]: unknown }): void {
  run.position = undefined
  if (type === 'executing' && data.node === null) run.over = true
  if (type === 'execution_cached' && Array.isArray(data.nodes)) {
    for (const node of data.nodes) if (run.samplers.includes(String(node))) run.done.set(String(node), 1)
  }
  const step = type === 'progress' ? progress.safeParse(data).data : undefined
  if (step) advance(run, step.node, step.value / step.max)
  const state = type === 'progress_state' ? progressState.safeParse(data).data : undefined
  for (const [node, { value, max, state: now }] of Object.entries(state?.nodes ?? {})) {
    // without known samplers, only what goes in steps counts
    if (run.samplers.includes(node) || max > 1) advance(run, node, now === 'finished' ? 1 : value / max)
  }
}

function advance({ done }: Run, node: string, part: number): void {
  if (part >= 0 && part <= 1) done.set(node, Math.max(part, done.get(node) ?? 0))
}

const previewImage = 1
const previewWithMetadata = 4
const metadata = z.looseObject({ prompt_id: z.string() })

function readPreview(runs: ReadonlyMap<string, Run>, current: Run | undefined, bytes: Buffer) {
  const kind = bytes.length > 8 ? bytes.readUInt32BE(0) : 0
  if (kind === previewImage) return { run: current, picture: bytes.subarray(8) }
  if (kind !== previewWithMetadata) return {}
  const end = 8 + bytes.readUInt32BE(4)
  const read = metadata.safeParse(jsonOf(bytes.toString('utf8', 8, end))).data
  return { run: read && runs.get(read.prompt_id), picture: bytes.subarray(end) }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
