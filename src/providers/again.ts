/** Asking once more for what is paid for already: never for a submission. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../core/errors.ts'

const tries = 3
const firstPauseMs = 200

/**
 * Runs `work` until it succeeds, at most three times; other than passing errors end it at once. What it rejects with
 * never says `neverRan`: the work was started before, whatever happened to the question.
 */
export async function again<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      if (!error.retry || tried === tries) throw withoutNeverRan(error)
      const pauseMs = firstPauseMs * 4 ** (tried - 1)
      // a longer pause that the other side asks for is not waited for in here
      if ((error.retryAfterMs ?? 0) > pauseMs * 4) throw withoutNeverRan(error)
      await sleep(Math.max(pauseMs, error.retryAfterMs ?? 0), undefined, { signal })
    }
  }
}

function withoutNeverRan(error: AppError): AppError {
  const { kind, data, cause, retryAfterMs } = error
  return error.neverRan ? new AppError(kind, data, { cause, retryAfterMs }) : error
}
