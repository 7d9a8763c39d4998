/**
 * A worker's part: queued → running → stored → delivered. Safe to run twice at any point and from any process: each step
 * starts from what the row says is done, and a step of an older attempt changes nothing.
 */
import { eq } from 'drizzle-orm'
import { generations } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import { AppError, asAppError } from '../errors.ts'
import { cancelAtProvider, showCancelled } from '../generation/cancel.ts'
import { deliver, deliverFailure, deliverUnseen, type FreshResult } from '../generation/deliver.ts'
import {
  awaitNews,
  backToQueue,
  type Generation,
  letGo,
  moveToRoute,
  saveFailure,
  saveStored,
  submittedSince,
} from '../generation/row.ts'
import { wake } from '../generation/submit.ts'
import { deleteObjects } from '../media/deletions.ts'
import { thumbnailEdge } from '../media/thumbnails.ts'
import type { ChatSurface } from '../ports/chat.ts'
import type { Route } from '../ports/models.ts'
import { routesFor } from '../request/check.ts'
import { continueTrace, note, type SpanFacts, traced, traceWait } from '../trace.ts'
import { type Attempt, afterFailure } from './after-failure.ts'
import { draw, type Run } from './draw.ts'
import { enhancePrompt } from './enhance.ts'
import type { Leases } from './leases.ts'
import { newsLeftMs } from './lost.ts'
import { narrateRun } from './narrate.ts'
import { type NewPicture, storePictures } from './store-pictures.ts'
import { takeUp } from './take-up.ts'

/** undefined: this job is over. Otherwise run it again later. */
type Retry = { retryInMs: number } | undefined

/** How many workers may die over one generation before it is given up. */
const maxAttempts = 12

/** `signal` aborts when this process must let go of its work, which another worker then continues. */
export async function perform(core: Core, leases: Leases, id: string, signal: AbortSignal): Promise<Retry> {
  const events = core.events.follow(id, ['ended'])
  try {
    const generation = await takeUp(core, id)
    if (generation === 'over') return undefined
    if ('retryInMs' in generation) return generation
    const { lost, done } = leases.hold(generation)
    const over = AbortSignal.any([signal, events.ended])
    const stop = AbortSignal.any([over, lost])
    const signals = { stop, over, leave: signal }
    return await inTrace(generation, () => proceed(core, generation, signals)).finally(done)
  } finally {
    events.stop()
  }
}

/** The trace began where the request was accepted, in any process. */
function inTrace(generation: Generation, work: () => Promise<Retry>): Promise<Retry> {
  const { traceparent, attempt, ageMs } = generation
  const facts = factsOf(generation)
  return continueTrace(traceparent, () => {
    if (attempt === 1) traceWait('queue', { ...facts, agoMs: ageMs })
    return traced('attempt', facts, work)
  })
}

const factsOf = ({ id, requestId, surface, model, provider, endpoint, attempt }: Generation): SpanFacts => ({
  id,
  requestId,
  surface,
  model,
  provider,
  endpoint,
  attempt,
})

async function proceed(core: Core, generation: Generation, signals: Omit<Run, 'narrator'>): Promise<Retry> {
  if (generation.state === 'stored') return deliver(core, generation)
  if (generation.error) return deliverFailure(core, generation)
  if (generation.leftMs <= 0) return fail(core, generation, new AppError('deadline'))
  if (attemptsOf(generation) > maxAttempts) return fail(core, generation, new AppError('interrupted'))
  const narrator = narrateRun(core, generation)
  let fresh: FreshResult | undefined
  try {
    fresh = await drawAndStore(core, generation, { ...signals, narrator })
  } catch (error) {
    await narrator.stop()
    return handleFailure(core, generation, signals.stop, error)
  }
  // an edit that is still under way must not overwrite the picture
  await narrator.stop()
  return fresh && deliver(core, generation, fresh)
}

/** Resolves to undefined when there is nothing to deliver here: it has ended, or another worker delivers its pictures. */
async function drawAndStore(core: Core, generation: Generation, run: Run): Promise<FreshResult | undefined> {
  const { request, model, provider, submittedBefore } = generation
  const provided = core.providers.get(provider)
  if (!provided) throw new AppError('provider_missing', { model }, { neverRan: !submittedBefore })
  await enhancePrompt(core, generation, run.stop)
  const drawn = await traced('draw', factsOf(generation), () => draw(core, generation, provided, run))
  const { images, flagged = [], seed, notes = [], ticket } = drawn
  if (images.length === 0) throw new AppError('bad_result', { provider })
  const surface = core.surfaces.get(generation.surface)
  const kept = await Promise.all(images.slice(0, request.count).map((bytes) => keep(core, bytes, surface)))
  const marked = kept.map((each, at) => (flagged[at] ? { ...each, file: { ...each.file, flagged: true } } : each))
  const files = marked.map(({ file }) => file)
  generation.seed = seed ?? request.seed ?? null
  generation.notes = [...(generation.notes ?? []), ...notes]
  if (ticket !== undefined) generation.ticket = ticket
  const pictures = await traced('store', { id: generation.id, count: files.length }, () =>
    storePictures(core, generation, marked),
  )
  // not while progress is being saved: saved after the end, it would stay. Then the pictures are stored first, as on chats
  const isSilent = surface?.isSilent && run.narrator.stopIfIdle()
  if (isSilent && (await deliverUnseen(core, generation, { files, pictures }))) return undefined
  const stored = await saveStored(core, generation, pictures)
  if (stored?.attempt === generation.attempt) return { files, balance: stored.balance }
  if (stored) await wake(core, jobOf(generation))
  else await cleanUp(core, generation)
  return undefined
}

/** A silent surface shows no thumbnail: it is made when it is first asked for (media/thumbnails.ts). */
async function keep({ images }: Core, bytes: Buffer, surface: ChatSurface | undefined): Promise<NewPicture> {
  return surface?.isSilent ? { file: await images.keep(bytes) } : images.keepWithThumbnail(bytes, thumbnailEdge)
}

/** Attempts that did more than look for news. */
const attemptsOf = ({ attempt, searches }: Generation) => attempt - searches

const jobOf = ({ id, provider, priority }: Generation) => ({ id, lane: provider, priority, resumed: true })

/**
 * Our write was refused. If the generation has ended, our objects and our work at the provider belong to nothing. If it is
 * open, another worker continues with both.
 */
async function cleanUp(core: Core, generation: Generation): Promise<void> {
  const { id, provider, ticket, request } = generation
  const [row] = await core.database.db
    .select({ state: generations.state })
    .from(generations)
    .where(eq(generations.id, id))
  if (row?.state !== 'failed' && row?.state !== 'cancelled') return
  await cancelAtProvider(core, provider, ticket)
  // an edit of ours may have followed the one that showed the cancellation
  if (row.state === 'cancelled') await showCancelled(core, generation)
  await deleteObjects(core, { id, pictures: request.count })
}

async function handleFailure(core: Core, generation: Generation, stop: AbortSignal, thrown: unknown): Promise<Retry> {
  if (stop.aborted) {
    return again(core, generation)
  }
  const error = asAppError(thrown)
  const { id, provider: name, attempt, ticket } = generation
  const next = nextRoute(core, generation)
  const decision = afterFailure(await attemptOf(core, generation, { next, error }), error)
  note({ outcome: decision.kind, error: error.kind })
  if (decision.kind === 'awaitNews') return { retryInMs: await awaitNews(core, generation, decision.retryInMs) }
  core.log.warn({ id, provider: name, kind: error.kind, attempt, err: error.cause ?? error }, 'an attempt failed')
  if (decision.kind === 'nextRoute' && next) return failOver(core, generation, error, next)
  if (decision.kind === 'restart') {
    return (await backToQueue(core, generation, decision.retryInMs)) ? decision : again(core, generation)
  }
  if (decision.kind === 'resume') {
    await letGo(core, generation, decision.retryInMs)
    return decision
  }
  // `draw` counts all other failures; only here is it known that no look for news follows
  if (error.kind === 'unresolved') core.meter?.drew(name, error.kind, submittedSince(generation) / 1000)
  if (decision.kind === 'giveUp' && decision.cancel) await cancelAtProvider(core, name, ticket)
  return fail(core, generation, error)
}

/** Leaves the row to its owner or the next worker, or cleans up after its end. */
async function again(core: Core, generation: Generation): Promise<Retry> {
  if (!(await letGo(core, generation, 0))) await cleanUp(core, generation)
  return { retryInMs: 1 }
}

async function attemptOf(
  core: Core,
  generation: Generation,
  { next, error }: { next: Route | undefined; error: AppError },
): Promise<Attempt> {
  const provided = core.providers.get(generation.provider)
  return {
    ...generation,
    attempt: attemptsOf(generation),
    submittedMs: submittedSince(generation),
    newsLeftMs: await newsLeftMs(core, generation, error),
    hasNextRoute: next !== undefined,
    repeatable: provided?.provider.repeatable ?? false,
    timeoutMs: provided?.settings.timeoutMs ?? 0,
    jitter: Math.random(),
  }
}

/** The first route that serves the very same request and was not tried. */
function nextRoute(core: Core, { model: id, request, provider, endpoint, tried }: Generation): Route | undefined {
  const model = core.models.all().find((each) => each.id === id)
  if (!model) return undefined
  const given = [...tried, { provider, endpoint }]
  return routesFor(core, model, request).find(
    (route) => !given.some((each) => each.provider === route.provider && each.endpoint === route.endpoint),
  )
}

async function failOver(core: Core, generation: Generation, error: AppError, next: Route): Promise<Retry> {
  const { id, provider, endpoint, priority } = generation
  const tried = [...generation.tried, { provider, endpoint, error: error.kind }]
  if (!(await moveToRoute(core, generation, { ...next, tried }))) return again(core, generation)
  core.log.warn({ id, from: provider, to: next.provider, kind: error.kind }, 'moved a request to another provider')
  await wake(core, { id, lane: next.provider, priority, resumed: true })
  return undefined
}

async function fail(core: Core, generation: Generation, { kind, data }: AppError): Promise<Retry> {
  // its text names the provider
  const { title } = core.providers.get(generation.provider) ?? {}
  const errorData = data.unreachable ? { ...data, title } : data
  if (!(await saveFailure(core, generation, { kind, data: errorData }))) return again(core, generation)
  return deliverFailure(core, { ...generation, error: kind, errorData })
}
