import { expect, it } from 'vitest'
import { createMemoryBudget } from '../../../src/core/media/input-limits.ts'

const most = { places: 2, bytes: 60 }
const full = expect.objectContaining({ kind: 'overloaded' })

it('limits the reservations of each account', () => {
  const budget = createMemoryBudget(100)
  const [first] = [budget.enter('ann', most), budget.enter('ann', most)]
  expect(() => budget.enter('ann', most)).toThrow(
    expect.objectContaining({ kind: 'too_many_in_flight', data: { limit: 2 } }),
  )
  budget.enter('bob', most)
  first.leave()
  budget.enter('ann', most)
})

it('limits the bytes of each account and of all accounts together', () => {
  const budget = createMemoryBudget(100)
  const [one, two, bob] = [budget.enter('ann', most), budget.enter('ann', most), budget.enter('bob', most)]
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
  const budget = createMemoryBudget(60)
  const [ann, bob] = [budget.enter('ann', most), budget.enter('bob', most)]
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
