/** Asking once more for what is paid for already: never for a submission. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../core/errors.ts'

const tries = 3
const firstPauseMs = 200

/**
 * Runs `work` until it succeeds, at most three times; other than passing errors end it at once. What it rejects with
 * never says `neverRan`, nor that the work was out of time: it was started before, whatever happened to the question.
 */
export async function again<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      if (!error.retry || tried === tries) throw ofTheQuestion(error)
      const pauseMs = firstPauseMs * 4 ** (tried - 1)
      // a longer pause that the other side asks for is not waited for in here
      if ((error.retryAfterMs ?? 0) > pauseMs * 4) throw ofTheQuestion(error)
      await sleep(Math.max(pauseMs, error.retryAfterMs ?? 0), undefined, { signal })
    }
  }
}

function ofTheQuestion(error: AppError): AppError {
  const { kind, data, cause, retryAfterMs } = error
  if (kind === 'provider_timeout') return new AppError('provider_failed', data, { cause: error, retryAfterMs })
  return error.neverRan ? new AppError(kind, data, { cause, retryAfterMs }) : error
}
