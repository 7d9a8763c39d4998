/**
 * Limits requests of any kind by key, in each process. Requests that cost credits have a stricter limit in the database, for
 * all processes together; this one stops a program in a tight loop from delaying the others.
 */
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import type { KeyHolder } from '../../core/accounts/api-keys.ts'
import { operatorLimits } from '../../core/accounts/limits.ts'
import { AppError } from '../../core/errors.ts'

/** Requests of one key a minute: enough to poll three generations three times a second. */
const defaultPerMinute = 600
const minuteSeconds = 60

/** Rejects with AppError too_fast, which says when to retry. */
export type Throttle = (holder: KeyHolder) => Promise<void>

export function createThrottle(perMinute = defaultPerMinute): Throttle {
  const people = { limit: perMinute, limiter: new RateLimiterMemory({ points: perMinute, duration: minuteSeconds }) }
  const operatorPerMinute = operatorLimits.perMinute * 2
  const operator = {
    limit: operatorPerMinute,
    limiter: new RateLimiterMemory({ points: operatorPerMinute, duration: minuteSeconds }),
  }
  return async ({ userId, keyId }) => {
    const { limit, limiter } = keyId === null ? operator : people
    try {
      await limiter.consume(keyId ?? userId)
    } catch (rejection) {
      if (!(rejection instanceof RateLimiterRes)) throw rejection
      throw new AppError('too_fast', { limit, seconds: Math.ceil(rejection.msBeforeNext / 1000) })
    }
  }
}
