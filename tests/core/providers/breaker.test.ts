import { expect, it } from 'vitest'
import { createBreaker } from '../../../src/core/providers/breaker.ts'

it('rests after five requests failed in a row, lets one try, and all when that one succeeds', () => {
  let now = 0
  const breaker = createBreaker(() => now)
  for (const whose of 'abcd') breaker.failed(whose)
  breaker.succeeded()
  for (const whose of 'abcd') breaker.failed(whose)
  // one request that fails again and again does not keep the others waiting
  for (let n = 0; n < 9; n++) breaker.failed('d')
  expect(breaker.restMs()).toBe(0)
  breaker.failed('e')
  expect(breaker.restMs()).toBe(15_000)
  now = 15_000
  expect(breaker.restMs()).toBe(0)
  expect(breaker.restMs()).toBe(15_000)
  breaker.succeeded()
  expect(breaker.restMs()).toBe(0)
})
