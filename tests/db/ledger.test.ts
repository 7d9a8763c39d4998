import { randomUUID } from 'node:crypto'
import { eq, sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Db } from '../../src/db/database.ts'
import { users } from '../../src/db/schema/accounts.ts'
import { generations } from '../../src/db/schema/generations.ts'
import { ledger } from '../../src/db/schema/ledger.ts'
import { databases, openTestDatabase, type TestDatabase } from '../helpers/backends.ts'

for (const kind of databases()) {
  describe(`the ledger on ${kind}`, () => {
    let opened: TestDatabase
    let db: Db
    beforeAll(async () => {
      opened = await openTestDatabase(kind)
      db = opened.database.db
    })
    afterAll(() => opened?.drop())

    test('updates balance, held and in_flight on a grant, a hold and a capture', async () => {
      const { userId, generationId } = await createUser(db, 10)
      expect(await sums(db, userId)).toEqual({ balance: 10, held: 0, inFlight: 0 })
      await db.insert(ledger).values({ userId, generationId, kind: 'hold', amount: -4, held: 4 })
      expect(await sums(db, userId)).toEqual({ balance: 6, held: 4, inFlight: 1 })
      await db.insert(ledger).values({ userId, generationId, kind: 'capture', amount: 1, held: -4 })
      expect(await sums(db, userId)).toEqual({ balance: 7, held: 0, inFlight: 0 })
    })

    test('counts a hold of 0 credits as in flight until its release', async () => {
      const { userId, generationId } = await createUser(db, 0)
      await db.insert(ledger).values({ userId, generationId, kind: 'hold', amount: 0, held: 0 })
      expect((await sums(db, userId)).inFlight).toBe(1)
      await db.insert(ledger).values({ userId, generationId, kind: 'release', amount: 0, held: 0 })
      expect((await sums(db, userId)).inFlight).toBe(0)
    })

    test('refuses to change or delete rows', async () => {
      const { userId } = await createUser(db, 5)
      const theirs = eq(ledger.userId, userId)
      expect(await failure(db.update(ledger).set({ amount: 99 }).where(theirs))).toContain('rows are only inserted')
      expect(await failure(db.delete(ledger).where(theirs))).toContain('DELETE is refused')
      expect(await failure(db.execute(sql`truncate ledger`))).toContain('TRUNCATE is refused')
      expect(await failure(db.execute(sql`truncate users cascade`))).toContain('TRUNCATE is refused')
      expect((await sums(db, userId)).balance).toBe(5)
    })

    test('refuses to spend more than the balance, even by concurrent statements', async () => {
      const { userId, generationId } = await createUser(db, 5)
      const other = await createGeneration(db, userId)
      const holds = [generationId, other].map((id) =>
        failure(db.insert(ledger).values({ userId, generationId: id, kind: 'hold', amount: -3, held: 3 })),
      )
      const results = await Promise.all(holds)
      expect(results.filter((result) => result === '')).toHaveLength(1)
      expect(results.join()).toContain('users_balance_not_negative')
      const take = db.insert(ledger).values({ userId, kind: 'take', amount: -3 })
      expect(await failure(take)).toContain('users_balance_not_negative')
      expect(await sums(db, userId)).toEqual({ balance: 2, held: 3, inFlight: 1 })
    })

    test('refuses a capture without a hold of the same amount and user', async () => {
      const { userId, generationId } = await createUser(db, 5)
      const capture = { userId, generationId, kind: 'capture', amount: 0, held: -3 } as const
      expect(await failure(db.insert(ledger).values(capture))).toContain('ledger_needs_hold')
      await db.insert(ledger).values({ userId, generationId, kind: 'hold', amount: -4, held: 4 })
      expect(await failure(db.insert(ledger).values(capture))).toContain('ledger_needs_hold')
      const stranger = await createUser(db, 0)
      const theirs = { ...capture, userId: stranger.userId, held: -4 }
      expect(await failure(db.insert(ledger).values(theirs))).toContain('ledger_needs_hold')
    })

    test('resolves a hold only once', async () => {
      const { userId, generationId } = await createUser(db, 5)
      await db.insert(ledger).values({ userId, generationId, kind: 'hold', amount: -4, held: 4 })
      await db.insert(ledger).values({ userId, generationId, kind: 'capture', amount: 0, held: -4 })
      const release = { userId, generationId, kind: 'release', amount: 4, held: -4 } as const
      expect(await failure(db.insert(ledger).values(release))).toContain('ledger_one_resolution')
      expect(await sums(db, userId)).toEqual({ balance: 1, held: 0, inFlight: 0 })
    })

    test('returns Dates and numbers to hand-written SQL', async () => {
      const { userId } = await createUser(db, 7)
      const [row] = await opened.database.rows<{ n: number; at: Date; none: Date | null; total: number }>(
        sql`select count(*) as n, min(created_at) as at, null::timestamptz as none, sum(amount) as total
            from ledger where user_id = ${userId}`,
      )
      expect(row).toEqual({ n: 1, at: expect.any(Date), none: null, total: 7 })
      expect(Math.abs(Date.now() - Number(row?.at))).toBeLessThan(60_000)
    })
  })
}

async function createUser(db: Db, credits: number): Promise<{ userId: string; generationId: string }> {
  const userId = randomUUID()
  await db.insert(users).values({ id: userId, name: 'Ada' })
  if (credits > 0) await db.insert(ledger).values({ userId, kind: 'grant', amount: credits })
  return { userId, generationId: await createGeneration(db, userId) }
}

async function createGeneration(db: Db, userId: string): Promise<string> {
  const id = randomUUID()
  const soon = new Date(Date.now() + 60_000)
  await db.insert(generations).values({
    id,
    userId,
    payerId: userId,
    key: id,
    surface: 'web',
    address: 'web:1',
    locale: 'en',
    model: 'm',
    provider: 'p',
    endpoint: 'e',
    request: { prompt: 'a fox', model: 'm', aspect: '1:1', width: 1024, height: 1024, count: 1, images: 0 },
    price: 4,
    priority: 10,
    wakeAt: soon,
    deadlineAt: soon,
  })
  return id
}

async function sums(db: Db, userId: string) {
  const [row] = await db
    .select({ balance: users.balance, held: users.held, inFlight: users.inFlight })
    .from(users)
    .where(eq(users.id, userId))
  return row!
}

/** '' if the action succeeds, otherwise the database's message and constraint. */
async function failure(action: PromiseLike<unknown>): Promise<string> {
  try {
    await action
    return ''
  } catch (error) {
    const cause = (error as Error).cause as Error & { constraint?: string; constraint_name?: string }
    return `${cause.message} (${cause.constraint ?? cause.constraint_name})`
  }
}
