/**
 * A worker's part: queued → running → stored → delivered. Safe to run twice at any point and from any process: each
 * step starts from what the row says is done, and a step of an attempt that is no longer the latest changes nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { Core } from '../core.ts'
import { AppError, asAppError } from '../errors.ts'
import { watchEnd } from '../events/watch.ts'
import type { ImageFile } from '../ports/images.ts'
import { sayCancelled, stopProvider } from './cancel.ts'
import { deliver, deliverFailure } from './deliver.ts'
import { draw, type Run } from './draw.ts'
import { forgetObjects, outputKey } from './end.ts'
import { enhancePrompt } from './enhance.ts'
import { failOver } from './failover.ts'
import type { Leases } from './leases.ts'
import { narrateRun } from './narrate.ts'
import { backToQueue, type Generation, letGo, type StoredPicture, saveFailure, saveStored, takeUp } from './row.ts'

type Again = { retryInMs: number } | undefined

/** Times that workers may die over one generation before it is given up. */
const mostAttempts = 12
/** Starts that the provider refused for now. */
const mostStarts = 5
/** Times a finished result is fetched that turns out to be no picture. */
const mostFetches = 3
/** A provider that asks for a longer pause is not waited for: the person hears it at once. */
const mostPatienceMs = 60_000
const thumbnailEdge = 512

/** `signal` aborts when this process must let go: what is not finished is left for another. */
export async function perform(core: Core, leases: Leases, id: string, signal: AbortSignal): Promise<Again> {
  const watching = await watchEnd(core, id)
  try {
    const generation = await takeUp(core, id)
    if (generation === 'over') return undefined
    if ('retryInMs' in generation) return generation
    const { lost, done } = leases.hold(generation)
    const stop = AbortSignal.any([signal, lost, watching.ended])
    return await goOn(core, generation, { stop, leave: signal }).finally(done)
  } finally {
    watching.done()
  }
}

async function goOn(core: Core, generation: Generation, { stop, leave }: Omit<Run, 'narrator'>): Promise<Again> {
  if (generation.state === 'stored') return deliver(core, generation)
  if (generation.error) return deliverFailure(core, generation)
  if (generation.leftMs <= 0) return fail(core, generation, new AppError('deadline'))
  if (generation.attempt > mostAttempts) return fail(core, generation, new AppError('interrupted'))
  const narrator = narrateRun(core, generation)
  let files: ImageFile[]
  try {
    files = await drawAndStore(core, generation, { stop, leave, narrator })
  } catch (error) {
    await narrator.stop()
    return failed(core, generation, stop, error)
  }
  // an edit still under way must not overtake the picture
  await narrator.stop()
  return files.length === 0 ? undefined : deliver(core, generation, files)
}

async function drawAndStore(core: Core, generation: Generation, run: Run): Promise<ImageFile[]> {
  const provided = core.providers.get(generation.provider)
  if (!provided)
    throw new AppError('provider_missing', { model: generation.model }, { neverRan: !generation.submittedBefore })
  await enhancePrompt(core, generation, run.stop)
  const { images, seed, notes = [] } = await draw(core, generation, provided, run)
  if (images.length === 0) throw new AppError('bad_result', { provider: generation.provider })
  const files = await Promise.all(images.slice(0, generation.request.count).map((bytes) => core.images.keep(bytes)))
  generation.seed = seed ?? generation.request.seed ?? null
  generation.notes = [...(generation.notes ?? []), ...notes]
  const pictures = await putAll(core, generation, files)
  if (await saveStored(core, generation, pictures)) return files
  await cleanUp(core, generation)
  return []
}

async function putAll(core: Core, generation: Generation, files: ImageFile[]): Promise<StoredPicture[]> {
  const put = async (file: ImageFile, role: 'output' | 'thumbnail', position: number): Promise<StoredPicture> => {
    const { type, width, height, data } = file
    const key = outputKey(core, generation, role, position, type)
    await putPatiently(core, key, file)
    return { key, role, position, type, width, height, bytes: data.length }
  }
  const pairs = files.map(async (file, position) => [
    await put(file, 'output', position),
    await put(await core.images.thumbnail(file, thumbnailEdge), 'thumbnail', position),
  ])
  // all of them come to rest, so that whoever cleans up after one that failed finds the others
  await Promise.allSettled(pairs)
  return (await Promise.all(pairs)).flat()
}

/** The pictures may have cost money: a store that is away for a moment must not lose them. */
async function putPatiently(core: Core, key: string, file: ImageFile): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await core.store.put(key, file.data, file.type)
    } catch (error) {
      if (tries === 4) throw error
      await sleep(100 * 4 ** tries)
    }
  }
}

/**
 * Ended by another while we were drawing: what we stored belongs to nothing, and what we started is in nobody's row. Still
 * open: the other goes on with both.
 */
async function cleanUp(core: Core, generation: Generation): Promise<void> {
  const [row] = await core.database.rows<{ state: string }>(
    sql`select state from generations where id = ${generation.id}`,
  )
  if (row?.state !== 'failed' && row?.state !== 'cancelled') return
  await stopProvider(core, generation.provider, generation.ticket)
  // an edit of ours may have come after the one that said so
  if (row.state === 'cancelled') await sayCancelled(core, generation)
  await forgetObjects(core, { id: generation.id, count: generation.request.count })
}

async function failed(core: Core, generation: Generation, stop: AbortSignal, thrown: unknown): Promise<Again> {
  if (stop.aborted) {
    if (!(await letGo(core, generation))) await cleanUp(core, generation)
    return { retryInMs: 1 }
  }
  const error = asAppError(thrown)
  const log = {
    id: generation.id,
    provider: generation.provider,
    kind: error.kind,
    attempt: generation.attempt,
    err: error.cause ?? error,
  }
  core.log.warn(log, 'a generation did not succeed')
  if (await failOver(core, generation, error)) return undefined
  const provider = core.providers.get(generation.provider)?.provider
  const retryInMs = Math.max(
    error.retryAfterMs ?? 0,
    Math.min(30_000, 1000 * 2 ** (generation.attempt - 1)) * (0.5 + Math.random() / 2),
  )
  // a result that came damaged may come whole the next time, and it is paid for
  const again =
    error.retry ||
    (error.kind === 'bad_result' && !error.final && generation.ticket !== null && generation.attempt < mostFetches)
  const inTime = retryInMs < Math.min(generation.leftMs, mostPatienceMs)
  if (
    again &&
    inTime &&
    generation.attempt < mostStarts &&
    generation.ticket === null &&
    (error.neverRan || provider?.repeatable)
  ) {
    await backToQueue(core, generation, retryInMs)
    return { retryInMs }
  }
  // what is under way is asked after as long as it may take
  const mayTakeMs = core.providers.get(generation.provider)?.settings.timeoutMs ?? 0
  if (
    again &&
    inTime &&
    generation.ticket !== null &&
    error.kind !== 'provider_timeout' &&
    generation.runMs < mayTakeMs
  ) {
    await letGo(core, generation)
    return { retryInMs }
  }
  if (generation.ticket !== null && !error.final) await provider?.cancel?.(generation.ticket).catch(() => undefined)
  return fail(core, generation, error)
}

async function fail(core: Core, generation: Generation, error: AppError): Promise<Again> {
  if (!(await saveFailure(core, generation, error.kind, error.data))) {
    await cleanUp(core, generation)
    return undefined
  }
  return deliverFailure(core, { ...generation, error: error.kind, errorData: error.data })
}
