/**
 * Events that a server sends about its runs: progress and previews. They are hints only; history and queue decide
 * whether and how a run has ended.
 */
import { z } from 'zod'
import { createSocket, type SocketOptions } from './socket.ts'

/** What the events have said about one run so far. */
export interface Run {
  /** Ids of the sampler nodes. */
  readonly samplers: readonly string[]
  /** Node id → share of its steps that are done, 0–1. */
  readonly done: Map<string, number>
  /** Encoded bytes of the latest preview; taken away when it is shown. */
  preview?: Buffer
  /** An event said that the run has ended; the history says how. */
  ended: boolean
  /** Place in the queue at the last poll, from 1. */
  position?: number
  /** When history and queue were last polled, like `usedAt` by `performance.now()`. 0: never. */
  polledAt: number
  usedAt: number
  /** An event came that `nextEvent` has not reported yet. */
  hasNews: boolean
  readonly waiters: Set<() => void>
}

export interface RunEvents {
  /** The run with this id, listening from now on. A run that is not asked for during `idleMs` is forgotten. */
  follow(id: string, samplers: readonly string[]): Run
  /** Resolves when events can arrive, or after a second without a connection. */
  ready(): Promise<void>
  forget(id: string): void
  close(): void
}

interface EventsOptions extends Omit<SocketOptions, 'onText' | 'onBinary'> {
  /** Time after which an unused run is forgotten. The socket is closed with the last one. */
  idleMs: number
}

export function createEvents({ idleMs, ...options }: EventsOptions): RunEvents {
  const runs = new Map<string, Run>()
  /** The run of previews without an id. It is one of ours: the server sends no events of other clients' runs. */
  let current: Run | undefined
  const socket = createSocket({
    ...options,
    onText: (text) => {
      current = applyText(runs, text) ?? current
    },
    onBinary: (bytes) => {
      const { run, picture } = parsePreview(runs, current, bytes)
      if (!run || !picture) return
      run.preview = picture
      wake(run)
    },
  })
  let sweeper: NodeJS.Timeout | undefined
  let closed = false

  function sweep() {
    for (const [id, run] of runs) {
      if (performance.now() - run.usedAt > idleMs && run.waiters.size === 0) runs.delete(id)
    }
    if (runs.size === 0) stop()
  }

  function stop() {
    clearInterval(sweeper)
    sweeper = undefined
    current = undefined
    socket.close()
  }

  return {
    follow(id, samplers) {
      const run: Run = runs.get(id) ?? {
        samplers,
        done: new Map(),
        ended: false,
        polledAt: 0,
        usedAt: 0,
        hasNews: false,
        waiters: new Set(),
      }
      run.usedAt = performance.now()
      runs.set(id, run)
      if (!closed) {
        sweeper ??= setInterval(sweep, idleMs).unref()
        void socket.open()
      }
      return run
    },
    ready: async () => (closed ? undefined : socket.open()),
    forget: (id) => void runs.delete(id),
    close() {
      closed = true
      for (const run of runs.values()) wake(run)
      runs.clear()
      stop()
    },
  }
}

/** Waits for the next event of a run, at most `waitMs`. Rejects when the signal aborts. */
export function nextEvent(run: Run, waitMs: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  if (run.hasNews || run.ended) {
    run.hasNews = false
    return Promise.resolve()
  }
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer)
      run.waiters.delete(end)
      signal.removeEventListener('abort', end)
      run.hasNews = false
      if (signal.aborted) reject(signal.reason)
      else resolve()
    }
    const timer = setTimeout(end, waitMs)
    run.waiters.add(end)
    signal.addEventListener('abort', end)
  })
}

/** Mean over the sampler nodes, or over all nodes that reported steps. At most 99: only the history says 100. */
export function percentOf({ samplers, done }: Run): number | undefined {
  const nodes = samplers.length > 0 ? samplers : [...done.keys()]
  const shares = nodes.flatMap((node) => done.get(node) ?? [])
  if (shares.length === 0) return undefined
  return Math.min(99, (100 * shares.reduce((sum, each) => sum + each, 0)) / nodes.length)
}

function wake(run: Run): void {
  run.hasNews = true
  for (const end of run.waiters) end()
}

const messageShape = z.looseObject({ type: z.string(), data: z.looseObject({ prompt_id: z.string() }) })
const progressShape = z.looseObject({ node: z.string(), value: z.number(), max: z.number() })
const progressStateShape = z.looseObject({
  nodes: z.record(z.string(), z.looseObject({ value: z.number(), max: z.number(), state: z.string() })),
})

/** Returns the run that the message is about. */
function applyText(runs: ReadonlyMap<string, Run>, text: string): Run | undefined {
  const message = messageShape.safeParse(jsonOf(text)).data
  const run = message && runs.get(message.data.prompt_id)
  if (!run) return undefined
  applyEvent(run, message.type, message.data)
  wake(run)
  return run
}

function applyEvent(run: Run, type: string, data: { [key: string]: unknown }): void {
  run.position = undefined
  if (type === 'executing' && data.node === null) run.ended = true
  if (type === 'execution_cached' && Array.isArray(data.nodes)) {
    for (const node of data.nodes) if (run.samplers.includes(String(node))) run.done.set(String(node), 1)
  }
  const step = type === 'progress' ? progressShape.safeParse(data).data : undefined
  if (step) advance(run, step.node, step.value / step.max)
  const state = type === 'progress_state' ? progressStateShape.safeParse(data).data : undefined
  for (const [node, { value, max, state: now }] of Object.entries(state?.nodes ?? {})) {
    // of other nodes, only those with several steps count
    if (run.samplers.includes(node) || max > 1) advance(run, node, now === 'finished' ? 1 : value / max)
  }
}

function advance({ done }: Run, node: string, share: number): void {
  if (share >= 0 && share <= 1) done.set(node, Math.max(share, done.get(node) ?? 0))
}

/** Message types of ComfyUI's binary protocol. */
const previewImage = 1
const previewWithMetadata = 4
const metadataShape = z.looseObject({ prompt_id: z.string() })

function parsePreview(runs: ReadonlyMap<string, Run>, current: Run | undefined, bytes: Buffer) {
  const kind = bytes.length > 8 ? bytes.readUInt32BE(0) : 0
  if (kind === previewImage) return { run: current, picture: bytes.subarray(8) }
  if (kind !== previewWithMetadata) return {}
  const end = 8 + bytes.readUInt32BE(4)
  const metadata = metadataShape.safeParse(jsonOf(bytes.toString('utf8', 8, end))).data
  return { run: metadata && runs.get(metadata.prompt_id), picture: bytes.subarray(end) }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
