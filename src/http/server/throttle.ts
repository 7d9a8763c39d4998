/**
 * How often one key may ask anything at all. What costs credits has a stricter rule in the database, for all processes
 * together; this one keeps a program that asks in a tight loop from keeping the others waiting, in each process.
 */
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import type { KeyHolder } from '../../core/accounts/api-keys.ts'
import { operatorLimits } from '../../core/accounts/limits.ts'
import { AppError } from '../../core/errors.ts'

/** Requests of one key a minute: three under way, each asked for three times a second, and some more. */
const usual = 600
const minuteSeconds = 60

/** Rejects with AppError too_fast, which says when to ask again. */
export type Throttle = (holder: KeyHolder) => Promise<void>

export function createThrottle(perMinute = usual): Throttle {
  const people = { limit: perMinute, limiter: new RateLimiterMemory({ points: perMinute, duration: minuteSeconds }) }
  const most = operatorLimits.perMinute * 2
  const operator = { limit: most, limiter: new RateLimiterMemory({ points: most, duration: minuteSeconds }) }
  return async ({ userId, keyId }) => {
    const { limit, limiter } = keyId === null ? operator : people
    try {
      await limiter.consume(keyId ?? userId)
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal
      throw new AppError('too_fast', { limit, seconds: Math.ceil(refusal.msBeforeNext / 1000) })
    }
  }
}
