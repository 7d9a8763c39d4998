/** What happens to a generation whose attempt failed. A pure decision, since money depends on it. */
import type { AppError, ErrorKind } from '../errors.ts'
import type { Generation } from '../generation/row.ts'

/**
 * nextRoute: submit to another provider · restart: submit to the same one again · resume: ask the same one about the work
 * under way · awaitNews: look again for a submission that was not answered · giveUp: fail and refund, `cancel` first what is
 * under way.
 */
export type Decision =
  | { kind: 'nextRoute' }
  | { kind: 'restart' | 'resume' | 'awaitNews'; retryInMs: number }
  | { kind: 'giveUp'; cancel: boolean }

export interface Attempt extends Pick<Generation, 'attempt' | 'ticket' | 'leftMs' | 'runMs'> {
  /** Another route of the model serves the very same request, and was not tried. */
  hasNextRoute: boolean
  /** The provider: submitting twice costs and changes nothing. */
  repeatable: boolean
  /** The provider: how long one generation may take. */
  timeoutMs: number
  /** Since the submission. */
  submittedMs: number
  /** How much longer news of a submission that was not answered may come. */
  newsLeftMs: number
  /** Of a random pause, 0 to 1: restarts of many generations must not coincide. */
  jitter: number
}

type Failure = Pick<AppError, 'kind' | 'retry' | 'final' | 'neverRan' | 'retryAfterMs'>

/** Submissions that a provider may refuse for now. */
const maxSubmissions = 5
/** Times a finished result is fetched again that turned out to be no picture. */
const maxFetches = 3
/** A provider that asks for a longer pause is not waited for: the person learns of it at once. */
const maxPauseMs = 60_000
/** Pauses between two looks for a submission that was not answered; they grow with its age. */
const newsPauseMs = { least: 2_000, most: 15_000 }

/** Faults of a provider, not of the request: another provider may serve it. */
const providerFaults: ReadonlySet<ErrorKind> = new Set([
  'provider_missing',
  'provider_busy',
  'provider_failed',
  'provider_timeout',
  'provider_account',
  'provider_quota',
])

export function afterFailure(attempt: Attempt, error: Failure): Decision {
  if (error.neverRan && providerFaults.has(error.kind) && attempt.hasNextRoute) return { kind: 'nextRoute' }
  if (mayAwaitNews(attempt, error)) return { kind: 'awaitNews', retryInMs: newsPauseOf(attempt) }
  const retryInMs = pauseOf(attempt, error)
  const inTime = retryInMs < Math.min(attempt.leftMs, maxPauseMs)
  if (inTime && mayRestart(attempt, error)) return { kind: 'restart', retryInMs }
  if (inTime && mayResume(attempt, error)) return { kind: 'resume', retryInMs }
  return { kind: 'giveUp', cancel: attempt.ticket !== null && !error.final }
}

/** Doubles with each attempt, and never falls below what the provider asked for. */
function pauseOf({ attempt, jitter }: Attempt, { retryAfterMs = 0 }: Failure): number {
  const backoffMs = Math.min(30_000, 1000 * 2 ** (attempt - 1)) * (0.5 + jitter / 2)
  return Math.max(retryAfterMs, backoffMs)
}

const mayAwaitNews = ({ ticket, newsLeftMs, leftMs }: Attempt, { kind }: Failure) =>
  kind === 'unresolved' && ticket === null && Math.min(newsLeftMs, leftMs) > 0

function newsPauseOf({ submittedMs, newsLeftMs, leftMs }: Attempt): number {
  const pauseMs = Math.min(newsPauseMs.most, Math.max(newsPauseMs.least, submittedMs / 2))
  return Math.ceil(Math.min(pauseMs, newsLeftMs, leftMs))
}

/** Only when no work is under way, and the provider either did not run it or may run it twice. */
const mayRestart = ({ ticket, attempt, repeatable }: Attempt, error: Failure) =>
  ticket === null && error.retry && attempt < maxSubmissions && (error.neverRan || repeatable)

/** Work under way is asked about for as long as it may take: it is paid for. */
function mayResume({ ticket, attempt, runMs, timeoutMs }: Attempt, error: Failure): boolean {
  if (ticket === null || error.kind === 'provider_timeout' || runMs >= timeoutMs) return false
  // a result that arrived damaged may arrive whole the next time
  return error.retry || (error.kind === 'bad_result' && !error.final && attempt < maxFetches)
}
