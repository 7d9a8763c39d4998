import { describe, expect, it } from 'vitest'
import { backends } from '../helpers/backends.ts'
import { newSeed, percentile, runChaos } from './chaos.ts'

describe.each(backends())('300 requests while processes are killed twelve times, on %s', (backend) => {
  it('end once each, with the money right and one visible answer', async () => {
    const seed = newSeed()
    const result = await runChaos({ backend, requests: 300, kills: 12, seed, flush: backend === 'redis' })
    expect(result.violations, `npm run chaos -- ${backend} 300 12 ${seed}`).toEqual([])
    expect(result.delivered).toBeGreaterThan(200)
    expect(result.restarts.length).toBeGreaterThan(0)
    expect(percentile(result.restarts, 0.95)).toBeLessThanOrEqual(8_000)
  }, 170_000)
})
