import { expect, it } from 'vitest'
import { createMemoryBudget } from '../../../src/core/media/input-limits.ts'

const most = { places: 2, bytes: 60 }
const full = expect.objectContaining({ kind: 'overloaded' })

it('limits the reservations of each account', () => {
  const room = createMemoryBudget(100)
  const [first] = [room.enter('ann', most), room.enter('ann', most)]
  expect(() => room.enter('ann', most)).toThrow(
    expect.objectContaining({ kind: 'too_many_in_flight', data: { limit: 2 } }),
  )
  room.enter('bob', most)
  first.leave()
  room.enter('ann', most)
})

it('limits the bytes of each account and of all accounts together', () => {
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

it('counts the bytes that arrived instead of those reserved, and none after a reservation ends', () => {
  const room = createMemoryBudget(60)
  const [ann, bob] = [room.enter('ann', most), room.enter('bob', most)]
  const came = ann.take(60)
  expect(() => bob.take(1)).toThrow(full)
  came(10)
  const late = bob.take(50)
  bob.leave()
  // these bytes arrive after the reservation has ended
  late(20)
  ann.take(50)
  expect(() => ann.take(1)).toThrow(full)
})
