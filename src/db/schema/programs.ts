/** What programs of the HTTP API leave behind for a while. */
import { sql } from 'drizzle-orm'
import { index, integer, jsonb, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import type { Json } from '../json.ts'
import { users } from './accounts.ts'
import { bytea } from './bytes.ts'
import { generations } from './generations.ts'
import { time } from './time.ts'

/** Progress of a generation, for programs that wait; deleted when it ends. */
export const apiProgress = pgTable('api_progress', {
  generationId: uuid('generation_id')
    .primaryKey()
    .references(() => generations.id),
  percent: integer(),
  preview: bytea(),
  updated: time('updated').notNull().defaultNow(),
})

/** Requests with an idempotency key: the same request again gets the same answer. */
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

/** Outgoing webhooks: one row for each generation whose end a program wants to hear of, until delivered or given up. */
export const apiWebhooks = pgTable(
  'api_webhooks',
  {
    generationId: uuid('generation_id')
      .primaryKey()
      .references(() => generations.id),
    url: text().notNull(),
    tries: integer().notNull().default(0),
    /** When to try next; during a try, when another process may take over. Absent: delivered or given up. */
    dueAt: time('due_at').defaultNow(),
    /** Why the last try failed, for the operator. */
    problem: text(),
    createdAt: time('created_at').notNull().defaultNow(),
    deliveredAt: time('delivered_at'),
  },
  (t) => [
    index('api_webhooks_due').on(t.dueAt).where(sql`due_at is not null`),
    index('api_webhooks_over').on(t.createdAt).where(sql`due_at is null`),
  ],
)

/** Pictures uploaded ahead of the request that uses them; deleted after a day. */
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
    /** 0 while it is being stored or deleted. */
    bytes: integer().notNull(),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [index('uploads_by_age').on(t.createdAt), index('uploads_of_user').on(t.userId, t.createdAt)],
)
