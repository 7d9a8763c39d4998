/**
 * A worker's part: queued → running → stored → delivered. Safe to run twice at any point and from any process: each
 * step starts from what the row says is done, and a step of an attempt that is no longer the latest changes nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { Core } from './core.ts'
import { deliver, deliverFailure } from './deliver.ts'
import { forgetObjects, outputKey } from './end.ts'
import { AppError, asAppError } from './errors.ts'
import {
  backToQueue,
  type Generation,
  letGo,
  type StoredPicture,
  saveFailure,
  saveStored,
  saveTicket,
  takeUp,
} from './generation.ts'
import type { Leases } from './leases.ts'
import { type Narrator, narrateRun } from './narrate.ts'
import type { ImageFile, ImageProvider, ImageType, Progress, Task } from './ports.ts'

type Again = { againMs: number } | undefined

/** Times that workers may die over one generation before it is given up. */
const mostAttempts = 12
/** Starts that the provider refused for now. */
const mostStarts = 5
const thumbnailEdge = 512

/** `signal` aborts when this process must let go: what is not finished is left for another. */
export async function perform(core: Core, leases: Leases, id: string, signal: AbortSignal): Promise<Again> {
  const g = await takeUp(core, id)
  if (g === 'over') return undefined
  if ('againMs' in g) return g
  const { lost, done } = leases.hold(g)
  try {
    return await goOn(core, g, AbortSignal.any([signal, lost]))
  } finally {
    done()
  }
}

async function goOn(core: Core, g: Generation, stop: AbortSignal): Promise<Again> {
  if (g.state === 'stored') return deliver(core, g)
  if (g.error) return deliverFailure(core, g)
  if (g.leftMs <= 0) return fail(core, g, new AppError('deadline'))
  if (g.attempt > mostAttempts) return fail(core, g, new AppError('interrupted'))
  const narrator = narrateRun(core, g)
  let files: ImageFile[]
  try {
    files = await drawAndStore(core, g, { stop, narrator })
  } catch (error) {
    await narrator.stop()
    return failed(core, g, stop, error)
  }
  // an edit still under way must not overtake the picture
  await narrator.stop()
  return files.length === 0 ? undefined : deliver(core, g, files)
}

async function drawAndStore(core: Core, g: Generation, run: Run): Promise<ImageFile[]> {
  const provider = core.providers.get(g.provider)
  if (!provider) throw new AppError('provider_missing', { model: g.model })
  const { images, seed } = await draw(core, g, provider, run)
  if (images.length === 0) throw new AppError('bad_result', { provider: g.provider })
  const files = await Promise.all(images.slice(0, g.request.count).map((bytes) => core.images.keep(bytes)))
  g.seed = seed ?? g.request.seed ?? null
  const pictures = await putAll(core, g, files)
  if (await saveStored(core, g, pictures, g.seed ?? undefined)) return files
  await forgetIfEnded(core, g)
  return []
}

interface Run {
  stop: AbortSignal
  narrator: Narrator
}

/** Asks the provider, or asks after what was started before; resolves when the pictures are there. */
async function draw(core: Core, g: Generation, provider: ImageProvider, { stop, narrator }: Run): Promise<Done> {
  if (g.submittedBefore && g.ticket === null && !provider.repeatable) throw new AppError('unresolved')
  const task = await taskOf(core, g)
  const limit = AbortSignal.timeout(Math.max(1, Math.min(core.limits.providerMs, g.leftMs)))
  const signal = AbortSignal.any([stop, limit])
  try {
    let progress: Progress =
      g.ticket === null || !provider.check
        ? await provider.start(task, signal)
        : await provider.check(g.ticket, task, signal)
    while (progress.state === 'pending') {
      if (JSON.stringify(progress.ticket) !== JSON.stringify(g.ticket)) {
        if (!(await saveTicket(core, g, progress.ticket))) stop.throwIfAborted()
        g.ticket = progress.ticket
      }
      narrator.progress(progress)
      await sleep(progress.waitMs, undefined, { signal })
      if (!provider.check) throw new AppError('bad_result', { provider: g.provider })
      progress = await provider.check(progress.ticket, task, signal)
    }
    return progress
  } catch (error) {
    if (limit.aborted && !stop.aborted) {
      throw new AppError('provider_timeout', { provider: g.provider }, { cause: error })
    }
    throw error
  }
}

type Done = Extract<Progress, { state: 'done' }>

async function taskOf(core: Core, g: Generation): Promise<Task> {
  const model = core.models.find((each) => each.id === g.model)
  const route = model?.routes.find((each) => each.provider === g.provider && each.endpoint === g.endpoint)
  if (!route) throw new AppError('provider_missing', { model: g.model })
  const images = g.request.images === 0 ? [] : await inputsOf(core, g)
  return { id: g.id, endpoint: g.endpoint, input: route.input(g.request), images }
}

async function inputsOf(core: Core, g: Generation): Promise<ImageFile[]> {
  const rows = await core.database.rows<{ key: string; type: ImageType; width: number; height: number }>(sql`
    select key, type, width, height from images where generation_id = ${g.id} and role = 'input' order by position`)
  return Promise.all(
    rows.map(async ({ key, type, width, height }) => {
      const object = await core.store.get(key)
      if (!object) throw new AppError('input_lost')
      return { data: object.data, type, width, height }
    }),
  )
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

/** Ended by another while we were drawing: what we stored belongs to nothing. Still open: the other overwrites it. */
async function forgetIfEnded(core: Core, g: Generation): Promise<void> {
  const [row] = await core.database.rows<{ state: string }>(sql`select state from generations where id = ${g.id}`)
  if (row?.state === 'failed' || row?.state === 'cancelled') await forgetObjects(core, g)
}

async function failed(core: Core, g: Generation, stop: AbortSignal, thrown: unknown): Promise<Again> {
  if (stop.aborted) {
    await letGo(core, g, true)
    return { againMs: 1 }
  }
  const error = asAppError(thrown)
  const log = { id: g.id, provider: g.provider, kind: error.kind, attempt: g.attempt, err: error.cause ?? error }
  core.log.warn(log, 'a generation did not succeed')
  const provider = core.providers.get(g.provider)
  const againMs = Math.max(
    error.retryAfterMs ?? 0,
    Math.min(30_000, 1000 * 2 ** (g.attempt - 1)) * (0.5 + Math.random() / 2),
  )
  const worthIt = error.retry && g.attempt < mostStarts && againMs < g.leftMs
  if (worthIt && g.ticket !== null && error.kind !== 'provider_timeout') {
    await letGo(core, g, true)
    return { againMs }
  }
  if (worthIt && g.ticket === null && (provider?.repeatable || error.neverRan)) {
    await backToQueue(core, g, againMs)
    return { againMs }
  }
  if (g.ticket !== null) await provider?.cancel?.(g.ticket).catch(() => undefined)
  return fail(core, g, error)
}

async function fail(core: Core, g: Generation, error: AppError): Promise<Again> {
  if (!(await saveFailure(core, g, error.kind, error.data))) return undefined
  return deliverFailure(core, { ...g, error: error.kind, errorData: error.data })
}
