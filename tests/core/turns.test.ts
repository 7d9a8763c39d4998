import { expect, it } from 'vitest'
import { createTurns } from '../../src/core/turns.ts'

it('so many work at a time, the others wait, and one account has only so many places', async () => {
  const turns = createTurns(2)
  const ends: (() => void)[] = []
  const work = () => new Promise<void>((resolve) => ends.push(resolve))
  const running = [turns.run('ann', 2, work), turns.run('ann', 2, work), turns.run('bob', 2, work)]
  await expect(turns.run('ann', 2, work)).rejects.toMatchObject({ kind: 'too_many_in_flight', data: { limit: 2 } })
  expect(ends).toHaveLength(2)
  ends[0]?.()
  await running[0]
  await expect.poll(() => ends).toHaveLength(3)
  for (const end of ends) end()
  await Promise.all(running)
  await expect(turns.run('ann', 1, async () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
  expect(await turns.run('ann', 1, async () => 7)).toBe(7)
})
