/** One ComfyUI server: its HTTP API as functions, and the events of its websocket. */
import { randomUUID } from 'node:crypto'
import { FormData } from 'undici'
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import type { ImageFile } from '../../core/ports/images.ts'
import type { ProviderContext } from '../../core/ports/providers.ts'
import { traced } from '../../core/trace.ts'
import type { Json } from '../../db/json.ts'
import { createProviderHttp, type ProviderRequest, parseJson, statusError } from '../http.ts'
import { toJson } from '../input.ts'
import { withRetries } from '../retry.ts'
import { type NodeErrors, nodeErrorsShape, submitError } from './errors.ts'
import { createEvents, type RunEvents } from './events.ts'
import { type HistoryEntry, historyEntryShape, type PictureRef } from './history.ts'
import { createNodeFacts, type NodeFacts, type ReadNode } from './nodes.ts'

export interface ComfyServer {
  readonly url: string
  /** Runs about to be submitted, which `busy` does not count yet. */
  starting: number
  readonly events: RunEvents
  /** What the inputs of its nodes accept, cached for a minute. */
  readonly nodes: NodeFacts
  /** Number of running and queued runs, of all clients. */
  busy(signal: AbortSignal): Promise<number>
  /** Returns the name under which a graph finds the picture. */
  upload(file: ImageFile, name: string, signal: AbortSignal): Promise<string>
  /** `nodeErrors`: errors in parts of the graph that the server leaves out. */
  submit(graph: Json, id: string, signal: AbortSignal): Promise<{ promptId: string; nodeErrors: NodeErrors }>
  /** undefined: the run is unknown or has not ended. */
  history(id: string, signal: AbortSignal): Promise<HistoryEntry | undefined>
  queue(signal: AbortSignal): Promise<Queue>
  picture(ref: PictureRef, signal: AbortSignal, maxBytes?: number): Promise<Buffer>
  /** Removes a queued run; a running one goes on. */
  remove(id: string, signal: AbortSignal): Promise<void>
  /** Interrupts a running run. Servers from before 2025 ignore the id and interrupt whichever run is active. */
  interrupt(id: string, signal: AbortSignal): Promise<void>
  stats(signal: AbortSignal): Promise<Stats>
  close(): Promise<void>
}

/** Version and devices of a server. Memory in bytes. */
export type Stats = z.infer<typeof statsShape>

/** Ids of runs. */
export interface Queue {
  running: string[]
  /** In the order in which they will run. */
  pending: string[]
}

export interface Pace {
  /** Time limit of a call, unless one of the following applies. */
  callTimeoutMs: number
  /** Time limit of `busy`, which decides where a run starts. */
  busyTimeoutMs: number
  /** Time limit of a submission: the server checks the graph and reads its input pictures. */
  submitTimeoutMs: number
  /** Time between reads of history and queue while no events come. */
  pollMs: number
  /** Time after which a run that is nowhere is looked for again, before it counts as lost. */
  recheckMs: number
  /** Time after which an unused websocket is closed. */
  idleMs: number
}

export interface ServerOptions {
  url: string
  key: string | undefined
  pace: Pace
  log: ProviderContext['log']
}

const pictureLimit = 24 * 1024 * 1024
/** Bytes of a node's description, which may list thousands of files. */
const nodeLimit = 4 * 1024 * 1024
/** Bytes of responses with a few numbers and names. */
const smallLimit = 256 * 1024
const transferMs = 60_000
const provider = 'comfyui'
const json = { 'content-type': 'application/json' }

const busyShape = z.looseObject({ exec_info: z.looseObject({ queue_remaining: z.number() }) })
const queueItem = z.tuple([z.number(), z.string()]).rest(z.unknown())
const queueShape = z.looseObject({ queue_running: z.array(queueItem), queue_pending: z.array(queueItem) })
const uploadShape = z.looseObject({ name: z.string().min(1), subfolder: z.string().default('') })
const submitShape = z.looseObject({ prompt_id: z.string().min(1), node_errors: nodeErrorsShape.catch({}).default({}) })
const shortText = z.string().transform((text) => text.slice(0, 200))
const memory = z.number().nonnegative().optional().catch(undefined)
const device = z.object({ name: shortText, type: shortText.catch(''), vram_total: memory, vram_free: memory })
const statsShape = z.looseObject({
  system: z.looseObject({ comfyui_version: shortText.optional().catch(undefined) }),
  devices: z.array(device).catch([]).default([]),
})

type Limits = Pick<ProviderRequest, 'timeoutMs' | 'maxBytes'>

export function createServer({ url: configured, key, pace, log }: ServerOptions): ComfyServer {
  const clientId = randomUUID()
  const { url, authorization } = parseAddress(configured, key)
  const headers: Record<string, string> = authorization ? { authorization } : {}
  const http = createProviderHttp({ provider, baseUrl: url, headers })
  const socketUrl = `${url.replace(/^http/, 'ws')}/ws?clientId=${clientId}`
  const events = createEvents({ url: socketUrl, headers, log, idleMs: pace.idleMs })

  async function send(request: Omit<ProviderRequest, 'signal'>, signal: AbortSignal) {
    const response = await http.send({ timeoutMs: pace.callTimeoutMs, ...request, signal })
    if (response.status !== 200) throw statusError(provider, response)
    return response
  }

  async function get<T>(path: string, shape: z.ZodType<T>, signal: AbortSignal, limits: Limits = {}): Promise<T> {
    return parseAs(shape, parseJson(provider, await send({ method: 'GET', path, ...limits }, signal)))
  }

  const post = (path: string, body: Json, signal: AbortSignal) =>
    send({ method: 'POST', path, body: JSON.stringify(body), headers: json }, signal)

  const readNode: ReadNode = (classType, signal) =>
    get(`/object_info/${encodeURIComponent(classType)}`, z.looseObject({}), signal, { maxBytes: nodeLimit })

  return {
    url,
    starting: 0,
    events,
    nodes: createNodeFacts(readNode),
    async busy(signal) {
      const limits = { timeoutMs: pace.busyTimeoutMs, maxBytes: smallLimit }
      return (await get('/prompt', busyShape, signal, limits)).exec_info.queue_remaining
    },
    async upload(file, name, signal) {
      const body = new FormData()
      body.append('image', new Blob([Uint8Array.from(file.data)], { type: file.type }), name)
      const response = await send({ method: 'POST', path: '/upload/image', body, timeoutMs: transferMs }, signal)
      const uploaded = parseAs(uploadShape, parseJson(provider, response))
      return uploaded.subfolder ? `${uploaded.subfolder}/${uploaded.name}` : uploaded.name
    },
    async submit(graph, id, signal) {
      // newer servers send previews only to clients that ask for them
      const extra = { preview_method: 'auto' }
      const body = toJson({ prompt: graph, prompt_id: id, client_id: clientId, extra_data: extra })
      const request = { method: 'POST', path: '/prompt', body, headers: json, timeoutMs: pace.submitTimeoutMs } as const
      const response = await http.send({ ...request, signal })
      if (response.status !== 200) throw submitError(response)
      const accepted = parseAs(submitShape, parseJson(provider, response))
      return { promptId: accepted.prompt_id, nodeErrors: accepted.node_errors }
    },
    async history(id, signal) {
      const path = `/history/${encodeURIComponent(id)}`
      const entries = await withRetries(signal, () => get(path, z.record(z.string(), z.unknown()), signal))
      return entries[id] === undefined ? undefined : parseAs(historyEntryShape, entries[id])
    },
    async queue(signal) {
      const queue = await withRetries(signal, () => get('/queue', queueShape, signal))
      const pending = queue.queue_pending.toSorted(([a], [b]) => a - b)
      return { running: queue.queue_running.map(([, id]) => id), pending: pending.map(([, id]) => id) }
    },
    async picture({ filename, subfolder, type }, signal, maxBytes = pictureLimit) {
      const path = `/view?${new URLSearchParams({ filename, subfolder, type })}`
      const request = { method: 'GET', path, maxBytes, timeoutMs: transferMs } as const
      const get = () => traced('download', { provider: 'comfyui' }, () => send(request, signal))
      return (await withRetries(signal, get)).body
    },
    remove: async (id, signal) => void (await post('/queue', { delete: [id] }, signal)),
    interrupt: async (id, signal) => void (await post('/interrupt', { prompt_id: id }, signal)),
    stats: (signal) => get('/system_stats', statsShape, signal, { maxBytes: smallLimit }),
    async close() {
      events.close()
      await http.close()
    },
  }
}

/** Moves name and password from the address into a header, so that tickets and logs can hold the address. */
function parseAddress(configured: string, key: string | undefined): { url: string; authorization?: string } {
  const { username, password, origin, pathname } = new URL(configured)
  const url = (origin + pathname).replace(/\/+$/, '')
  if (key) return { url, authorization: `Bearer ${key}` }
  if (username === '' && password === '') return { url }
  const pair = [username, password].map(decodeURIComponent).join(':')
  return { url, authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
}

function parseAs<T>(shape: z.ZodType<T>, value: unknown): T {
  const { data, error, success } = shape.safeParse(value)
  if (!success) throw new AppError('bad_result', { provider }, { cause: error })
  return data
}
