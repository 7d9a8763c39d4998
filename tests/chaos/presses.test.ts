import { expect, it } from 'vitest'
import { quickest } from '../helpers/backends.ts'
import { newSeed } from './chaos.ts'
import { runPresses } from './presses.ts'

it('acts once on each press, while its processes are killed, in two processes, and after a restart', async () => {
  const [seed, presses, kills] = [newSeed(), 8, 2]
  const result = await runPresses({ backend: quickest, presses, kills, seed })
  expect(result.violations, `npm run chaos -- ${quickest} ${presses} ${kills} ${seed} presses`).toEqual([])
  expect(result.delivered).toBeGreaterThan(presses)
})
