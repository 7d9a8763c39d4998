/**
 * A worker's part: queued → running → stored → delivered. Safe to run twice at any point and from any process: each
 * step starts from what the row says is done, and a step of an attempt that is no longer the latest changes nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { sayCancelled, stopProvider } from './cancel.ts'
import type { Core } from './core.ts'
import { deliver, deliverFailure } from './deliver.ts'
import { draw, type Run } from './draw.ts'
import { forgetObjects, outputKey } from './end.ts'
import { enhancePrompt } from './enhance.ts'
import { AppError, asAppError } from './errors.ts'
import { failOver } from './failover.ts'
import {
  backToQueue,
  type Generation,
  letGo,
  type StoredPicture,
  saveFailure,
  saveStored,
  takeUp,
} from './generation.ts'
import type { Leases } from './leases.ts'
import { narrateRun } from './narrate.ts'
import type { ImageFile } from './ports.ts'
import { watchEnd } from './watch.ts'

type Again = { againMs: number } | undefined

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
    const g = await takeUp(core, id)
    if (g === 'over') return undefined
    if ('againMs' in g) return g
    const { lost, done } = leases.hold(g)
    const stop = AbortSignal.any([signal, lost, watching.ended])
    return await goOn(core, g, { stop, leave: signal }).finally(done)
  } finally {
    watching.done()
  }
}

async function goOn(core: Core, g: Generation, { stop, leave }: Omit<Run, 'narrator'>): Promise<Again> {
  if (g.state === 'stored') return deliver(core, g)
  if (g.error) return deliverFailure(core, g)
  if (g.leftMs <= 0) return fail(core, g, new AppError('deadline'))
  if (g.attempt > mostAttempts) return fail(core, g, new AppError('interrupted'))
  const narrator = narrateRun(core, g)
  let files: ImageFile[]
  try {
    files = await drawAndStore(core, g, { stop, leave, narrator })
  } catch (error) {
    await narrator.stop()
    return failed(core, g, stop, error)
  }
  // an edit still under way must not overtake the picture
  await narrator.stop()
  return files.length === 0 ? undefined : deliver(core, g, files)
}

async function drawAndStore(core: Core, g: Generation, run: Run): Promise<ImageFile[]> {
  const provided = core.providers.get(g.provider)
  if (!provided) throw new AppError('provider_missing', { model: g.model }, { neverRan: !g.submittedBefore })
  await enhancePrompt(core, g, run.stop)
  const { images, seed, notes = [] } = await draw(core, g, provided, run)
  if (images.length === 0) throw new AppError('bad_result', { provider: g.provider })
  const files = await Promise.all(images.slice(0, g.request.count).map((bytes) => core.images.keep(bytes)))
  g.seed = seed ?? g.request.seed ?? null
  g.notes = [...(g.notes ?? []), ...notes]
  const pictures = await putAll(core, g, files)
  if (await saveStored(core, g, pictures)) return files
  await cleanUp(core, g)
  return []
}

async function putAll(core: Core, g: Generation, files: ImageFile[]): Promise<StoredPicture[]> {
  const put = async (file: ImageFile, role: 'output' | 'thumbnail', position: number): Promise<StoredPicture> => {
    const { type, width, height, data } = file
    const key = outputKey(core, g, role, position, type)
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
async function cleanUp(core: Core, g: Generation): Promise<void> {
  const [row] = await core.database.rows<{ state: string }>(sql`select state from generations where id = ${g.id}`)
  if (row?.state !== 'failed' && row?.state !== 'cancelled') return
  await stopProvider(core, g.provider, g.ticket)
  // an edit of ours may have come after the one that said so
  if (row.state === 'cancelled') await sayCancelled(core, g)
  await forgetObjects(core, { id: g.id, count: g.request.count })
}

async function failed(core: Core, g: Generation, stop: AbortSignal, thrown: unknown): Promise<Again> {
  if (stop.aborted) {
    if (!(await letGo(core, g))) await cleanUp(core, g)
    return { againMs: 1 }
  }
  const error = asAppError(thrown)
  const log = { id: g.id, provider: g.provider, kind: error.kind, attempt: g.attempt, err: error.cause ?? error }
  core.log.warn(log, 'a generation did not succeed')
  if (await failOver(core, g, error)) return undefined
  const provider = core.providers.get(g.provider)?.provider
  const againMs = Math.max(
    error.retryAfterMs ?? 0,
    Math.min(30_000, 1000 * 2 ** (g.attempt - 1)) * (0.5 + Math.random() / 2),
  )
  // a result that came damaged may come whole the next time, and it is paid for
  const again =
    error.retry || (error.kind === 'bad_result' && !error.over && g.ticket !== null && g.attempt < mostFetches)
  const inTime = againMs < Math.min(g.leftMs, mostPatienceMs)
  if (again && inTime && g.attempt < mostStarts && g.ticket === null && (error.neverRan || provider?.repeatable)) {
    await backToQueue(core, g, againMs)
    return { againMs }
  }
  // what is under way is asked after as long as it may take
  const mayTakeMs = core.providers.get(g.provider)?.settings.timeoutMs ?? 0
  if (again && inTime && g.ticket !== null && error.kind !== 'provider_timeout' && g.runMs < mayTakeMs) {
    await letGo(core, g)
    return { againMs }
  }
  if (g.ticket !== null && !error.over) await provider?.cancel?.(g.ticket).catch(() => undefined)
  return fail(core, g, error)
}

async function fail(core: Core, g: Generation, error: AppError): Promise<Again> {
  if (!(await saveFailure(core, g, error.kind, error.data))) {
    await cleanUp(core, g)
    return undefined
  }
  return deliverFailure(core, { ...g, error: error.kind, errorData: error.data })
}
