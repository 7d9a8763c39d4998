import { expect, it } from 'vitest'
import { createBreaker } from '../../../src/core/providers/breaker.ts'

it('takes over what all processes know, unless it has just told them something', async () => {
  let end = () => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  let isTold = false
  const told = () => {
    isTold = true
  }
  const nothing = async () => undefined
  const shared = { failed: () => ended, trying: nothing, succeeded: nothing }
  const breaker = createBreaker({ now: () => 0, shared, told })
  breaker.learn({ failed: [...'abcde'], restMs: 4_000 }, breaker.moment())
  expect([breaker.isOpen(), breaker.restMs()]).toEqual([true, 4_000])
  const before = breaker.moment()
  breaker.learn(undefined, before)
  expect([breaker.isOpen(), breaker.restMs()]).toEqual([false, 0])
  for (const id of 'vwxyz') breaker.failed(id)
  for (const since of [before, breaker.moment()]) breaker.learn(undefined, since)
  expect(breaker.isOpen()).toBe(true)
  end()
  await expect.poll(() => isTold).toBe(true)
  breaker.learn(undefined, breaker.moment())
  expect(breaker.isOpen()).toBe(false)
})

it('opens after five failed requests in a row, lets one through as a trial, and closes when it succeeds', async () => {
  let now = 0
  const changes: string[] = []
  const told: string[] = []
  const tell = (what: string) => async () => void told.push(what)
  const shared = { failed: tell('failed'), trying: tell('trying'), succeeded: tell('succeeded') }
  const breaker = createBreaker({ now: () => now, changed: (state) => changes.push(state), shared })
  breaker.succeeded()
  expect(told).toEqual([])
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
  await expect.poll(() => told.slice(-3)).toEqual(['failed', 'trying', 'succeeded'])
})
