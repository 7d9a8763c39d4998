import { afterEach, beforeEach, expect, it } from 'vitest'
import { keepLease, type Lease } from '../../src/db/lease.ts'
import { backends, openTestDatabase, type TestDatabase } from '../helpers/backends.ts'

// the embedded database has one process, which has every lease
const kind = backends().find((each) => each !== 'pglite')
let test: TestDatabase
let leases: Lease[]

beforeEach(async () => {
  test = await openTestDatabase(kind ?? 'pglite')
  leases = []
})
afterEach(async () => {
  for (const lease of leases) await lease.release()
  await test.drop()
})

async function ask(name: string, changes: boolean[] = []): Promise<Lease> {
  const lease = await keepLease({ database: test.database, name, onChange: (held) => changes.push(held) })
  leases.push(lease)
  return lease
}

it.skipIf(!kind)('a lease is held by one process, and by another as soon as it is released', async () => {
  const changes: boolean[] = []
  const [first, second, other] = [await ask('poll'), await ask('poll', changes), await ask('another')]
  expect([first.held(), second.held(), other.held()]).toEqual([true, false, true])
  await first.release()
  expect(first.held()).toBe(false)
  await expect.poll(() => second.held()).toBe(true)
  expect(changes).toEqual([true])
})

it.skipIf(!kind)('a lease runs out when its process can no longer renew it', async () => {
  const changes: boolean[] = []
  let isAway = false
  const rows: typeof test.database.rows = (...given) =>
    isAway ? Promise.reject(new Error('away')) : test.database.rows(...given)
  const database = { ...test.database, rows }
  const first = await keepLease({ database, name: 'poll', onChange: (held) => changes.push(held) })
  leases.push(first)
  const second = await ask('poll')
  isAway = true
  await expect.poll(() => second.held(), { timeout: 30_000 }).toBe(true)
  expect(first.held()).toBe(false)
  await expect.poll(() => changes).toEqual([true, false])
  isAway = false
})
