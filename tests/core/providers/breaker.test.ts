import { expect, it } from 'vitest'
import { createBreaker } from '../../../src/core/providers/breaker.ts'

it('opens after five failed requests in a row, lets one through as a trial, and closes when it succeeds', () => {
  let now = 0
  const changes: string[] = []
  const breaker = createBreaker(
    () => now,
    (state) => changes.push(state),
  )
  for (const id of 'abcd') breaker.failed(id)
  breaker.succeeded()
  for (const id of 'abcd') breaker.failed(id)
  // repeated failures of one request count once
  for (let n = 0; n < 9; n++) breaker.failed('d')
  expect(breaker.restMs()).toBe(0)
  breaker.failed('e')
  expect(breaker.restMs()).toBe(15_000)
  now = 15_000
  expect(breaker.restMs()).toBe(0)
  expect(breaker.restMs()).toBe(15_000)
  breaker.succeeded()
  expect(breaker.restMs()).toBe(0)
  breaker.succeeded()
  expect(changes).toEqual(['open', 'closed'])
})
