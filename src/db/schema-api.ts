/** What the HTTP API keeps besides keys and requests: for a while only. */
import { sql } from 'drizzle-orm'
import { customType, index, integer, jsonb, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import type { Json } from './json.ts'
import { generations, time, users } from './schema.ts'

const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' })

/** How far it is, for programs that wait; gone when it has ended. */
export const apiProgress = pgTable('api_progress', {
  generationId: uuid('generation_id')
    .primaryKey()
    .references(() => generations.id),
  percent: integer(),
  preview: bytea(),
  updated: time('updated').notNull().defaultNow(),
})

/** Requests with an idempotency key: the same again gets the same answer. */
export const apiRequests = pgTable(
  'api_requests',
  {
    /** '<user id>:<Idempotency-Key>'. */
    key: text().primaryKey(),
    bodyHash: text('body_hash').notNull(),
    status: text().$type<'in_flight' | 'done'>().notNull(),
    response: jsonb().$type<Json>(),
    generationIds: jsonb('generation_ids').$type<readonly string[]>().notNull().default([]),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [index('api_requests_by_age').on(t.createdAt)],
)

/** Who wants to be told that a generation has ended, until they are told or nobody answers for too long. */
export const apiWebhooks = pgTable(
  'api_webhooks',
  {
    generationId: uuid('generation_id')
      .primaryKey()
      .references(() => generations.id),
    url: text().notNull(),
    tries: integer().notNull().default(0),
    /** When to try next; while somebody tries, when another may. Absent: it is over. */
    dueAt: time('due_at').defaultNow(),
    /** For the operator: why the last try failed. */
    problem: text(),
    createdAt: time('created_at').notNull().defaultNow(),
    deliveredAt: time('delivered_at'),
  },
  (t) => [
    index('api_webhooks_due').on(t.dueAt).where(sql`due_at is not null`),
    index('api_webhooks_over').on(t.createdAt).where(sql`due_at is null`),
  ],
)

/** Pictures that were sent ahead, to be named in requests; gone after a day. */
export const uploads = pgTable(
  'uploads',
  {
    /** In the object store. */
    key: text().primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    type: text().$type<'image/png' | 'image/jpeg' | 'image/webp'>().notNull(),
    width: integer().notNull(),
    height: integer().notNull(),
    /** 0: on its way into the store, or out of it. */
    bytes: integer().notNull(),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [index('uploads_by_age').on(t.createdAt), index('uploads_of_user').on(t.userId, t.createdAt)],
)
