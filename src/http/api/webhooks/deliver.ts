/** One attempt to deliver a webhook: makes the event, signs and posts it, and decides what follows. */
import type { Core } from '../../../core/core.ts'
import { type Outcome, outcomeOf } from '../../../core/history/outcome.ts'
import type { LeasedWebhook } from '../../../core/programs/webhook-deliveries.ts'
import { NetError } from '../../../net/errors.ts'
import type { Poster } from '../../../net/post.ts'
import { signedHeaders } from './signature.ts'

export interface Sender {
  core: Core
  poster: Poster
  /** Body of the webhook. Links in it are fresh. */
  eventOf(outcome: Outcome): Promise<object>
  /** Milliseconds for one attempt. Absent: 10 s. */
  timeoutMs?: number
  /** Aborts attempts. Whether they arrived is unknown then. */
  signal: AbortSignal
}

/** `problem`: for the operator, without path and query of the URL. `retryInSeconds` undefined: no further attempt. */
export type DeliveryResult = 'delivered' | 'aborted' | { problem: string; retryInSeconds: number | undefined }

/** Pauses after the first attempt, the second …: nine attempts within a day. */
const pausesSeconds: readonly number[] = [5, 30, 120, 600, 3_600, 10_800, 21_600, 43_200]
/** A receiver that asks for a longer pause gets the usual one. */
const maxPauseSeconds = 43_200
const maxProblemCharacters = 300

export async function deliver(sender: Sender, webhook: LeasedWebhook): Promise<DeliveryResult> {
  const { core, poster, timeoutMs, signal } = sender
  const retry = (problem: string, retryAfter?: string): DeliveryResult => ({
    problem: problem.slice(0, maxProblemCharacters),
    retryInSeconds: pauseAfter(webhook.attempt, retryAfter),
  })
  let event: object | undefined
  try {
    event = await findEvent(sender, webhook.generationId)
  } catch (error) {
    core.log.warn({ id: webhook.generationId, err: error }, 'could not make the event of a webhook; retrying')
    return retry('the event could not be made')
  }
  if (!event) return { problem: 'the request was erased', retryInSeconds: undefined }
  const body = JSON.stringify(event)
  const message = { id: `msg_${webhook.generationId}`, at: new Date(), body }
  const headers = { 'content-type': 'application/json', ...signedHeaders(core.secretKey, webhook, message) }
  try {
    const { status, retryAfter } = await poster.post(webhook.url, { headers, body, timeoutMs, signal })
    if (status >= 200 && status < 300) return 'delivered'
    if (status === 410) return { problem: 'status 410: the receiver is gone', retryInSeconds: undefined }
    return retry(problemOf(status), retryAfter)
  } catch (error) {
    if (signal.aborted) return 'aborted'
    return retry(error instanceof NetError ? reasonOf(error) : 'the event could not be posted')
  }
}

/** Resolves to undefined when the owner has erased the request. */
async function findEvent({ core, eventOf }: Sender, generationId: string): Promise<object | undefined> {
  const outcome = await outcomeOf(core, null, generationId)
  return outcome && eventOf(outcome)
}

function problemOf(status: number): string {
  return status >= 300 && status < 400 ? `status ${status}: redirects are not followed` : `status ${status}`
}

/** Adds the system's code where that is a plain name, such as 'CERT_HAS_EXPIRED'. */
function reasonOf({ message, cause }: NetError): string {
  const { code } = (cause ?? {}) as { code?: unknown }
  return typeof code === 'string' && /^\w{1,40}$/.test(code) ? `${message} ${code}` : message
}

/** Seconds. undefined: it was the last attempt. `retryAfter`: what the receiver asked for. */
export function pauseAfter(attempt: number, retryAfter: string | undefined, now = Date.now()): number | undefined {
  const pause = pausesSeconds[attempt - 1]
  if (pause === undefined) return undefined
  const requested = secondsIn(retryAfter, now)
  return requested <= maxPauseSeconds ? Math.max(pause, requested) : pause
}

/** The header holds a number of seconds, or a date. */
function secondsIn(retryAfter: string | undefined, now: number): number {
  if (retryAfter === undefined) return 0
  if (/^\d{1,9}$/.test(retryAfter)) return Number(retryAfter)
  const seconds = Math.ceil((Date.parse(retryAfter) - now) / 1000)
  return Number.isNaN(seconds) ? 0 : seconds
}
