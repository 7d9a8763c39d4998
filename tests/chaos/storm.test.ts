/** 2,000 interactions of Discord, 200 a second, while Redis is stopped. */
import { describe, expect, it } from 'vitest'
import { isQuiet } from '../helpers/machine.ts'
import { noRedis } from '../helpers/redis.ts'
import { stormViolations, stormWithoutRedis } from './storm.ts'

const discordWaitsMs = 3_000

describe('a storm of interactions', () => {
  it.each([
    ['nothing, if all were acknowledged in time', { acknowledged: [5, 1_000], missed: 0 }, 0],
    ['what was not acknowledged', { acknowledged: [5, 10], missed: 1 }, 1],
    ['what was acknowledged late', { acknowledged: [5, 1_001], missed: 0 }, 1],
  ])('violates %s', (_title, result, violations) => {
    expect(stormViolations(result)).toHaveLength(violations)
  })

  // what other programs on the machine take is missing here: then Discord's own limit counts
  it.skipIf(noRedis)(
    `is acknowledged within ${isQuiet ? 'a second' : "Discord's 3 s, because the machine is busy"}`,
    async () => {
      const result = await stormWithoutRedis({ interactions: 2_000, perSecond: 200 })
      expect(result.acknowledged.length + result.missed).toBe(2_000)
      expect(stormViolations(result, isQuiet ? undefined : discordWaitsMs)).toEqual([])
    },
    300_000,
  )
})
