/** Waits for the end of a request, whichever process generates it. */
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { hasEnded, type Outcome, outcomeOf } from '../history/outcome.ts'
import { type Progress, readProgress } from './progress.ts'

export interface WaitOptions {
  /** Stops the waiting; the request continues. */
  signal: AbortSignal
  onProgress?: (progress: { percent?: number; preview?: Buffer }) => void
}

/** Notifications may get lost, so the row is also polled: less and less often, because hundreds may wait. */
const firstPollMs = 1_000
const maxPollMs = 5_000
/** After the deadline of the request. */
const giveUpMs = 60_000

/** `userId` null: of any account. Throws AppError unknown_request. */
export async function waitForEnd(
  core: Core,
  userId: string | null,
  id: string,
  { signal, onProgress }: WaitOptions,
): Promise<Outcome> {
  // follow the request before reading it, so that no event is missed in between
  const following = core.events.follow(id.toLowerCase(), onProgress ? ['ended', 'progress'] : ['ended'])
  const report = onProgress && createReporter(onProgress)
  try {
    signal.throwIfAborted()
    const first = required(await outcomeOf(core, userId, id))
    if (hasEnded(first.state)) return first
    let seen: Progress = { state: first.state, percent: first.percent, version: null, preview: null }
    report?.(seen)
    const givenUpAt = Date.now() + core.limits.deadlineMs + giveUpMs
    for (let pollMs = firstPollMs; ; pollMs = Math.min(2 * pollMs, maxPollMs)) {
      await following.wait(pollMs, signal)
      const ended = following.ended.aborted
      try {
        if (!ended) seen = required(await readProgress(core, first.id, { seen, withPreview: report !== undefined }))
        report?.(seen)
        if (!ended && !hasEnded(seen.state)) continue
        const outcome = required(await outcomeOf(core, null, first.id))
        if (hasEnded(outcome.state)) return outcome
      } catch (error) {
        // the pictures are paid for, so a database that is away for a moment does not end the waiting
        if (error instanceof AppError || Date.now() > givenUpAt) throw error
        core.log.warn({ id: first.id, err: error }, 'could not read the progress of a request; retrying')
        await following.wait(Math.min(pollMs, firstPollMs), signal)
      }
    }
  } finally {
    following.stop()
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
