/** Two processes share a broadcast and are killed in the middle of it. `npm run test:long` does the same with 1,000 people. */
import { expect, it } from 'vitest'
import { quickest } from '../helpers/backends.ts'
import { sendWhileKilled } from './broadcasting.ts'

// the embedded database belongs to the process that is killed
it.skipIf(quickest === 'pglite')('sends a broadcast to 60 people once while its processes are killed', async () => {
  const result = await sendWhileKilled({ people: 60, kills: 1 })
  expect(Math.max(...result.times)).toBe(1)
  expect(result).toMatchObject({ forgotten: [], violations: [], states: { sent: 60 - result.unknown } })
  // calls that were under way when the process was killed
  expect(Math.min(...result.waiting)).toBeGreaterThan(0)
  expect(result.unknown).toBeLessThanOrEqual(8)
  expect(result.busiest).toBeLessThanOrEqual(30)
})
