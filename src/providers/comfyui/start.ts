/** Choosing a server, making the graph ready for it, and the one submission. */
import { AppError } from '../../core/errors.ts'
import type { Progress, Task } from '../../core/ports/providers.ts'
import { withRetries } from '../retry.ts'
import { fillFiles, fillRest, type Graph, graphOf, samplersIn } from './graph.ts'
import { mistakesIn, type NodeErrors } from './refusal.ts'
import type { ComfyServer } from './server.ts'
import { stopRun } from './stop.ts'
import { ticketOf } from './ticket.ts'

export async function startRun(servers: readonly ComfyServer[], task: Task, signal: AbortSignal): Promise<Progress> {
  const { server, graph } = await beforeAll(() => chooseServer(servers, task, signal))
  try {
    const names = await beforeAll(() => upload(server, task, signal))
    const run = server.news.follow(task.id, samplersIn(graph))
    await server.news.ready()
    signal.throwIfAborted()
    const { promptId, mistakes } = await server.submit(fillRest(graph, names), task.id, signal)
    if (nothingRemains(graph, mistakes)) throw await takeBack(server, { promptId, mistakes, signal })
    run.askedAt = performance.now()
    return { state: 'pending', ticket: ticketOf(server, promptId), waitMs: 0 }
  } finally {
    server.starting--
  }
}

/** The least busy of those that answer and have the files that the graph names; it counts as starting from then on. */
async function chooseServer(servers: readonly ComfyServer[], task: Task, signal: AbortSignal) {
  const asked = await Promise.allSettled(servers.map(async (server) => ({ server, busy: await server.busy(signal) })))
  signal.throwIfAborted()
  let there = asked.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  let error: unknown = awayError(asked.flatMap((each) => (each.status === 'rejected' ? [each.reason] : [])))
  for (;;) {
    const [best] = there.toSorted((a, b) => load(a) - load(b))
    if (!best) throw error
    const { server } = best
    server.starting++
    try {
      const choices = (classType: string, input: string) => server.choices(classType, input, signal)
      return { server, graph: await fillFiles(graphOf(task), choices) }
    } catch (thrown) {
      server.starting--
      signal.throwIfAborted()
      error = thrown
      there = there.filter((each) => each !== best)
    }
  }
}

const load = ({ server, busy }: { server: ComfyServer; busy: number }) => busy + server.starting

/** A refused key is for the operator to know; anything else is just absence. */
function awayError(errors: readonly unknown[]): AppError {
  const account = errors.find((error) => error instanceof AppError && error.kind === 'provider_account')
  if (account instanceof AppError) return account
  const reason = errors.length > 1 ? `none of the ${errors.length} servers answers` : 'the server does not answer'
  return new AppError('provider_failed', { provider: 'comfyui', reason }, { cause: errors[0] })
}

async function upload(server: ComfyServer, task: Task, signal: AbortSignal): Promise<string[]> {
  const names: string[] = []
  for (const [at, file] of task.images.entries()) {
    const name = `${task.id}-${at}.${file.type.replace('image/', '').replace('jpeg', 'jpg')}`
    // the same picture under the same name is kept once
    names.push(await withRetries(signal, () => server.upload(file, name, signal)))
  }
  return names
}

/** Whatever goes wrong before the submission, nothing was started. */
async function beforeAll<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const { kind, data, cause, retryAfterMs } = error
    throw new AppError(kind, data, { cause, retryAfterMs, neverRan: true })
  }
}

/** A server runs a graph as long as one of its outputs is good, even if that is not the one that makes pictures. */
function nothingRemains(graph: Graph, mistakes: NodeErrors): boolean {
  const bad = new Set(Object.entries(mistakes).flatMap(([node, each]) => [node, ...each.dependent_outputs]))
  const pictures = Object.entries(graph).filter(
    ([, { class_type: name }]) => /image/i.test(name) && /save|preview/i.test(name),
  )
  return pictures.length > 0 && pictures.every(([node]) => bad.has(node))
}

interface Accepted {
  promptId: string
  mistakes: NodeErrors
  signal: AbortSignal
}

async function takeBack(server: ComfyServer, { promptId, mistakes, signal }: Accepted): Promise<AppError> {
  await stopRun(server, promptId, signal).catch(() => undefined)
  const data = { provider: 'comfyui', reason: mistakesIn(mistakes) }
  return new AppError('provider_refused', data, { neverRan: true })
}
