/** One try to tell somebody how a request ended: put together, signed, posted, and what comes of it. */
import { outcomeOf } from '../../../core/history/outcome.ts'
import { NetError } from '../../../net/errors.ts'
import type { Poster, PostResponse } from '../../../net/post.ts'
import { jobOf } from '../openai/jobs.ts'
import type { ApiParts } from '../parts.ts'
import type { Leased } from './due.ts'
import { signed } from './signature.ts'

export interface Telling {
  parts: ApiParts
  poster: Poster
  /** Of one try. Absent: 10 s. */
  timeoutMs?: number
  /** Breaks off: nobody can tell then whether it arrived. */
  signal: AbortSignal
}

/** `againSeconds`: after that, or never. `problem`: for the operator, without path and query of the address. */
export type DeliveryResult = 'told' | 'broken off' | { problem: string; againSeconds: number | undefined }

/** Pauses after a first try, a second …: nine tries within a day. */
const pausesSeconds: readonly number[] = [5, 30, 120, 600, 3_600, 10_800, 21_600, 43_200]
/** Whoever asks for more is not asked. */
const longestPause = 43_200
const longestProblem = 300

export async function tell({ parts, poster, timeoutMs, signal }: Telling, due: Leased): Promise<DeliveryResult> {
  const again = (problem: string, retryAfter?: string): DeliveryResult => ({
    problem: problem.slice(0, longestProblem),
    againSeconds: pauseAfter(due.tries, retryAfter),
  })
  let event: object | undefined
  try {
    event = await eventOf(parts, due.generationId)
  } catch (error) {
    parts.core.log.warn({ id: due.generationId, err: error }, 'how a request ended could not be put together')
    return again('it could not be put together')
  }
  if (!event) return { problem: 'the request was erased', againSeconds: undefined }
  const body = JSON.stringify(event)
  const message = { id: `msg_${due.generationId}`, at: new Date(), body }
  const headers = { 'content-type': 'application/json', ...signed(parts.core.secretKey, due, message) }
  try {
    const { status, retryAfter } = await poster.post(due.url, { headers, body, timeoutMs, signal })
    if (status >= 200 && status < 300) return 'told'
    if (status === 410) return { problem: 'status 410: it wants to hear no more', againSeconds: undefined }
    return again(wordsOf(status), retryAfter)
  } catch (error) {
    if (signal.aborted) return 'broken off'
    return again(error instanceof NetError ? reasonOf(error) : 'it could not be posted')
  }
}

/** What is told: links in it are fresh. undefined: its owner has erased it. */
async function eventOf(parts: ApiParts, id: string): Promise<object | undefined> {
  const outcome = await outcomeOf(parts.core, null, id)
  if (!outcome) return undefined
  const data = await jobOf(parts, outcome, 'url')
  return { type: `image.job.${data.state}`, timestamp: (outcome.endedAt ?? outcome.createdAt).toISOString(), data }
}

function wordsOf(status: PostResponse['status']): string {
  return status >= 300 && status < 400 ? `status ${status}: redirects are not followed` : `status ${status}`
}

/** With what the system calls it, where that is just a name: 'CERT_HAS_EXPIRED'. */
function reasonOf({ message, cause }: NetError): string {
  const { code } = (cause ?? {}) as { code?: unknown }
  return typeof code === 'string' && /^\w{1,40}$/.test(code) ? `${message} ${code}` : message
}

/** Seconds; undefined: it was the last try. Those who ask for patience get it, within reason. */
export function pauseAfter(tries: number, retryAfter: string | undefined, now = Date.now()): number | undefined {
  const pause = pausesSeconds[tries - 1]
  if (pause === undefined) return undefined
  const asked = secondsIn(retryAfter, now)
  return asked <= longestPause ? Math.max(pause, asked) : pause
}

/** A number, or a date. */
function secondsIn(retryAfter: string | undefined, now: number): number {
  if (retryAfter === undefined) return 0
  if (/^\d{1,9}$/.test(retryAfter)) return Number(retryAfter)
  const seconds = Math.ceil((Date.parse(retryAfter) - now) / 1000)
  return Number.isNaN(seconds) ? 0 : seconds
}
