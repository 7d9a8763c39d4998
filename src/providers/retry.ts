/** Retries calls that are safe to repeat: status reads, downloads, uploads, cancellations. Never a submission. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../core/errors.ts'

const maxAttempts = 3
const firstPauseMs = 200

/**
 * Runs `work` up to three times, until it succeeds or fails with an error that a retry cannot help.
 *
 * The error is about this call, not about the generation that it asks about. So it never says `neverRan`, and a timeout
 * becomes 'provider_failed': 'provider_timeout' would mean that the generation took too long.
 */
export async function withRetries<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      if (!error.retry || attempt === maxAttempts) throw errorOfCall(error)
      const pauseMs = firstPauseMs * 4 ** (attempt - 1)
      // leave a much longer pause, requested by the provider, to the caller
      if ((error.retryAfterMs ?? 0) > pauseMs * 4) throw errorOfCall(error)
      await sleep(Math.max(pauseMs, error.retryAfterMs ?? 0), undefined, { signal })
    }
  }
}

function errorOfCall(error: AppError): AppError {
  const { kind, data, cause, retryAfterMs } = error
  if (kind === 'provider_timeout') return new AppError('provider_failed', data, { cause: error, retryAfterMs })
  return error.neverRan ? new AppError(kind, data, { cause, retryAfterMs }) : error
}
