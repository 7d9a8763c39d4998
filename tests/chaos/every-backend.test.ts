import { describe, expect, it } from 'vitest'
import { backends } from '../helpers/backends.ts'
import { newSeed, runChaos } from './chaos.ts'

describe.each(backends())('the service on %s', (backend) => {
  it('keeps all invariants while its processes are killed under load', async () => {
    const seed = newSeed()
    // on PGlite the service is one process, which takes longer to start again
    const { requests, kills } = backend === 'pglite' ? { requests: 100, kills: 4 } : { requests: 150, kills: 6 }
    const result = await runChaos({ backend, mix: 'all', requests, kills, seed, flush: backend === 'redis' })
    expect(result.violations, `npm run chaos -- ${backend} ${requests} ${kills} ${seed} all`).toEqual([])
    expect(result.delivered).toBeGreaterThan(requests / 2)
    expect(result.restarts.length).toBeGreaterThan(0)
  }, 600_000)
})
