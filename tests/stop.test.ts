import { setTimeout as pause } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { type Step, stopOnce } from '../src/stop.ts'

it('stopOnce passes the remaining time to each step, reports a step that fails, and continues', async () => {
  const order: string[] = []
  const left: number[] = []
  const codes: number[] = []
  const errors: unknown[] = []
  const undo: Step[] = [
    async () => order.push('first'),
    () => {
      throw new Error('failed at once')
    },
    async (leftMs) => left.push(leftMs),
    async () => {
      order.push('last')
      await pause(100)
      throw new Error('failed on purpose')
    },
  ]
  const stop = stopOnce(undo, {
    withinMs: 10_000,
    exit: (code) => codes.push(code),
    onError: (error) => errors.push(error),
  })
  await Promise.all([stop(0), stop(1)])
  expect(order).toEqual(['last', 'first'])
  // timers may be a millisecond early
  expect(left[0]).toBeLessThanOrEqual(9_901)
  expect(left[0]).toBeGreaterThan(0)
  expect(codes).toEqual([0])
  expect(errors.map(String)).toEqual(['Error: failed on purpose', 'Error: failed at once'])
})

it('stopOnce exits with 1 when a step never finishes', async () => {
  const code = await new Promise<number>((resolve) => {
    const stop = stopOnce([() => new Promise(() => undefined)], {
      withinMs: 20,
      exit: resolve,
      onError: () => undefined,
    })
    void stop(0)
    setTimeout(() => undefined, 1_000)
  })
  expect(code).toBe(1)
})
