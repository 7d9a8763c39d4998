import { describe, expect, it } from 'vitest'
import { AppError } from '../../src/core/errors.ts'
import { again } from '../../src/providers/again.ts'

const signal = new AbortController().signal

async function outcome(error: AppError) {
  let asked = 0
  const thrown: unknown = await again(signal, async () => {
    asked++
    throw error
  }).catch((reason: unknown) => reason)
  return { asked, error: thrown as AppError }
}

describe('a question about work under way', () => {
  it('that is out of time does not say that the work is', async () => {
    const { asked, error } = await outcome(new AppError('provider_timeout', { provider: 'any' }, { neverRan: true }))
    expect(error).toMatchObject({ kind: 'provider_failed', data: { provider: 'any' }, retry: true, neverRan: false })
    expect(asked).toBe(3)
  })

  it('that is to be asked again much later says so, and does not say that nothing ran', async () => {
    const pause = { neverRan: true, retryAfterMs: 60_000 }
    for (const kind of ['provider_timeout', 'provider_busy'] as const) {
      const { asked, error } = await outcome(new AppError(kind, {}, pause))
      const expected = kind === 'provider_timeout' ? 'provider_failed' : kind
      expect(error).toMatchObject({ kind: expected, retryAfterMs: 60_000, neverRan: false })
      expect(asked).toBe(1)
    }
  })

  it('that is refused is not repeated', async () => {
    const { asked, error } = await outcome(new AppError('provider_account', {}, { neverRan: true }))
    expect(error).toMatchObject({ kind: 'provider_account', neverRan: false })
    expect(asked).toBe(1)
  })
})
