import { describe, expect, it } from 'vitest'
import { AppError } from '../../src/core/errors.ts'
import { withRetries } from '../../src/providers/retry.ts'

const signal = new AbortController().signal

async function outcome(error: AppError) {
  let attempts = 0
  const thrown: unknown = await withRetries(signal, async () => {
    attempts++
    throw error
  }).catch((reason: unknown) => reason)
  return { attempts, error: thrown as AppError }
}

describe('withRetries', () => {
  it('retries a call that timed out, and does not report a timeout of the generation', async () => {
    const { attempts, error } = await outcome(new AppError('provider_timeout', { provider: 'any' }, { neverRan: true }))
    expect(error).toMatchObject({ kind: 'provider_failed', data: { provider: 'any' }, retry: true, neverRan: false })
    expect(attempts).toBe(3)
  })

  it('leaves a long pause to the caller, and does not say that nothing ran', async () => {
    const pause = { neverRan: true, retryAfterMs: 60_000 }
    for (const kind of ['provider_timeout', 'provider_busy'] as const) {
      const { attempts, error } = await outcome(new AppError(kind, {}, pause))
      const expected = kind === 'provider_timeout' ? 'provider_failed' : kind
      expect(error).toMatchObject({ kind: expected, retryAfterMs: 60_000, neverRan: false })
      expect(attempts).toBe(1)
    }
  })

  it('does not retry a refused call', async () => {
    const { attempts, error } = await outcome(new AppError('provider_account', {}, { neverRan: true }))
    expect(error).toMatchObject({ kind: 'provider_account', neverRan: false })
    expect(attempts).toBe(1)
  })
})
