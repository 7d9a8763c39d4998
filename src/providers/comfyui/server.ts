/** One ComfyUI server: its routes as functions, and what it tells while it works. */
import { randomUUID } from 'node:crypto'
import { FormData } from 'undici'
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import type { ImageFile } from '../../core/ports/images.ts'
import type { Json } from '../../db/json.ts'
import type { Log } from '../../log.ts'
import { createProviderHttp, type ProviderRequest, parseJson, statusError } from '../http.ts'
import { toJson } from '../input.ts'
import { withRetries } from '../retry.ts'
import { createChoices, type ServerChoices } from './choices.ts'
import { createNews, type News } from './news.ts'
import { type HistoryEntry, historyEntry, type PictureRef } from './outcome.ts'
import { type NodeErrors, nodeErrors, refusalOf } from './refusal.ts'

export interface ComfyServer {
  readonly url: string
  /** Runs on their way to it, which its own count does not hold yet. */
  starting: number
  readonly news: News
  readonly choices: ServerChoices
  /** Runs waiting and running. */
  busy(signal: AbortSignal): Promise<number>
  /** Returns the name under which a graph finds the picture. */
  upload(file: ImageFile, name: string, signal: AbortSignal): Promise<string>
  submit(graph: Json, id: string, signal: AbortSignal): Promise<{ promptId: string; mistakes: NodeErrors }>
  /** undefined: unknown, or not finished. */
  history(id: string, signal: AbortSignal): Promise<HistoryEntry | undefined>
  queue(signal: AbortSignal): Promise<Queue>
  picture(ref: PictureRef, signal: AbortSignal): Promise<Buffer>
  /** Of runs that wait; others are left alone. */
  remove(id: string, signal: AbortSignal): Promise<void>
  /** Servers of before 2025 interrupt whatever runs. */
  interrupt(id: string, signal: AbortSignal): Promise<void>
  stats(signal: AbortSignal): Promise<Stats>
  close(): Promise<void>
}

/** What it is, as far as it says. Memory in bytes. */
export type Stats = z.infer<typeof statsShape>

export interface Queue {
  running: string[]
  /** In the order in which they will run. */
  pending: string[]
}

/** Limits in milliseconds. */
export interface Pace {
  /** Of a question to a server at work. */
  askMs: number
  /** Of the question how much a server has to do. */
  busyMs: number
  /** Of a submission: the server checks the graph and reads its pictures. */
  submitMs: number
  /** Without news, history and queue are asked this often. */
  pollMs: number
  /** What cannot be found is looked for again after this, before it counts as lost. */
  lostMs: number
  /** A websocket that nobody needs is closed after this. */
  idleMs: number
}

export interface ServerOptions {
  url: string
  key: string | undefined
  pace: Pace
  log: Log
}

const pictureLimit = 24 * 1024 * 1024
/** Of what a node takes: thousands of files. */
const nodeLimit = 4 * 1024 * 1024
/** Of a few numbers and names. */
const factLimit = 256 * 1024
const transferMs = 60_000
const provider = 'comfyui'

const busyShape = z.looseObject({ exec_info: z.looseObject({ queue_remaining: z.number() }) })
const queueItem = z.tuple([z.number(), z.string()]).rest(z.unknown())
const queueShape = z.looseObject({ queue_running: z.array(queueItem), queue_pending: z.array(queueItem) })
const uploadShape = z.looseObject({ name: z.string().min(1), subfolder: z.string().default('') })
const submitShape = z.looseObject({ prompt_id: z.string().min(1), node_errors: nodeErrors.catch({}).default({}) })
const word = z.string().transform((text) => text.slice(0, 200))
const memory = z.number().nonnegative().optional().catch(undefined)
const device = z.object({ name: word, type: word.catch(''), vram_total: memory, vram_free: memory })
const statsShape = z.looseObject({
  system: z.looseObject({ comfyui_version: word.optional().catch(undefined) }),
  devices: z.array(device).catch([]).default([]),
})

/** A name and password in the address are for its door; the rest is what tickets may hold. */
function readAddress(configured: string, key: string | undefined): { url: string; authorization?: string } {
  const { username, password, origin, pathname } = new URL(configured)
  const url = (origin + pathname).replace(/\/+$/, '')
  if (key) return { url, authorization: `Bearer ${key}` }
  if (username === '' && password === '') return { url }
  const pair = [username, password].map(decodeURIComponent).join(':')
  return { url, authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
}

export function createServer({ url: configured, key, pace, log }: ServerOptions): ComfyServer {
  const clientId = randomUUID()
  const { url, authorization } = readAddress(configured, key)
  const headers: Record<string, string> = authorization ? { authorization } : {}
  const http = createProviderHttp({ provider, baseUrl: url, headers })
  const news = createNews({
    url: `${url.replace(/^http/, 'ws')}/ws?clientId=${clientId}`,
    headers,
    log,
    idleMs: pace.idleMs,
  })

  async function send(request: Omit<ProviderRequest, 'signal'>, signal: AbortSignal) {
    const answer = await http.send({ timeoutMs: pace.askMs, ...request, signal })
    if (answer.status !== 200) throw statusError(provider, answer)
    return answer
  }

  async function get<T>(path: string, shape: z.ZodType<T>, signal: AbortSignal, limits: Limits = {}): Promise<T> {
    return readAs(shape, parseJson(provider, await send({ method: 'GET', path, ...limits }, signal)))
  }

  const post = (path: string, body: Json, signal: AbortSignal) =>
    send({ method: 'POST', path, body: JSON.stringify(body), headers: json }, signal)

  return {
    url,
    starting: 0,
    news,
    choices: createChoices((classType, signal) =>
      get(`/object_info/${encodeURIComponent(classType)}`, z.looseObject({}), signal, { maxBytes: nodeLimit }),
    ),
    busy: async (signal) =>
      (await get('/prompt', busyShape, signal, { timeoutMs: pace.busyMs, maxBytes: factLimit })).exec_info
        .queue_remaining,
    async upload(file, name, signal) {
      const body = new FormData()
      body.append('image', new Blob([Uint8Array.from(file.data)], { type: file.type }), name)
      const answer = await send({ method: 'POST', path: '/upload/image', body, timeoutMs: transferMs }, signal)
      const uploaded = readAs(uploadShape, parseJson(provider, answer))
      return uploaded.subfolder ? `${uploaded.subfolder}/${uploaded.name}` : uploaded.name
    },
    async submit(graph, id, signal) {
      // newer servers make previews for those who ask
      const extra = { preview_method: 'auto' }
      const body = toJson({ prompt: graph, prompt_id: id, client_id: clientId, extra_data: extra })
      const request = { method: 'POST', path: '/prompt', body, headers: json, timeoutMs: pace.submitMs } as const
      const answer = await http.send({ ...request, signal })
      if (answer.status !== 200) throw refusalOf(answer)
      const accepted = readAs(submitShape, parseJson(provider, answer))
      return { promptId: accepted.prompt_id, mistakes: accepted.node_errors }
    },
    async history(id, signal) {
      const entries = await withRetries(signal, () =>
        get(`/history/${encodeURIComponent(id)}`, z.record(z.string(), z.unknown()), signal),
      )
      return entries[id] === undefined ? undefined : readAs(historyEntry, entries[id])
    },
    async queue(signal) {
      const queue = await withRetries(signal, () => get('/queue', queueShape, signal))
      const pending = queue.queue_pending.toSorted(([a], [b]) => a - b)
      return { running: queue.queue_running.map(([, id]) => id), pending: pending.map(([, id]) => id) }
    },
    async picture({ filename, subfolder, type }, signal) {
      const path = `/view?${new URLSearchParams({ filename, subfolder, type })}`
      const request = { method: 'GET', path, maxBytes: pictureLimit, timeoutMs: transferMs } as const
      return (await withRetries(signal, () => send(request, signal))).body
    },
    remove: async (id, signal) => void (await post('/queue', { delete: [id] }, signal)),
    interrupt: async (id, signal) => void (await post('/interrupt', { prompt_id: id }, signal)),
    stats: (signal) => get('/system_stats', statsShape, signal, { maxBytes: factLimit }),
    async close() {
      news.close()
      await http.close()
    },
  }
}

type Limits = Pick<ProviderRequest, 'timeoutMs' | 'maxBytes'>

const json = { 'content-type': 'application/json' }

function readAs<T>(shape: z.ZodType<T>, value: unknown): T {
  const read = shape.safeParse(value)
  if (!read.success) throw new AppError('bad_result', { provider }, { cause: read.error })
  return read.data
}
