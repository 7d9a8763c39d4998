/**
 * ComfyUI on the operator's own machines. A graph is submitted under the generation's id, so that a submission whose
 * response was lost can be found. The websocket reports progress; history and queue are authoritative. A server
 * keeps both in memory, so a run that is in neither was lost in a restart.
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
import { nextEvent, percentOf, type Run } from './events.ts'
import { graphOf, notesOf, randomSeedIn, resultNodesIn, samplersIn } from './graph.ts'
import { type HistoryEntry, picturesIn } from './history.ts'
import { createInspect } from './inspect.ts'
import { locateRun, readTicket, stopRun, ticketFor } from './runs.ts'
import { type ComfyServer, createServer, type Pace } from './server.ts'
import { startRun } from './start.ts'

export const comfyui: ProviderKind = {
  name: 'comfyui',
  title: 'ComfyUI',
  exampleUrl: 'http://127.0.0.1:8188',
  needsKey: false,
  create: createComfyui,
}

const usualPace: Pace = {
  callTimeoutMs: 10_000,
  busyTimeoutMs: 3_000,
  submitTimeoutMs: 30_000,
  pollMs: 2_000,
  recheckMs: 1_000,
  idleMs: 30_000,
}
const cancelTimeoutMs = 15_000
const rememberedCancellations = 1_000

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
    const run = server.events.follow(id, samplersIn(graphOf(task)))
    const restMs = nextPollInMs(run, pace)
    if (restMs > 0) await nextEvent(run, restMs, signal)
    if (!run.ended && nextPollInMs(run, pace) > 0) return pending(run, ticket)
    run.ended = false
    const location = await locateRun(server, id, { recheckMs: pace.recheckMs, signal })
    run.polledAt = performance.now()
    run.position = location.at === 'queue' ? location.position : undefined
    if (location.at === 'running' || location.at === 'queue') return pending(run, ticket)
    server.events.forget(id)
    if (cancelled.delete(id)) throw new AppError('cancelled')
    if (location.at === 'nowhere') throw lostRun()
    return download(server, { entry: location.entry, task, signal })
  }

  async function find(task: Task, signal: AbortSignal): Promise<Progress | 'never' | 'unknown'> {
    const locations = await Promise.allSettled(
      servers.map((server) => locateRun(server, task.id, { recheckMs: pace.recheckMs, signal })),
    )
    signal.throwIfAborted()
    const at = locations.findIndex((each) => each.status === 'fulfilled' && each.value.at !== 'nowhere')
    const server = servers[at]
    if (server) return { state: 'pending', ticket: ticketFor(server, task.id), waitMs: 0 }
    return locations.every((each) => each.status === 'fulfilled') ? 'never' : 'unknown'
  }

  async function cancel(ticket: Json): Promise<void> {
    const { server, id } = readTicket(servers, ticket)
    cancelled.add(id)
    for (const oldest of cancelled) if (cancelled.size > rememberedCancellations) cancelled.delete(oldest)
    await stopRun(server, id, AbortSignal.timeout(cancelTimeoutMs))
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

/** Time left until history and queue must be read, even without events. */
function nextPollInMs({ polledAt }: Run, { pollMs }: Pace): number {
  return polledAt === 0 ? 0 : polledAt + pollMs - performance.now()
}

function pending(run: Run, ticket: Json): Progress {
  const { position, preview } = run
  run.preview = undefined
  return { state: 'pending', ticket, waitMs: 0, position, percent: percentOf(run), preview }
}

interface Finished {
  entry: HistoryEntry
  task: Task
  signal: AbortSignal
}

async function download(server: ComfyServer, { entry, task, signal }: Finished): Promise<Progress> {
  const graph = graphOf(task)
  const refs = picturesIn(entry, resultNodesIn(graph))
  const images = await Promise.all(refs.map((ref) => server.picture(ref, signal, task.pictureBytes)))
  return { state: 'done', images, seed: randomSeedIn(graph, entry.prompt[2]), notes: notesOf(graph) }
}

/** Final, because no retry can bring the run back. Nothing was paid for it. */
function lostRun(): AppError {
  const reason = 'the server restarted and lost the run'
  return new AppError('provider_failed', { provider: 'comfyui', reason }, { neverRan: true, final: true })
}
