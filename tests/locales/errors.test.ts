import { describe, expect, it } from 'vitest'
import { type ErrorKind, errorKinds } from '../../src/core/errors.ts'
import { en } from '../../src/locales/en.ts'
import { zh } from '../../src/locales/zh.ts'

/** Kinds whose cause passes by itself, or may not meet the next request. */
const passing: ErrorKind[] = [
  'too_many_in_flight',
  'too_fast',
  'too_many_wrong_keys',
  'too_many_codes',
  'too_many_link_codes',
  'busy',
  'overloaded',
  'provider_busy',
  'provider_failed',
  'unresolved',
  'internal',
]
const data = {
  name: 'steps',
  limit: 3,
  seconds: 5,
  available: ['a'],
  allowed: ['GET'],
  model: 'm',
  value: 'x',
  price: 2,
}

describe.each([
  ['en', en.errors, /try again/i],
  ['zh', zh.errors, /再试|重试/],
] as const)('the errors in %s', (_locale, errors, again) => {
  it('suggest to try again only where the failure may pass', () => {
    const suggesting = errorKinds.filter((kind) => again.test(errors[kind](data)))
    expect(suggesting.sort()).toEqual([...passing].sort())
  })
})
