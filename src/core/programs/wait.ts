/** Waits for the end of a request, whichever process generates it. */
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import type { Following } from '../events/events.ts'
import { hasEnded, type Outcome, outcomeOf } from '../history/outcome.ts'
import { longestDeadlineMs } from '../providers/deadline.ts'
import { type Progress, readProgress } from './progress.ts'

export interface WaitOptions {
  /** Stops the waiting; the request continues. */
  signal: AbortSignal
  onProgress?: (progress: { percent?: number; preview?: Buffer }) => void
  /** Follows the request since before it was accepted, so that its end cannot be missed. The caller stops it. */
  following?: Following
}

/** Notifications may get lost, so the row is also polled: less and less often, because hundreds may wait. */
const firstPollMs = 1_000
const maxPollMs = 5_000
/** After the latest deadline that a request can have. */
const giveUpMs = 60_000

/** `userId` null: of any account. Throws AppError unknown_request. */
export async function waitForEnd(
  core: Core,
  userId: string | null,
  id: string,
  { signal, onProgress, following: since }: WaitOptions,
): Promise<Outcome> {
  if (since && !onProgress) return untilEnd(core, id, { signal, following: since })
  // follow the request before reading it, so that no event is missed in between
  const following = core.events.follow(id.toLowerCase(), onProgress ? ['ended', 'progress'] : ['ended'])
  try {
    signal.throwIfAborted()
    const first = required(await outcomeOf(core, userId, id))
    if (hasEnded(first.state)) return first
    return await untilEnd(core, first.id, { signal, onProgress, following }, first)
  } finally {
    following.stop()
  }
}

type Waiting = WaitOptions & { following: Following }

/** `first`: what was read after the following began. */
async function untilEnd(
  core: Core,
  id: string,
  { signal, onProgress, following }: Waiting,
  first: Pick<Outcome, 'state' | 'percent'> = { state: 'queued', percent: null },
): Promise<Outcome> {
  const report = onProgress && createReporter(onProgress)
  let seen: Progress = { state: first.state, percent: first.percent, version: null, preview: null }
  report?.(seen)
  const givenUpAt = Date.now() + longestDeadlineMs(core) + giveUpMs
  for (let pollMs = firstPollMs; ; pollMs = Math.min(2 * pollMs, maxPollMs)) {
    await following.wait(pollMs, signal)
    const known = following.outcome()
    if (known) return known
    const ended = following.ended.aborted
    try {
      if (!ended) seen = required(await readProgress(core, id, { seen, withPreview: report !== undefined }))
      report?.(seen)
      if (!ended && !hasEnded(seen.state)) continue
      const outcome = required(await outcomeOf(core, null, id))
      if (hasEnded(outcome.state)) return outcome
    } catch (error) {
      // the pictures are paid for, so a database that is away for a moment does not end the waiting
      if (error instanceof AppError || Date.now() > givenUpAt) throw error
      core.log.warn({ id, err: error }, 'could not read the progress of a request; retrying')
      await following.wait(Math.min(pollMs, firstPollMs), signal)
    }
  }
}

/** Throws AppError unknown_request, also when the request was erased meanwhile. */
function required<T>(row: T | undefined): T {
  if (row === undefined) throw new AppError('unknown_request')
  return row
}

/** Reports changes only. */
function createReporter(onProgress: NonNullable<WaitOptions['onProgress']>): (progress: Progress) => void {
  let reported: { percent: number | null; preview: string | null } = { percent: null, preview: null }
  return ({ percent, preview }) => {
    const change = {
      percent: percent === null || percent === reported.percent ? undefined : percent,
      preview: preview === null || preview === reported.preview ? undefined : Buffer.from(preview, 'base64'),
    }
    reported = { percent, preview: preview ?? reported.preview }
    if (change.percent !== undefined || change.preview) onProgress(change)
  }
}
