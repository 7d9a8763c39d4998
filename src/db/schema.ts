/**
 * Everything about people and money. Rules about money are constraints and triggers here (see drizzle/0001_money.sql),
 * so that no code path can break them.
 */
import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  text,
  timestamp,
  unique,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import type { ErrorData, ErrorKind } from '../core/errors.ts'
import type { Note, PictureRequest } from '../core/ports/models.ts'
import type { Json } from './json.ts'

export const time = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/** One account. `balance` can be spent, `held` is put aside for requests under way: only ledger rows change them. */
export const users = pgTable(
  'users',
  {
    id: uuid().primaryKey(),
    name: text().notNull(),
    balance: integer().notNull().default(0),
    held: integer().notNull().default(0),
    /** Requests accepted and not yet ended: the number of holds without a resolution. */
    inFlight: integer('in_flight').notNull().default(0),
    /** When the next request would be due if all came evenly spaced (GCRA): bounds requests per minute. */
    paceAt: time('pace_at').notNull().defaultNow(),
    banned: boolean().notNull().default(false),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [
    check('users_balance_not_negative', sql`${t.balance} >= 0`),
    check('users_held_not_negative', sql`${t.held} >= 0`),
    check('users_in_flight_not_negative', sql`${t.inFlight} >= 0`),
  ],
)

/** 'discord:123', 'telegram:456', 'web:…' → account. */
export const identities = pgTable(
  'identities',
  {
    id: text().primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    name: text().notNull(),
    /** '@name' without the sign, lower case, where the platform has such names. */
    handle: text(),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [index('identities_user').on(t.userId), index('identities_handle').on(t.handle)],
)

/** What programs show to act for an account. `spent` follows the ledger by itself (drizzle/0003_api.sql). */
export const apiKeys = pgTable(
  'api_keys',
  {
    id: uuid().primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    /** For people. */
    name: text().notNull(),
    /** SHA-256 of the key, in hex: the key itself is kept nowhere. */
    hash: text().notNull().unique(),
    /** Its last four characters, to tell keys apart. */
    tail: text().notNull(),
    /** Credits in a calendar month, UTC. Absent: as many as the account has. */
    monthlyCap: integer('monthly_cap'),
    /** Ids of the models it may use. Absent: all. */
    models: jsonb().$type<readonly string[]>(),
    /** Credits held and charged in that month; requests that end unserved are taken out again. */
    spent: integer().notNull().default(0),
    /** '2025-06'. */
    spentMonth: text('spent_month').notNull().default(''),
    createdAt: time('created_at').notNull().defaultNow(),
    /** To the minute. */
    usedAt: time('used_at'),
    revokedAt: time('revoked_at'),
  },
  (t) => [
    index('api_keys_of_user').on(t.userId),
    check('api_keys_cap', sql`${t.monthlyCap} >= 1`),
    check('api_keys_within_cap', sql`${t.spent} between 0 and coalesce(${t.monthlyCap}, ${t.spent})`),
  ],
)

export const generationStates = ['queued', 'running', 'stored', 'delivered', 'failed', 'cancelled'] as const
export type GenerationState = (typeof generationStates)[number]

/** One accepted request. The truth and the outbox: the queue only carries its id. */
export const generations = pgTable(
  'generations',
  {
    /** uuid v7, so that ids sort by time. */
    id: uuid().primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    /** The call that asked for it; the same call again changes nothing. */
    key: text().notNull().unique(),
    state: text().$type<GenerationState>().notNull().default('queued'),
    address: text().notNull(),
    /** Our message under the request, once posted. */
    posted: text(),
    locale: text().notNull(),
    model: text().notNull(),
    provider: text().notNull(),
    endpoint: text().notNull(),
    request: jsonb().$type<PictureRequest>().notNull(),
    /** Credits held for it. */
    price: integer().notNull(),
    /** The key it was asked with. Absent: in a chat, or with the operator's. */
    apiKeyId: uuid('api_key_id').references(() => apiKeys.id),
    /** Told when it has ended. */
    webhookUrl: text('webhook_url'),
    priority: integer().notNull(),
    /** Times a worker took it up; also the fence: a write from an older attempt changes nothing. */
    attempt: integer().notNull().default(0),
    /** A worker has it until then. */
    leaseUntil: time('lease_until'),
    /** When the sweeper wakes it if nobody else did. */
    wakeAt: time('wake_at').notNull(),
    deadlineAt: time('deadline_at').notNull(),
    /** Written before a provider is asked: from here on a start may have reached it. */
    submitAt: time('submit_at'),
    ticket: jsonb().$type<Json>(),
    /** What the provider told our webhook, verified. */
    told: jsonb().$type<Json>(),
    /** Routes given up before this one, each known not to have run. */
    tried: jsonb().$type<TriedRoute[]>().notNull().default([]),
    /** The prompt that is sent, where it is not the person's own. */
    enhanced: text(),
    /** What the caption has to say besides. */
    notes: jsonb().$type<readonly Note[]>(),
    seed: text(),
    error: text().$type<ErrorKind>(),
    errorData: jsonb('error_data').$type<ErrorData>(),
    /** Deliveries tried in vain. */
    deliveryTries: integer('delivery_tries').notNull().default(0),
    /** Last time the waiting message was edited. */
    narratedAt: time('narrated_at'),
    createdAt: time('created_at').notNull().defaultNow(),
    startedAt: time('started_at'),
    storedAt: time('stored_at'),
    endedAt: time('ended_at'),
    /** Taken out of the history by its owner: its words and pictures are gone, what it cost is not. */
    erasedAt: time('erased_at'),
  },
  (t) => [
    check('generations_state', sql`${t.state} in ('queued','running','stored','delivered','failed','cancelled')`),
    index('generations_of_user').on(t.userId, t.id),
    index('generations_of_user_by_surface').on(t.userId, sql`split_part(${t.address}, ':', 1)`, t.id),
    index('generations_to_wake').on(t.wakeAt).where(sql`state in ('queued','running','stored')`),
    index('generations_queued').on(t.provider, t.priority, t.id).where(sql`state = 'queued'`),
  ],
)

export interface TriedRoute {
  provider: string
  endpoint: string
  error: ErrorKind
}

export const entryKinds = ['grant', 'take', 'hold', 'capture', 'release'] as const
export type EntryKind = (typeof entryKinds)[number]

/** Rows are only inserted. The sum of `amount` is the balance, the sum of `held` the credits put aside. */
export const ledger = pgTable(
  'ledger',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    generationId: uuid('generation_id').references(() => generations.id),
    kind: text().$type<EntryKind>().notNull(),
    amount: integer().notNull(),
    held: integer().notNull().default(0),
    reason: text(),
    /** Who gave or took, as an identity. */
    actor: text(),
    /** Makes a grant happen once: 'welcome:discord:123', or the call that asked for it. */
    key: text().unique(),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [
    unique('ledger_once').on(t.generationId, t.kind),
    uniqueIndex('ledger_one_resolution').on(t.generationId).where(sql`kind in ('capture','release')`),
    index('ledger_of_user').on(t.userId, t.id),
    check(
      'ledger_shape',
      sql`case kind
        when 'grant' then amount > 0 and held = 0 and generation_id is null
        when 'take' then amount < 0 and held = 0 and generation_id is null
        when 'hold' then amount <= 0 and held = -amount and generation_id is not null
        when 'capture' then amount >= 0 and held <= 0 and amount <= -held and generation_id is not null
        when 'release' then amount >= 0 and held = -amount and generation_id is not null
        else false end`,
    ),
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
    role: text().$type<'input' | 'output' | 'thumbnail'>().notNull(),
    /** Position among those of the same role, from 0. */
    position: integer().notNull(),
    type: text().$type<'image/png' | 'image/jpeg' | 'image/webp'>().notNull(),
    width: integer().notNull(),
    height: integer().notNull(),
    bytes: integer().notNull(),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [unique('images_of_generation').on(t.generationId, t.role, t.position)],
)

/** Updates from a platform that must not be lost once we have confirmed them, until they are handled. */
export const inbox = pgTable('inbox', {
  /** 'telegram:<bot id>:<update id>'. */
  key: text().primaryKey(),
  body: jsonb().$type<Json>().notNull(),
  receivedAt: time('received_at').notNull().defaultNow(),
  handledAt: time('handled_at'),
})

/** The playground's conversation, so that any process may answer into it and a reload shows it again. */
export const webMessages = pgTable(
  'web_messages',
  {
    id: text().primaryKey(),
    visitor: text().notNull(),
    /** Grows with every change: a page asks for what came after the last it has seen. */
    version: bigint({ mode: 'number' }).notNull(),
    body: jsonb().$type<Json>().notNull(),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [index('web_messages_of_visitor').on(t.visitor, t.version)],
)

/** Small facts that processes share, such as the hash of the commands Discord was last told. */
export const facts = pgTable('facts', { name: text().primaryKey(), value: text().notNull() })

/** How to reach a provider. Without an active one the environment says. */
export const providerConfigs = pgTable(
  'provider_configs',
  {
    id: uuid().primaryKey(),
    provider: text().notNull(),
    /** For people. */
    name: text().notNull(),
    /** Absent: the provider's own address. */
    baseUrl: text('base_url'),
    /** See core/seal.ts. */
    sealedKey: text('sealed_key'),
    /** An active configuration that is not enabled switches its provider off. */
    enabled: boolean().notNull().default(true),
    active: boolean().notNull().default(false),
    /** Absent: PROVIDER_TIMEOUT_SECONDS and PROVIDER_CONCURRENCY. */
    timeoutSeconds: integer('timeout_seconds'),
    maxConcurrent: integer('max_concurrent'),
    /** The model for requests that name none. */
    defaultModel: text('default_model'),
    createdAt: time('created_at').notNull().defaultNow(),
    updatedAt: time('updated_at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('provider_configs_one_active').on(t.provider).where(sql`active`),
    check('provider_configs_timeout', sql`${t.timeoutSeconds} between 1 and 3600`),
    check('provider_configs_concurrency', sql`${t.maxConcurrent} between 1 and 1000`),
  ],
)

/** ComfyUI graphs that operators stored, each a model (docs/workflow-packs.md). */
export const workflowPacks = pgTable('workflow_packs', {
  /** The model's id. */
  id: text().primaryKey(),
  body: text().notNull(),
  createdAt: time('created_at').notNull().defaultNow(),
})
