import { expect, it } from 'vitest'
import { createBreaker } from '../../src/core/breaker.ts'

it('rests after five failures in a row, lets one try, and all when that one succeeds', () => {
  let now = 0
  const breaker = createBreaker(() => now)
  for (let n = 0; n < 4; n++) breaker.failed()
  breaker.succeeded()
  for (let n = 0; n < 4; n++) breaker.failed()
  expect(breaker.restMs()).toBe(0)
  breaker.failed()
  expect(breaker.restMs()).toBe(15_000)
  now = 15_000
  expect(breaker.restMs()).toBe(0)
  expect(breaker.restMs()).toBe(15_000)
  breaker.succeeded()
  expect(breaker.restMs()).toBe(0)
})
