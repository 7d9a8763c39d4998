/** How the service is set up, and small facts that its processes share. */
import { sql } from 'drizzle-orm'
import { boolean, check, index, integer, jsonb, pgTable, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core'
import { time } from './time.ts'

/** How to reach a provider. A provider without an active configuration uses the environment. */
export const providerConfigs = pgTable(
  'provider_configs',
  {
    id: uuid().primaryKey(),
    provider: text().notNull(),
    /** Chosen by the operator. */
    name: text().notNull(),
    /** Absent: the provider's own address. */
    baseUrl: text('base_url'),
    /** See core/providers/seal.ts. */
    sealedKey: text('sealed_key'),
    /** An active configuration that is not enabled switches its provider off. */
    enabled: boolean().notNull().default(true),
    active: boolean().notNull().default(false),
    /** Absent: PROVIDER_TIMEOUT_SECONDS and PROVIDER_CONCURRENCY. */
    timeoutSeconds: integer('timeout_seconds'),
    maxConcurrent: integer('max_concurrent'),
    /** The model of requests that name none. */
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

/** ComfyUI graphs that operators stored, each one a model (docs/workflow-packs.md). */
export const workflowPacks = pgTable('workflow_packs', {
  /** The model's id. */
  id: text().primaryKey(),
  body: text().notNull(),
  createdAt: time('created_at').notNull().defaultNow(),
})

/** Failures of providers since their last success, for the circuit breakers of all processes (core/providers/failures.ts). */
export const providerFailures = pgTable('provider_failures', {
  /** HMAC of the provider's settings. */
  settings: text().primaryKey(),
  /** Ids of the requests that failed; no more than open a breaker. */
  failed: jsonb().$type<readonly string[]>().notNull(),
  /** Until then an open breaker keeps requests away. */
  restsUntil: time('rests_until').notNull(),
})

/** Networks that have sent wrong keys lately (core/programs/wrong-keys.ts), or are trusted. */
export const wrongKeys = pgTable(
  'wrong_keys',
  {
    /** HMAC of what the keys open, and the network. */
    network: text().primaryKey(),
    tries: integer().notNull(),
    /** When the count starts anew. */
    endsAt: time('ends_at').notNull(),
    /** Absent: it is not trusted. */
    trustedUntil: time('trusted_until'),
  },
  (t) => [index('wrong_keys_over').on(sql`greatest(${t.endsAt}, ${t.trustedUntil})`)],
)

/** Requests that Discord refused, by minute, of all processes (bots/discord/rest/invalid-requests.ts). */
export const discordInvalidRequests = pgTable('discord_invalid_requests', {
  minute: time('minute').primaryKey(),
  requests: integer().notNull(),
})

/** Single values that processes share: the hash of the commands last registered, the enhancer's instruction. */
export const facts = pgTable('facts', { name: text().primaryKey(), value: text().notNull() })
