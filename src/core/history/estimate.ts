/** How long a request will still take, by how long recent ones took. */
import type { Core } from '../core.ts'
import type { Accepted } from '../generation/accept.ts'
import { hasEnded, type Outcome } from './outcome.ts'

type Asked = Pick<Outcome, 'model' | 'provider' | 'endpoint'>

/** Percent from which the progress says more than earlier requests. */
const tellingPercent = 10

/** Whole seconds, at least 1. null: it has ended, or no recent request used the same model and route. */
export async function estimateOf(core: Core, outcome: Outcome): Promise<number | null> {
  const { state, position, percent, startedAt } = outcome
  if (hasEnded(state)) return null
  const elapsed = startedAt === null ? 0 : (Date.now() - startedAt.getTime()) / 1000
  const seconds = await (state === 'queued'
    ? secondsInQueue(core, outcome, position ?? 1)
    : secondsLeft(core, outcome, { elapsed, percent: percent ?? undefined }))
  return seconds === undefined ? null : wholeSeconds(seconds)
}

/**
 * What a request that was just accepted has to expect. Empty: others do not keep it waiting, so that its first message need
 * not speak of a place.
 */
export async function firstWait(
  core: Core,
  { job, endpoint, request }: Pick<Accepted, 'job' | 'endpoint' | 'request'>,
): Promise<{ place?: number; seconds?: number }> {
  const { lane: provider, priority } = job
  const slots = core.providers.get(provider)?.settings.concurrency ?? 1
  const place = await core.expectations.queued(provider, priority)
  if (place <= slots) return {}
  const seconds = await secondsInQueue(core, { model: request.model, provider, endpoint }, place)
  return { place, seconds: roughly(seconds) }
}

/** Until the pictures are there, from a place in its provider's queue. undefined: nothing comparable was measured. */
export async function secondsInQueue(core: Core, asked: Asked, place: number): Promise<number | undefined> {
  const usual = await core.expectations.usual(asked)
  const slots = core.providers.get(asked.provider)?.settings.concurrency ?? 1
  return usual === undefined ? undefined : Math.ceil(place / slots) * usual
}

interface Progress {
  /** Seconds since it was started. */
  elapsed: number
  /** Absent: unknown. */
  percent?: number
}

/** Negative: it takes longer than usual. undefined: nothing comparable was measured. */
export async function secondsLeft(
  core: Core,
  asked: Asked,
  { elapsed, percent = 0 }: Progress,
): Promise<number | undefined> {
  if (percent >= tellingPercent) return (elapsed * (100 - percent)) / percent
  const usual = await core.expectations.usual(asked)
  return usual === undefined ? undefined : usual - elapsed
}

const wholeSeconds = (seconds: number) => Math.max(1, Math.ceil(seconds))

/**
 * As people say it, so that a message that shows it does not change every second: steps of 5 s, from 30 s of 10 s, from
 * 100 s of minutes. undefined: there is nothing to say.
 */
export function roughly(seconds: number | undefined): number | undefined {
  if (seconds === undefined || seconds <= 0) return undefined
  const step = seconds > 100 ? 60 : seconds > 30 ? 10 : 5
  return Math.ceil(seconds / step) * step
}
