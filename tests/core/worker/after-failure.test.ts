import { describe, expect, it } from 'vitest'
import { AppError, type ErrorKind, errorKinds } from '../../../src/core/errors.ts'
import { type Attempt, afterFailure } from '../../../src/core/worker/after-failure.ts'

const retries = (kind: ErrorKind) => new AppError(kind).retry
const providerFaults: ErrorKind[] = [
  'provider_missing',
  'provider_busy',
  'provider_failed',
  'provider_timeout',
  'provider_account',
  'provider_quota',
]
const ticket = { job: 1 }
const attempt: Attempt = {
  attempt: 1,
  ticket: null,
  leftMs: 600_000,
  runMs: 1_000,
  hasNextRoute: false,
  repeatable: false,
  timeoutMs: 300_000,
  submittedMs: 0,
  newsLeftMs: 0,
  jitter: 1,
}
const failure = (kind: ErrorKind, more: Partial<Parameters<typeof afterFailure>[1]> = {}) => ({
  kind,
  retry: retries(kind),
  final: false,
  neverRan: false,
  retryAfterMs: undefined,
  ...more,
})
const decide = (over: Partial<Attempt>, error: Parameters<typeof afterFailure>[1]) =>
  afterFailure({ ...attempt, ...over }, error).kind

describe('after a failure', () => {
  it.each(errorKinds)('%s moves to another provider only if it is that provider’s fault and nothing ran', (kind) => {
    const expected = providerFaults.includes(kind)
    expect(decide({ hasNextRoute: true }, failure(kind, { neverRan: true })) === 'nextRoute').toBe(expected)
    expect(decide({ hasNextRoute: true }, failure(kind))).not.toBe('nextRoute')
    expect(decide({ hasNextRoute: false }, failure(kind, { neverRan: true }))).not.toBe('nextRoute')
  })

  it.each(errorKinds)('%s never submits again what a provider may have run', (kind) => {
    for (const number of [1, 2, 3, 4, 5, 12]) {
      for (const has of [null, ticket]) {
        expect(decide({ attempt: number, ticket: has }, failure(kind))).not.toBe('restart')
      }
    }
  })

  it.each(errorKinds)('%s submits again when nothing ran, if it may pass, up to five submissions', (kind) => {
    const retry = retries(kind)
    for (const number of [1, 4]) {
      const restarts = decide({ attempt: number }, failure(kind, { neverRan: true })) === 'restart'
      expect(restarts).toBe(retry)
    }
    expect(decide({ attempt: 5 }, failure(kind, { neverRan: true }))).toBe('giveUp')
    expect(decide({ repeatable: true }, failure(kind)) === 'restart').toBe(retry)
  })

  it.each(errorKinds)('%s with work under way asks about it again, or gives up and cancels it', (kind) => {
    const resumes = (retries(kind) && kind !== 'provider_timeout') || kind === 'bad_result'
    expect(decide({ ticket }, failure(kind))).toBe(resumes ? 'resume' : 'giveUp')
    expect(afterFailure({ ...attempt, ticket, runMs: 300_000 }, failure(kind))).toEqual({
      kind: 'giveUp',
      cancel: true,
    })
  })

  it.each(errorKinds)('%s that is final gives up and cancels nothing', (kind) => {
    const final = failure(kind, { final: true, retry: false })
    expect(afterFailure({ ...attempt, ticket }, final)).toEqual({ kind: 'giveUp', cancel: false })
  })

  it.each(errorKinds)('%s waits for news only where the fate of a submission is unknown', (kind) => {
    const waits = kind === 'unresolved'
    for (const final of [true, false]) {
      const error = failure(kind, { final, retry: !final && retries(kind) })
      expect(decide({ newsLeftMs: 60_000 }, error) === 'awaitNews').toBe(waits)
      expect(decide({ newsLeftMs: 60_000, attempt: 11 }, error) === 'awaitNews').toBe(waits)
      expect(decide({ newsLeftMs: 60_000, ticket }, error)).not.toBe('awaitNews')
    }
  })

  it.each([
    ['looks soon after the submission', { submittedMs: 0 }, 2_000],
    ['looks less often later', { submittedMs: 10_000 }, 5_000],
    ['looks every 15 seconds at least', { submittedMs: 100_000 }, 15_000],
    ['looks a last time when news can no longer come', { newsLeftMs: 700 }, 700],
    ['looks a last time at the deadline', { leftMs: 500.5 }, 501],
  ])('without news of a submission, %s', (_what, over, retryInMs) => {
    const state = { ...attempt, newsLeftMs: 60_000, ...over }
    expect(afterFailure(state, failure('unresolved'))).toEqual({ kind: 'awaitNews', retryInMs })
  })

  it.each([
    ['no news came in time', { newsLeftMs: 0 }],
    ['no news came in time, and the row was read late', { newsLeftMs: -5_000 }],
    ['the deadline has come', { newsLeftMs: 60_000, leftMs: 0 }],
  ])('gives up when %s', (_when, over) => {
    const decision = { kind: 'giveUp', cancel: false }
    expect(afterFailure({ ...attempt, ...over }, failure('unresolved'))).toEqual(decision)
    expect(afterFailure({ ...attempt, ...over }, failure('unresolved', { final: true }))).toEqual(decision)
  })

  it('fetches a damaged result three times at most', () => {
    const decisions = [1, 2, 3].map((number) => decide({ attempt: number, ticket }, failure('bad_result')))
    expect(decisions).toEqual(['resume', 'resume', 'giveUp'])
  })

  it.each([
    [1, 1_000],
    [2, 2_000],
    [4, 8_000],
  ])('waits longer with each attempt: attempt %i waits %i ms', (number, retryInMs) => {
    const error = failure('provider_busy', { neverRan: true })
    expect(afterFailure({ ...attempt, attempt: number }, error)).toEqual({ kind: 'restart', retryInMs })
    expect(afterFailure({ ...attempt, attempt: number, jitter: 0 }, error)).toEqual({
      kind: 'restart',
      retryInMs: retryInMs / 2,
    })
  })

  it('waits as long as the provider asks, but neither a minute nor past the deadline', () => {
    const asks = (retryAfterMs: number) => failure('provider_busy', { neverRan: true, retryAfterMs })
    expect(afterFailure(attempt, asks(30_000))).toEqual({ kind: 'restart', retryInMs: 30_000 })
    expect(decide({}, asks(60_000))).toBe('giveUp')
    expect(decide({ leftMs: 20_000 }, asks(30_000))).toBe('giveUp')
    expect(decide({ leftMs: 900, ticket }, failure('provider_failed'))).toBe('giveUp')
  })
})
