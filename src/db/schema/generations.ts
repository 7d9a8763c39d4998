/** Accepted requests, their pictures, and the messages that show them. */
import { sql } from 'drizzle-orm'
import {
  type AnyPgColumn,
  bigint,
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  unique,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import type { Json } from '../json.ts'
import { apiKeys, users } from './accounts.ts'
import { poolDraws } from './billing.ts'
import { time } from './time.ts'

export const generationStates = ['queued', 'running', 'stored', 'delivered', 'failed', 'cancelled'] as const
export type GenerationState = (typeof generationStates)[number]

/** One accepted request. This row is the truth and the outbox; the queue only carries its id. */
export const generations = pgTable(
  'generations',
  {
    /** uuid v7, so that ids sort by time. */
    id: uuid().primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    /** The account whose credits it holds. It stays when the person's account is joined with another. */
    payerId: uuid('payer_id')
      .notNull()
      .references(() => users.id),
    /** The draw on the pool of its group that pays for it. Absent: the payer's own credits do. */
    drawId: bigint('draw_id', { mode: 'number' }).references((): AnyPgColumn => poolDraws.id),
    /** Key of the call that asked for it: the same call again changes nothing. */
    key: text().notNull().unique(),
    state: text().$type<GenerationState>().notNull().default('queued'),
    /** Name of the surface where it was asked for. */
    surface: text().notNull(),
    /** Where on that surface the answer goes. */
    address: text().notNull(),
    /** The chat that people see it in, as `Place` has it. Absent: only its owner sees it. */
    channel: text(),
    /** Our message under the request, once posted. */
    posted: text(),
    locale: text().notNull(),
    model: text().notNull(),
    provider: text().notNull(),
    endpoint: text().notNull(),
    request: jsonb().$type<Json>().notNull(),
    /** The generation whose result this one started from, and the button that was pressed there. */
    parentId: uuid('parent_id').references((): AnyPgColumn => generations.id),
    parentButton: text('parent_button'),
    /** Only its owner sees it. */
    private: boolean().notNull().default(false),
    /** Whether its original files are sent after the result, as the person or the group has set. */
    original: boolean().notNull().default(false),
    /** Prices that its buttons show, by action, and prices that one person was shown, by person and offer (results/quotes.ts). */
    quoted: jsonb().$type<Json>(),
    /** Credits held for it. */
    price: integer().notNull(),
    /** The parts of the price (billing/quote.ts). Absent on older rows: all of it is for pictures. */
    quote: jsonb().$type<Json>(),
    /** What the provider charges us for it, in millionths of a US dollar. Absent: not known. */
    costMicros: bigint('cost_micros', { mode: 'number' }),
    /** The API key it was asked with. Absent: a chat, or the operator's key. */
    apiKeyId: uuid('api_key_id').references(() => apiKeys.id),
    /** Called once it has ended. */
    webhookUrl: text('webhook_url'),
    /** A program may wait for it, so its end is notified. */
    watched: boolean().notNull().default(false),
    /** The `x-request-id` of the HTTP request that asked for it, for the log. */
    requestId: text('request_id'),
    /** The span that accepted it, as W3C writes a trace context: the worker's spans continue its trace. Absent: no traces. */
    traceparent: text(),
    priority: integer().notNull(),
    /** How often a worker took it up. It fences late writers: a write of an older attempt changes nothing. */
    attempt: integer().notNull().default(0),
    /** Attempts that only looked for news of a submission that was not answered. */
    searches: integer().notNull().default(0),
    /** Until then it belongs to one worker. */
    leaseUntil: time('lease_until'),
    /** When the sweeper looks at it next. */
    wakeAt: time('wake_at').notNull(),
    deadlineAt: time('deadline_at').notNull(),
    /** Written right before a submission: from then on the provider may have received it. */
    submitAt: time('submit_at'),
    ticket: jsonb().$type<Json>(),
    /** The provider's latest webhook message. */
    webhookMessage: jsonb('webhook_message').$type<Json>(),
    /** Routes given up before this one. The provider of each is known not to have run the request. */
    tried: jsonb().$type<Json>().notNull().default([]),
    /** The prompt that is submitted, where it is not the person's own. */
    enhanced: text(),
    /** Notes for the caption. */
    notes: jsonb().$type<Json>(),
    seed: text(),
    /** An ErrorKind of core/errors.ts. */
    error: text(),
    errorData: jsonb('error_data').$type<Json>(),
    /** Failed tries to deliver the answer. */
    deliveryTries: integer('delivery_tries').notNull().default(0),
    /** When a process last took its message to show its place in the queue, and the place that it shows. */
    narratedAt: time('narrated_at'),
    narratedPlace: integer('narrated_place'),
    /** Until then such an edit may be under way: a worker's own edits wait for its end. */
    editingUntil: time('editing_until'),
    createdAt: time('created_at').notNull().defaultNow(),
    startedAt: time('started_at'),
    storedAt: time('stored_at'),
    /** Absent while its state is queued, running or stored. */
    endedAt: time('ended_at'),
    /** When its owner removed it from the history. Words and pictures are gone; the price stays in the ledger. */
    erasedAt: time('erased_at'),
  },
  (t) => [
    check('generations_state', sql`${t.state} in ('queued','running','stored','delivered','failed','cancelled')`),
    index('generations_of_user').on(t.userId, t.id),
    index('generations_of_user_by_model').on(t.userId, t.model, t.id),
    // for /history --state: few requests fail, and `error` is written once, when one does
    index('generations_of_user_unsuccessful').on(t.userId, t.id).where(sql`error is not null`),
    index('generations_by_short_id').on(t.userId, sql`right(${t.id}::text, 8)`),
    index('generations_by_short_id_alone').on(sql`right(${t.id}::text, 8)`),
    index('generations_of_channel').on(t.surface, t.channel).where(sql`channel is not null`),
    index('generations_of_user_by_surface').on(t.userId, t.surface, t.id),
    // No index has a column that changes before the end, except when a request moves to another provider or chat: so Postgres
    // updates the row without touching the indexes (HOT).
    index('generations_unfinished').on(t.provider, t.priority, t.id).where(sql`ended_at is null`),
  ],
)

/** Every object in the store that belongs to a generation. */
export const images = pgTable(
  'images',
  {
    key: text().primaryKey(),
    generationId: uuid('generation_id')
      .notNull()
      .references(() => generations.id),
    /** mask: marks the area of the first input picture that is drawn anew. */
    role: text().$type<'input' | 'mask' | 'output' | 'thumbnail'>().notNull(),
    /** Position among the images of the same role, from 0. */
    position: integer().notNull(),
    type: text().$type<'image/png' | 'image/jpeg' | 'image/webp'>().notNull(),
    width: integer().notNull(),
    height: integer().notNull(),
    bytes: integer().notNull(),
    /** The provider flagged it as unsuitable for some. */
    flagged: boolean().notNull().default(false),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [
    unique('images_of_generation').on(t.generationId, t.role, t.position),
    // once for each result
    index('images_by_age').on(t.createdAt, t.generationId).where(sql`role = 'output' and position = 0`),
  ],
)

/** Generations whose objects must leave the store: they failed, were cancelled, or were erased by their owner. */
export const objectDeletions = pgTable(
  'object_deletions',
  {
    generationId: uuid('generation_id')
      .primaryKey()
      .references(() => generations.id),
    /** Pictures requested, from which the keys of unrecorded objects are derived. */
    pictures: integer().notNull(),
    /** The row goes once the objects were deleted after this time: until then a worker may still store some. */
    finalAt: time('final_at').notNull().defaultNow(),
  },
  (t) => [index('object_deletions_by_time').on(t.finalAt)],
)

/** Erased requests whose messages must leave the chats. */
export const messageDeletions = pgTable(
  'message_deletions',
  {
    generationId: uuid('generation_id')
      .primaryKey()
      .references(() => generations.id),
    /** Not tried before. During a try, when another process may take over. */
    dueAt: time('due_at').notNull(),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [index('message_deletions_by_time').on(t.dueAt)],
)

/** Messages that show a result, each recorded before the next one is sent, so that a crash repeats none. */
export const sentMessages = pgTable(
  'sent_messages',
  {
    generationId: uuid('generation_id')
      .notNull()
      .references(() => generations.id),
    surface: text().notNull(),
    /** The message, as `Posted` of its surface. */
    posted: text().notNull(),
    /** The platform's name of the message, by which replies and presses refer to it. */
    message: text(),
    /** Key of the call that asked to see the result again. '': the delivery. */
    askedBy: text('asked_by').notNull().default(''),
    /** Position of its first picture in the result, or `noPicture` (core/ports/chat.ts). Original files that follow the result have positions after the pictures. */
    part: integer().notNull(),
    /** Whether the buttons of the result are below it. */
    buttons: boolean().notNull().default(false),
    /** The platform's own ids of the files in it, where it has such. */
    fileIds: jsonb('file_ids').$type<readonly string[]>().notNull().default([]),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('sent_messages_once').on(t.generationId, t.surface, t.askedBy, t.part),
    index('sent_messages_by_message').on(t.surface, t.message),
  ],
)

/**
 * Messages whose sending began, on platforms where a repeated call sends them twice. A row that stays was left by a process that died, or by
 * a call without an answer: the message may have arrived.
 */
export const begunMessages = pgTable(
  'begun_messages',
  {
    generationId: uuid('generation_id')
      .notNull()
      .references(() => generations.id),
    surface: text().notNull(),
    /** As in `sent_messages`. */
    askedBy: text('asked_by').notNull().default(''),
    /** The first part in it. */
    part: integer().notNull(),
    begunAt: time('begun_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.generationId, t.surface, t.askedBy, t.part] })],
)

/** Lanes that a worker serves. A lane without one for a while is left to the sweeper. */
export const servedLanes = pgTable('served_lanes', {
  lane: text().primaryKey(),
  servedAt: time('served_at').notNull(),
  /** When a process last showed people their places in this lane. One process at a time does it for all. */
  narratedAt: time('narrated_at').notNull().defaultNow(),
})
