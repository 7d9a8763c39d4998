import { expect, it } from 'vitest'
import { createMemoryBudget } from '../../../src/core/media/input-limits.ts'

const most = { places: 2, bytes: 60 }
const full = expect.objectContaining({ kind: 'overloaded' })

it('an account has so many places, and another its own', () => {
  const room = createMemoryBudget(100)
  const [first] = [room.enter('ann', most), room.enter('ann', most)]
  expect(() => room.enter('ann', most)).toThrow(
    expect.objectContaining({ kind: 'too_many_in_flight', data: { limit: 2 } }),
  )
  room.enter('bob', most)
  first.leave()
  room.enter('ann', most)
})

it('an account has so many bytes, and all have so many together', () => {
  const room = createMemoryBudget(100)
  const [one, two, bob] = [room.enter('ann', most), room.enter('ann', most), room.enter('bob', most)]
  one.take(40)
  expect(() => two.take(21)).toThrow(full)
  two.take(20)
  expect(() => bob.take(41)).toThrow(full)
  bob.take(40)
  one.leave()
  expect(() => bob.take(21)).toThrow(full)
  two.take(40)
})

it('what came counts, not what might have come, and nothing is left of those who leave', () => {
  const room = createMemoryBudget(60)
  const [ann, bob] = [room.enter('ann', most), room.enter('bob', most)]
  const came = ann.take(60)
  expect(() => bob.take(1)).toThrow(full)
  came(10)
  const late = bob.take(50)
  bob.leave()
  // its bytes came when nobody waited for them any more
  late(20)
  ann.take(50)
  expect(() => ann.take(1)).toThrow(full)
})
