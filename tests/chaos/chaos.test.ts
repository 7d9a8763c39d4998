/** A short run, on the back end that starts quickest; `every-backend.test.ts` has longer ones. */
import { expect, it } from 'vitest'
import { quickest } from '../helpers/backends.ts'
import { newSeed, runChaos } from './chaos.ts'

it('the service keeps all invariants while its processes are killed under load', { timeout: 600_000 }, async () => {
  const [backend, requests, kills, seed] = [quickest, 100, 6, newSeed()]
  const result = await runChaos({ backend, mix: 'all', requests, kills, seed, flush: backend === 'redis' })
  expect(result.violations, `npm run chaos -- ${backend} ${requests} ${kills} ${seed} all`).toEqual([])
  expect(result.delivered).toBeGreaterThan(requests / 2)
})
