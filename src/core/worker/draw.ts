/**
 * Submits one generation to its provider, at most once, and waits for the pictures. The intent is saved right before the
 * submission and the ticket right after; a submission whose answer was lost is resolved before anything else happens. An
 * answer that comes late, to a worker that has lost the row, is kept as well: it stands for work that is paid for.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Json } from '../../db/json.ts'
import type { Core } from '../core.ts'
import { AppError, asAppError, type ErrorKind } from '../errors.ts'
import { cancelAtProvider } from '../generation/cancel.ts'
import { readWebhookMessage } from '../generation/provider-webhook.ts'
import { adoptTicket, type Generation, minLeftMs, saveIntent, saveTicket } from '../generation/row.ts'
import { wake } from '../generation/submit.ts'
import type { Progress, ShowPreview, Task } from '../ports/providers.ts'
import type { Provided } from '../providers/registry.ts'
import { note, traced } from '../trace.ts'
import type { Narrator } from './narrate.ts'
import { taskOf } from './task.ts'

export interface Run {
  /** Aborts when the generation has ended or is no longer ours, or when this process must let go of its work. */
  stop: AbortSignal
  /** Aborts when the generation has ended, or when this process must let go of its work. */
  over: AbortSignal
  /** Aborts only when this process must let go of its work. */
  leave: AbortSignal
  narrator: Narrator
}

type Done = Extract<Progress, { state: 'done' }>
type Pending = Extract<Progress, { state: 'pending' }>

/** Tries to save a ticket, which stands for work that is paid for. */
const maxSaves = 4
/** A provider whose `check` itself waits must not turn the loop into a spin. */
const minWaitMs = 5
/** Made once: a new error for each drawing would cost a stack trace. */
const drawingIsOver = new Error('the drawing is over')

/** Resolves when the pictures are there. */
export async function draw(
  core: Core,
  generation: Generation,
  provided: Provided,
  { stop, over: ended, leave, narrator }: Run,
): Promise<Done> {
  const { provider, settings, breaker } = provided
  const over = new AbortController()
  const limitMs = Math.ceil(Math.max(1, Math.min(settings.timeoutMs, generation.leftMs)))
  const limit = AbortSignal.timeout(limitMs)
  const signal = AbortSignal.any([stop, limit, over.signal])
  // a submission that can be cancelled is not aborted before its ticket is known, and none for the loss of the row
  const submitting = AbortSignal.any([provider.cancel ? leave : ended, limit, over.signal])
  const events = core.events.follow(generation.id, ['webhook'])
  const since = performance.now()
  const count = (how: 'done' | ErrorKind) => core.meter?.drew(provider.name, how, (performance.now() - since) / 1000)
  const poll = async (first: Pending, submitted: Task): Promise<Done> => {
    let progress: Progress = first
    let task = submitted
    for (let calls = 1; progress.state === 'pending'; calls++) {
      await keepTicket(core, generation, progress, leave)
      narrator.progress(progress)
      const called = await events.wait(Math.max(minWaitMs, progress.waitMs), signal)
      if (called) task = { ...task, webhookMessage: await readWebhookMessage(core, generation.id) }
      if (!provider.check) throw new AppError('bad_result', { provider: provider.name })
      note({ count: calls })
      progress = await provider.check(progress.ticket, task, signal)
    }
    return progress
  }
  try {
    const task = await taskOf(core, generation)
    const show = (preview: Buffer) => narrator.progress({ preview })
    const first = await begin(core, generation, { provided, task, submitting, signal, show })
    const facts = { provider: provider.name }
    const done = first.state === 'done' ? first : await traced('poll', facts, () => poll(first, task))
    breaker.succeeded()
    count('done')
    return done
  } catch (thrown) {
    if (stop.aborted) throw thrown
    const error = limit.aborted
      ? new AppError('provider_timeout', { provider: provider.name }, { cause: thrown })
      : asAppError(thrown)
    // counted when the request is given up (perform.ts), not for each look for news
    if (error.kind !== 'unresolved') count(error.kind)
    // the time that ran out may have been the request's own
    const deadlineCame = limit.aborted && limitMs < settings.timeoutMs
    if (providerFailures.has(error.kind)) {
      if (!deadlineCame) breaker.failed(generation.id)
    } else if (providerAnswers.has(error.kind)) breaker.succeeded()
    throw error
  } finally {
    // closes the sockets and timers that the provider holds for this generation
    over.abort(drawingIsOver)
    events.stop()
  }
}

/** Faults of the provider itself. */
const providerFailures: ReadonlySet<ErrorKind> = new Set(['provider_failed', 'provider_timeout'])
/** Errors that show the provider to be working. */
const providerAnswers: ReadonlySet<ErrorKind> = new Set([
  'moderated',
  'provider_refused',
  'provider_account',
  'provider_quota',
  'work_gone',
  'bad_result',
])

interface Submission {
  provided: Provided
  task: Task
  /** For `start`. */
  submitting: AbortSignal
  /** For everything after it. */
  signal: AbortSignal
  show: ShowPreview
}

async function begin(core: Core, generation: Generation, submission: Submission): Promise<Progress> {
  const { provided, task, signal } = submission
  const { provider } = provided
  if (generation.ticket !== null && provider.check) return provider.check(generation.ticket, task, signal)
  if (generation.submittedBefore && !provider.repeatable) {
    const found = await find(core, generation, submission)
    if (found !== 'never') return found
  }
  return submit(core, generation, submission)
}

async function submit(core: Core, generation: Generation, submission: Submission): Promise<Progress> {
  const { provided, task, submitting, signal, show } = submission
  const { provider, breaker, title } = provided
  if (generation.leftMs < minLeftMs) throw new AppError('deadline', {}, { neverRan: true })
  const restMs = breaker.restMs()
  if (restMs > 0) throw new AppError('provider_busy', { provider: title }, { neverRan: true, retryAfterMs: restMs })
  // refunded or taken by another worker meanwhile: nothing may be submitted
  if (generation.intent !== null) signal.throwIfAborted()
  if (!provider.repeatable && !(await saveIntent(core, generation))) {
    throw new AppError('interrupted', {}, { neverRan: true })
  }
  try {
    const facts = { provider: provider.name, endpoint: task.endpoint }
    return await traced('submit', facts, () => provider.start(task, submitting, show))
  } catch (thrown) {
    const error = asAppError(thrown)
    if (submitting.aborted || submission.signal.aborted || error.neverRan || provider.repeatable || !provider.find)
      throw thrown
    // the submission may have arrived although its answer did not
    core.log.warn(
      { id: generation.id, provider: provider.name, kind: error.kind, err: error.cause },
      'a submission was not answered; looking for it at the provider',
    )
    const found = await find(core, generation, submission)
    if (found !== 'never') return found
    throw new AppError(error.kind, error.data, { cause: error.cause, neverRan: true, retryAfterMs: error.retryAfterMs })
  }
}

/** Throws AppError unresolved while its fate is unknown; final, if this provider cannot report on it. */
async function find(core: Core, generation: Generation, submission: Submission): Promise<Progress | 'never'> {
  const { provided, task, signal } = submission
  if (!provided.provider.find) throw new AppError('unresolved', {}, { final: true })
  const webhookMessage = await readWebhookMessage(core, generation.id)
  const found = await provided.provider.find({ ...task, webhookMessage }, signal)
  if (found === 'unknown') throw new AppError('unresolved')
  return found
}

async function keepTicket(core: Core, generation: Generation, { ticket }: Pending, leave: AbortSignal): Promise<void> {
  if (JSON.stringify(ticket) === JSON.stringify(generation.ticket)) return
  const isFirst = generation.ticket === null
  // kept in memory first: if saving fails, the work can still be cancelled
  generation.ticket = ticket
  for (let tries = 1; ; tries++) {
    try {
      if (await saveTicket(core, generation, ticket)) return
      if (isFirst) await handOver(core, generation, ticket)
      break
    } catch (error) {
      if (tries === maxSaves) throw error
      await sleep(100 * 4 ** tries, undefined, { signal: leave })
    }
  }
  // final: the work goes on without us
  throw new AppError('interrupted', {}, { final: true })
}

/** The row was lost before the provider answered: its owner goes on with the ticket, or nothing does. */
async function handOver(core: Core, generation: Generation, ticket: Json): Promise<void> {
  const job = await adoptTicket(core, generation, ticket)
  if (job) return wake(core, job)
  await cancelAtProvider(core, generation.provider, ticket)
  generation.ticket = null
}
