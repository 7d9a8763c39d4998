/** Estimates how long a request will still take from how long recent ones took. */
import type { Core } from '../core.ts'
import type { Accepted } from '../generation/accept.ts'
import { hasEnded, type Outcome } from './outcome.ts'

type Asked = Pick<Outcome, 'model' | 'provider' | 'endpoint'>

/** From this percentage on, a request's own progress is a better measure than earlier requests. */
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
 * The place and the waiting time of a request that was just accepted. Empty: no other request keeps it waiting, so its first
 * message shows no place.
 */
export async function firstWait(
  core: Core,
  { job, endpoint, request }: Pick<Accepted, 'job' | 'endpoint' | 'request'>,
): Promise<{ place?: number; seconds?: number }> {
  const { lane: provider, priority } = job
  const slots = core.providers.get(provider)?.settings.concurrency ?? 1
  const { queued, running } = await core.expectations.before(provider, priority)
  if (queued + running <= slots) return {}
  // free places take the first ones at once
  const place = Math.max(1, Math.min(queued, queued + running - slots))
  const seconds = await secondsInQueue(core, { model: request.model, provider, endpoint }, place)
  return { place, seconds: roughly(seconds) }
}

/** Seconds until the pictures are there, from a place in the provider's queue. undefined: nothing comparable was measured. */
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
 * Rounded up, so that a message that shows it does not change every second: in steps of 5 s, above 30 s of 10 s, and above
 * 100 s of a minute. undefined: the time is unknown or over.
 */
export function roughly(seconds: number | undefined): number | undefined {
  if (seconds === undefined || seconds <= 0) return undefined
  const step = seconds > 100 ? 60 : seconds > 30 ? 10 : 5
  return Math.ceil(seconds / step) * step
}
