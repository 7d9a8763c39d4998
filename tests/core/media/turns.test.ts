import { expect, it } from 'vitest'
import { createTurns } from '../../../src/core/media/turns.ts'

it('runs a limited number at a time, queues some, and refuses the rest', async () => {
  const turns = createTurns({ atATime: 2, waiting: 1 })
  const ends: (() => void)[] = []
  const work = () => new Promise<void>((resolve) => ends.push(resolve))
  const running = [turns(work), turns(work), turns(work)]
  await expect(turns(work)).rejects.toMatchObject({ kind: 'overloaded' })
  expect(ends).toHaveLength(2)
  ends[0]?.()
  await running[0]
  await expect.poll(() => ends).toHaveLength(3)
  for (const end of ends) end()
  await Promise.all(running)
  await expect(turns(async () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
  await expect(turns(async () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
  expect(await turns(async () => 7)).toBe(7)
})
