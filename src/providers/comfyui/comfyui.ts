/**
 * ComfyUI, on one's own machines: graphs are submitted under the generation's id, so that a lost answer can be looked up.
 * Its websocket tells how far a run is; its history and queue are the truth. All of it is in the server's memory: what
 * is in neither was forgotten in a restart.
 */
import { AppError } from '../../core/errors.ts'
import type {
  ImageProvider,
  Progress,
  ProviderContext,
  ProviderKind,
  ProviderSettings,
  Task,
} from '../../core/ports/providers.ts'
import type { Json } from '../../db/json.ts'
import { placeOf } from './find.ts'
import { type Graph, graphOf, notesOf, samplersIn, seedIn } from './graph.ts'
import { createInspect } from './inspect.ts'
import { nextNews, percentOf, type Run } from './news.ts'
import { type HistoryEntry, picturesIn } from './outcome.ts'
import { type ComfyServer, createServer, type Pace } from './server.ts'
import { startRun } from './start.ts'
import { stopRun } from './stop.ts'
import { readTicket, ticketOf } from './ticket.ts'

export const comfyui: ProviderKind = { name: 'comfyui', title: 'ComfyUI', needsKey: false, create: createComfyui }

const usualPace: Pace = { askMs: 10_000, busyMs: 3_000, submitMs: 30_000, pollMs: 2_000, lostMs: 1_000, idleMs: 30_000 }
const cancelMs = 15_000
const rememberedCancels = 1_000

export function createComfyui(
  { baseUrl, key }: Pick<ProviderSettings, 'baseUrl' | 'key'>,
  { log }: ProviderContext,
  pace: Pace = usualPace,
): ImageProvider {
  const urls = baseUrl.split(',').map((url) => url.trim().replace(/\/+$/, ''))
  const servers = [...new Set(urls.filter((url) => url !== ''))].map((url) => createServer({ url, key, pace, log }))
  const cancelled = new Set<string>()

  async function check(ticket: Json, task: Task, signal: AbortSignal): Promise<Progress> {
    const { server, id } = readTicket(servers, ticket)
    const run = server.news.follow(id, samplersIn(graphOf(task)))
    const restMs = pollInMs(run, pace)
    if (restMs > 0) await nextNews(run, restMs, signal)
    if (!run.over && pollInMs(run, pace) > 0) return pending(run, ticket)
    run.over = false
    const place = await placeOf(server, id, { lostMs: pace.lostMs, signal })
    run.askedAt = performance.now()
    run.position = place.at === 'queue' ? place.position : undefined
    if (place.at === 'running' || place.at === 'queue') return pending(run, ticket)
    server.news.forget(id)
    if (cancelled.delete(id)) throw new AppError('cancelled')
    if (place.at === 'nowhere') throw forgotten()
    return finish(server, { entry: place.entry, graph: graphOf(task), signal })
  }

  async function find(task: Task, signal: AbortSignal): Promise<Progress | 'never' | 'unknown'> {
    const places = await Promise.allSettled(
      servers.map((server) => placeOf(server, task.id, { lostMs: pace.lostMs, signal })),
    )
    signal.throwIfAborted()
    const at = places.findIndex((each) => each.status === 'fulfilled' && each.value.at !== 'nowhere')
    const server = servers[at]
    if (server) return { state: 'pending', ticket: ticketOf(server, task.id), waitMs: 0 }
    return places.every((each) => each.status === 'fulfilled') ? 'never' : 'unknown'
  }

  async function cancel(ticket: Json): Promise<void> {
    const { server, id } = readTicket(servers, ticket)
    cancelled.add(id)
    for (const oldest of cancelled) if (cancelled.size > rememberedCancels) cancelled.delete(oldest)
    await stopRun(server, id, AbortSignal.timeout(cancelMs))
  }

  return {
    name: 'comfyui',
    start: (task, signal) => startRun(servers, task, signal),
    check,
    find,
    cancel,
    test: async (signal) => void (await Promise.all(servers.map((server) => server.stats(signal)))),
    inspect: createInspect(servers),
    close: async () => void (await Promise.all(servers.map((server) => server.close()))),
  }
}

/** How long news will do before history and queue have to be asked. */
function pollInMs({ askedAt }: Run, { pollMs }: Pace): number {
  return askedAt === 0 ? 0 : askedAt + pollMs - performance.now()
}

function pending(run: Run, ticket: Json): Progress {
  const { position, preview } = run
  run.preview = undefined
  return { state: 'pending', ticket, waitMs: 0, position, percent: percentOf(run), preview }
}

interface Finished {
  entry: HistoryEntry
  graph: Graph
  signal: AbortSignal
}

async function finish(server: ComfyServer, { entry, graph, signal }: Finished): Promise<Progress> {
  const images = await Promise.all(picturesIn(entry).map((ref) => server.picture(ref, signal)))
  return { state: 'done', images, seed: seedIn(graph, entry.prompt[2]), notes: notesOf(graph) }
}

/** Nothing was paid, and it will not come any more. */
function forgotten(): AppError {
  const reason = 'the server was restarted and forgot the run'
  return new AppError('provider_failed', { provider: 'comfyui', reason }, { neverRan: true, final: true })
}
