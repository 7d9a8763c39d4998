/** A broadcast to 1,000 people, whose processes are killed three times: one after the other, and both at once. */
import { expect, it } from 'vitest'
import { quickest } from '../helpers/backends.ts'
import { sendWhileKilled } from './broadcasting.ts'

const [people, kills] = [1_000, 3]

it.skipIf(quickest === 'pglite')(
  'sends a broadcast to 1,000 people once while its processes are killed',
  async () => {
    const result = await sendWhileKilled({ people, kills })
    const { times, unknown, left, busiest } = result
    const arrived = times.filter((n) => n > 0).length
    process.stdout.write(`${arrived} of ${people} arrived, ${unknown} unknown, at most ${busiest} calls in a second\n`)
    expect(Math.max(...times)).toBe(1)
    expect(result).toMatchObject({ forgotten: [], violations: [], states: { sent: people - unknown } })
    expect(arrived + left).toBe(people)
    expect(Math.min(...result.waiting)).toBeGreaterThan(0)
    expect(unknown).toBeLessThanOrEqual(8 * kills)
    expect(busiest).toBeLessThanOrEqual(30)
  },
  900_000,
)
