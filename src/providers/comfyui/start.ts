/** Starts a run: chooses a server, fills the graph for it, and submits it once. */
import { AppError } from '../../core/errors.ts'
import type { Progress, Task } from '../../core/ports/providers.ts'
import { withRetries } from '../retry.ts'
import { describeNodeErrors, type NodeErrors } from './errors.ts'
import { fillForServer, fillRest, type Graph, graphOf, resultNodesIn, samplersIn } from './graph.ts'
import { stopRun, ticketFor } from './runs.ts'
import type { ComfyServer } from './server.ts'

export async function startRun(servers: readonly ComfyServer[], task: Task, signal: AbortSignal): Promise<Progress> {
  const { server, graph } = await beforeSubmission(() => chooseServer(servers, task, signal))
  try {
    const pictures = await beforeSubmission(() => upload(server, task, signal))
    const run = server.events.follow(task.id, samplersIn(graph))
    await server.events.ready()
    signal.throwIfAborted()
    const { promptId, nodeErrors } = await server.submit(fillRest(graph, pictures), task.id, signal)
    if (allPicturesFail(graph, nodeErrors)) throw await withdraw(server, { promptId, nodeErrors, signal })
    run.polledAt = performance.now()
    return { state: 'pending', ticket: ticketFor(server, promptId), waitMs: 0 }
  } finally {
    server.starting--
  }
}

/**
 * The least busy of the servers that respond and have the model files of the graph. Increments its `starting`, which
 * the caller must decrement.
 */
async function chooseServer(servers: readonly ComfyServer[], task: Task, signal: AbortSignal) {
  const loads = await Promise.allSettled(servers.map(async (server) => ({ server, busy: await server.busy(signal) })))
  signal.throwIfAborted()
  let candidates = loads.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  let error: unknown = unavailableError(loads.flatMap((each) => (each.status === 'rejected' ? [each.reason] : [])))
  for (;;) {
    const [best] = candidates.toSorted((a, b) => load(a) - load(b))
    if (!best) throw error
    const { server } = best
    server.starting++
    try {
      return { server, graph: await fillForServer(graphOf(task), server.nodes, signal) }
    } catch (thrown) {
      server.starting--
      signal.throwIfAborted()
      error = thrown
      candidates = candidates.filter((each) => each !== best)
    }
  }
}

const load = ({ server, busy }: { server: ComfyServer; busy: number }) => busy + server.starting

/** A refused key is reported as such, because the operator can correct it; other errors only as unavailable servers. */
function unavailableError(errors: readonly unknown[]): AppError {
  const account = errors.find((error) => error instanceof AppError && error.kind === 'provider_account')
  if (account instanceof AppError) return account
  const reason = errors.length > 1 ? `none of the ${errors.length} servers answers` : 'the server does not answer'
  return new AppError('provider_failed', { provider: 'comfyui', reason }, { cause: errors[0] })
}

async function upload(server: ComfyServer, task: Task, signal: AbortSignal): Promise<string[]> {
  const names: string[] = []
  for (const [at, file] of task.images.entries()) {
    const name = `${task.id}-${at}.${file.type.replace('image/', '').replace('jpeg', 'jpg')}`
    // safe to retry: the server stores the same picture under the same name only once
    names.push(await withRetries(signal, () => server.upload(file, name, signal)))
  }
  return names
}

/** Adds to errors that nothing was started. */
async function beforeSubmission<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const { kind, data, cause, retryAfterMs } = error
    throw new AppError(kind, data, { cause, retryAfterMs, neverRan: true })
  }
}

/** A server accepts a graph if one of its outputs is valid, even if that output is not a picture. */
function allPicturesFail(graph: Graph, nodeErrors: NodeErrors): boolean {
  const failing = new Set(Object.entries(nodeErrors).flatMap(([node, each]) => [node, ...each.dependent_outputs]))
  const results = resultNodesIn(graph)
  const pictureNodes = Object.entries(graph).filter(([node, { class_type: name }]) =>
    results.length > 0 ? results.includes(node) : /image/i.test(name) && /save|preview/i.test(name),
  )
  return pictureNodes.length > 0 && pictureNodes.every(([node]) => failing.has(node))
}

interface Submitted {
  promptId: string
  nodeErrors: NodeErrors
  signal: AbortSignal
}

/** Stops a run that can produce no picture, and returns the error for it. */
async function withdraw(server: ComfyServer, { promptId, nodeErrors, signal }: Submitted): Promise<AppError> {
  await stopRun(server, promptId, signal).catch(() => undefined)
  const data = { provider: 'comfyui', reason: describeNodeErrors(nodeErrors) }
  return new AppError('provider_refused', data, { neverRan: true })
}
