/** What people do with a result: keep it, rate it, report it. */
import { sql } from 'drizzle-orm'
import { check, index, pgTable, primaryKey, smallint, text, uuid } from 'drizzle-orm/pg-core'
import { users } from './accounts.ts'
import { generations } from './generations.ts'
import { time } from './time.ts'

const columns = () => ({
  userId: uuid('user_id')
    .notNull()
    .references(() => users.id),
  generationId: uuid('generation_id')
    .notNull()
    .references(() => generations.id),
  createdAt: time('created_at').notNull().defaultNow(),
})

export const favourites = pgTable('favourites', columns(), (t) => [
  primaryKey({ columns: [t.userId, t.generationId] }),
  index('favourites_of_generation').on(t.generationId),
])

/** 1: up, -1: down. */
export const ratings = pgTable('ratings', { ...columns(), value: smallint().notNull() }, (t) => [
  primaryKey({ columns: [t.userId, t.generationId] }),
  index('ratings_of_generation').on(t.generationId),
  check('ratings_value', sql`${t.value} in (-1, 1)`),
])

/** Reports for the administrators, one for each person and result. */
export const reports = pgTable(
  'reports',
  {
    ...columns(),
    reason: text().notNull().default(''),
    /** When to try to tell the administrators. null: they have been told, or the time to try is over. */
    dueAt: time('due_at').defaultNow(),
    /** HMACs of the administrators who have been told, as long as others have not. */
    told: text().array().notNull().default([]),
  },
  (t) => [
    primaryKey({ columns: [t.userId, t.generationId] }),
    index('reports_by_time').on(t.createdAt),
    index('reports_of_generation').on(t.generationId),
    index('reports_due').on(t.dueAt).where(sql`due_at is not null`),
  ],
)

/** Presses that changed a favourite or a rating. A press that is handled again, after a crash, changes nothing. */
export const presses = pgTable(
  'presses',
  {
    key: text().primaryKey(),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [index('presses_by_age').on(t.createdAt)],
)
