/**
 * Asking a provider for one generation, at most once: a start is preceded by the intent in the row and followed by the
 * ticket; what happened to a start whose answer was lost is found out before anything else is done.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { Core } from '../core.ts'
import { AppError, asAppError, type ErrorKind } from '../errors.ts'
import { type Following, readTold } from '../events/news.ts'
import type { ImageFile, ImageType } from '../ports/images.ts'
import type { ImageRef } from '../ports/models.ts'
import type { Progress, Task } from '../ports/providers.ts'
import type { Provided } from '../providers/registry.ts'
import type { Narrator } from './narrate.ts'
import { type Generation, saveIntent, saveTicket } from './row.ts'

export interface Run {
  /** Aborts when the generation is over or no longer ours, or when this process must let go. */
  stop: AbortSignal
  /** Only the last of these. */
  leave: AbortSignal
  narrator: Narrator
}

type Done = Extract<Progress, { state: 'done' }>
type Pending = Extract<Progress, { state: 'pending' }>

const seekEveryMs = 2_000
/** Tries at saving a ticket: what it stands for has been paid. */
const mostSaves = 4
/** With less than this left the picture would come too late, and be paid for. */
const leastLeftMs = 5_000
/** A provider whose `check` itself waits for news must not turn this into a spin. */
const leastWaitMs = 5

/** Resolves when the pictures are there. */
export async function draw(
  core: Core,
  generation: Generation,
  provided: Provided,
  { stop, leave, narrator }: Run,
): Promise<Done> {
  const { provider, settings, breaker } = provided
  const over = new AbortController()
  const limitMs = Math.ceil(Math.max(1, Math.min(settings.timeoutMs, generation.leftMs)))
  const limit = AbortSignal.timeout(limitMs)
  const signal = AbortSignal.any([stop, limit, over.signal])
  // what can be cancelled is not broken off before we know by which ticket
  const starting = provider.cancel ? AbortSignal.any([leave, limit, over.signal]) : signal
  const news = core.news.follow(generation.id)
  const since = performance.now()
  const drew = (how: 'done' | ErrorKind) => core.meter?.drew(provider.name, how, (performance.now() - since) / 1000)
  try {
    let task = await taskOf(core, generation)
    let progress = await begin(core, generation, { provided, task, starting, signal, news })
    while (progress.state === 'pending') {
      await keepTicket(core, generation, progress, stop)
      narrator.progress(progress)
      const told = await news.wait(Math.max(leastWaitMs, progress.waitMs), signal)
      if (told) task = { ...task, webhookMessage: await readTold(core, generation.id) }
      if (!provider.check) throw new AppError('bad_result', { provider: provider.name })
      progress = await provider.check(progress.ticket, task, signal)
    }
    breaker.succeeded()
    drew('done')
    return progress
  } catch (error) {
    if (stop.aborted) throw error
    const known = limit.aborted
      ? new AppError('provider_timeout', { provider: provider.name }, { cause: error })
      : asAppError(error)
    drew(known.kind)
    const cutShort = known.kind === 'provider_timeout' && limit.aborted && limitMs < settings.timeoutMs
    if (failures.has(known.kind)) {
      // what ran out may have been the request's own time
      if (!cutShort) breaker.failed(generation.id)
    } else if (answers.has(known.kind)) breaker.succeeded()
    throw known
  } finally {
    // sockets and timers that the provider holds for this generation go with it
    over.abort()
    news.end()
  }
}

/** Trouble of the provider itself, and answers that show it to be well. */
const failures: ReadonlySet<ErrorKind> = new Set(['provider_failed', 'provider_timeout'])
const answers: ReadonlySet<ErrorKind> = new Set([
  'moderated',
  'provider_refused',
  'provider_account',
  'provider_quota',
  'bad_result',
])

interface Asking {
  provided: Provided
  task: Task
  /** For `start`. */
  starting: AbortSignal
  /** For everything after it. */
  signal: AbortSignal
  news: Following
}

async function begin(core: Core, generation: Generation, asking: Asking): Promise<Progress> {
  const { provided, task, signal } = asking
  const { provider } = provided
  if (generation.ticket !== null && provider.check) return provider.check(generation.ticket, task, signal)
  if (generation.submittedBefore && !provider.repeatable) {
    const found = await seek(core, generation, asking, generation.askedMs)
    if (found !== 'never') return found
  }
  return start(core, generation, asking)
}

async function start(core: Core, generation: Generation, asking: Asking): Promise<Progress> {
  const { provided, task, starting } = asking
  const { provider, breaker, title } = provided
  if (generation.leftMs < leastLeftMs) throw new AppError('deadline', {}, { neverRan: true })
  const restMs = breaker.restMs()
  if (restMs > 0) throw new AppError('provider_busy', { provider: title }, { neverRan: true, retryAfterMs: restMs })
  // refunded or taken by another meanwhile: nothing may be started
  if (!provider.repeatable && !(await saveIntent(core, generation)))
    throw new AppError('interrupted', {}, { neverRan: true })
  try {
    return await provider.start(task, starting)
  } catch (thrown) {
    const error = asAppError(thrown)
    if (starting.aborted || error.neverRan || provider.repeatable || !provider.find) throw thrown
    // it may have arrived although its answer did not
    core.log.warn(
      { id: generation.id, provider: provider.name, kind: error.kind, err: error.cause },
      'a start was not answered',
    )
    const found = await seek(core, generation, asking, 0)
    if (found !== 'never') return found
    throw new AppError(error.kind, error.data, { cause: error.cause, neverRan: true, retryAfterMs: error.retryAfterMs })
  }
}

/** `sinceMs`: how long ago it was asked. Throws AppError unresolved when nothing shows itself in time. */
async function seek(core: Core, generation: Generation, asking: Asking, sinceMs: number): Promise<Progress | 'never'> {
  const { provided, signal, news } = asking
  const { provider } = provided
  if (!provider.find) throw new AppError('unresolved')
  const until = Date.now() - sinceMs + core.limits.lostMs
  for (let { task } = asking; ; ) {
    const webhookMessage = await readTold(core, generation.id)
    task = { ...task, webhookMessage }
    const found = await provider.find(task, signal)
    if (found !== 'unknown') return found
    const leftMs = until - Date.now()
    if (leftMs <= 0) throw new AppError('unresolved')
    await news.wait(Math.min(seekEveryMs, leftMs), signal)
  }
}

async function keepTicket(core: Core, generation: Generation, { ticket }: Pending, stop: AbortSignal): Promise<void> {
  if (JSON.stringify(ticket) === JSON.stringify(generation.ticket)) return
  // known here before it is saved: whatever goes wrong, it can be cancelled
  generation.ticket = ticket
  for (let tries = 1; ; tries++) {
    try {
      if (await saveTicket(core, generation, ticket)) return
      break
    } catch (error) {
      if (tries === mostSaves) throw error
      await sleep(100 * 4 ** tries, undefined, { signal: stop })
    }
  }
  throw new AppError('interrupted')
}

async function taskOf(core: Core, generation: Generation): Promise<Task> {
  const model = core.models.all().find((each) => each.id === generation.model)
  const route = model?.routes.find(
    (each) => each.provider === generation.provider && each.endpoint === generation.endpoint,
  )
  if (!route)
    throw new AppError('provider_missing', { model: generation.model }, { neverRan: !generation.submittedBefore })
  const inputs = generation.request.images === 0 ? [] : await inputsOf(core, generation)
  const { promptLimit } = route.takes
  const prompt = fit(generation, promptLimit)
  const refs: ImageRef[] = inputs.map((_, at) => ({ $image: at }))
  return {
    id: generation.id,
    endpoint: generation.endpoint,
    input: route.input({ ...generation.request, prompt }, refs),
    images: inputs.map(({ file }) => file),
    imageUrls: core.store.reachable ? await linksTo(core, generation, inputs) : undefined,
    webhookMessage: generation.webhookMessage ?? undefined,
  }
}

/** A prompt that was made better may have become longer than the model takes; one that a person wrote has been checked. */
function fit(generation: Generation, limit = Number.POSITIVE_INFINITY): string {
  const prompt = generation.enhanced ?? generation.request.prompt
  if (prompt.length <= limit) return prompt
  generation.notes = [
    ...(generation.notes ?? []).filter(({ kind }) => kind !== 'prompt_cut'),
    { kind: 'prompt_cut', data: { limit, of: 'characters' } },
  ]
  return prompt.slice(0, limit).replace(/[\uD800-\uDBFF]$/, '')
}

interface Input {
  key: string
  file: ImageFile
}

function linksTo(core: Core, generation: Generation, inputs: readonly Input[]): Promise<string[]> {
  const ttlSeconds = Math.ceil(Math.max(60_000, generation.leftMs) / 1000)
  return Promise.all(inputs.map(({ key }) => core.store.link(key, ttlSeconds)))
}

async function inputsOf(core: Core, generation: Generation): Promise<Input[]> {
  const rows = await core.database.rows<{ key: string; type: ImageType; width: number; height: number }>(sql`
    select key, type, width, height from images where generation_id = ${generation.id} and role = 'input' order by position`)
  return Promise.all(
    rows.map(async ({ key, type, width, height }) => {
      const object = await core.store.get(key)
      if (!object) throw new AppError('input_lost', {}, { neverRan: true })
      return { key, file: { data: object.data, type, width, height } }
    }),
  )
}
