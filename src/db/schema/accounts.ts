/** People, their identities on each platform, and the keys of their programs. */
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
  uuid,
} from 'drizzle-orm/pg-core'
import type { Json } from '../json.ts'
import { time } from './time.ts'

/** One account. Only ledger rows change `balance` (credits to spend) and `held` (credits of requests under way). */
export const users = pgTable(
  'users',
  {
    id: uuid().primaryKey(),
    name: text().notNull(),
    balance: integer().notNull().default(0),
    held: integer().notNull().default(0),
    /** Requests accepted and not yet ended: the number of holds without a resolution. */
    inFlight: integer('in_flight').notNull().default(0),
    /** When the next request would be due if requests came evenly spaced (GCRA). It limits requests per minute. */
    paceAt: time('pace_at').notNull().defaultNow(),
    /** When the next wrong code of `/redeem` would be due if they came evenly spaced (GCRA). Absent: there was none. */
    codePaceAt: time('code_pace_at'),
    /** Credits of refunded payments that had been spent already. The next credits pay them off first. */
    debt: integer().notNull().default(0),
    banned: boolean().notNull().default(false),
    /** Absent while banned: for ever. */
    bannedUntil: time('banned_until'),
    banReason: text('ban_reason'),
    /** The account that it was joined with. Credits that come back later go there. */
    joinedInto: uuid('joined_into').references((): AnyPgColumn => users.id),
    /** Name of its limits in `tiers`. Absent: those of the settings. */
    tier: text().references(() => tiers.name),
    /** Limits of its own, which come before those of the tier. */
    inFlightLimit: integer('in_flight_limit'),
    perMinuteLimit: integer('per_minute_limit'),
    /** When its owner deleted it. */
    closedAt: time('closed_at'),
    /** When all of its data was deleted. Absent on a closed account: some may be left. */
    clearedAt: time('cleared_at'),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [
    index('users_joined').on(t.joinedInto).where(sql`joined_into is not null`),
    index('users_to_clear').on(t.closedAt).where(sql`closed_at is not null and cleared_at is null`),
    check('users_debt_not_negative', sql`${t.debt} >= 0`),
    check('users_balance_not_negative', sql`${t.balance} >= 0`),
    check('users_held_not_negative', sql`${t.held} >= 0`),
    check('users_in_flight_not_negative', sql`${t.inFlight} >= 0`),
  ],
)

/** Limits that several accounts share, by name. */
export const tiers = pgTable(
  'tiers',
  {
    name: text().primaryKey(),
    /** Requests under way. Absent: as the settings say. */
    inFlight: integer('in_flight'),
    /** Requests in a minute. Absent: as the settings say. */
    perMinute: integer('per_minute'),
    changedAt: time('changed_at').notNull().defaultNow(),
  },
  (t) => [check('tiers_limits', sql`${t.inFlight} >= 1 and ${t.perMinute} >= 1`)],
)

/** Bans of identities whose account is gone, so that a new account of the same person starts banned. */
export const keptBans = pgTable('kept_bans', {
  /** HMAC of the identity with the secret key, in hex: a closed account leaves no name. */
  identityHash: text('identity_hash').primaryKey(),
  /** Absent: for ever. */
  until: time('until'),
  reason: text(),
  createdAt: time('created_at').notNull().defaultNow(),
})

/** Accounts that an identity has left or closed, so that a new one gives nothing again that a person gets once. */
export const earlierAccounts = pgTable(
  'earlier_accounts',
  {
    /** As in `kept_bans`. */
    identityHash: text('identity_hash').notNull(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
  },
  (t) => [primaryKey({ columns: [t.identityHash, t.userId] })],
)

/** Codes of `/link`. Each joins one other account with the account that asked for it. */
export const linkCodes = pgTable(
  'link_codes',
  {
    /** HMAC of the code with the secret key, in hex: a code is short, so its plain hash could be guessed. */
    hash: text().primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    expiresAt: time('expires_at').notNull(),
    usedAt: time('used_at'),
    /** Hash of the call that entered it: the same call again gets the same answer. */
    usedBy: text('used_by'),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [index('link_codes_of_user').on(t.userId), index('link_codes_by_expiry').on(t.expiresAt)],
)

/** Codes that were entered and are wrong. They count for an hour. */
export const linkTries = pgTable(
  'link_tries',
  {
    /** Key of the call that entered it. */
    key: text().primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [index('link_tries_of_user').on(t.userId, t.createdAt)],
)

/** What administrators changed. Rows are only inserted. */
export const auditLog = pgTable(
  'audit_log',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    /** The identity that acted, or 'cli'. */
    actor: text().notNull(),
    /** 'ban', 'price', … */
    action: text().notNull(),
    /** Account, generation, model or code that it was about. */
    target: text().notNull(),
    before: jsonb().$type<Json>(),
    after: jsonb().$type<Json>(),
    /** A hash of the call that did it: the same call again adds no row. */
    key: text().unique(),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [index('audit_log_of_target').on(t.target, t.id)],
)

/** Archives of `/privacy export`, until their link expires. */
export const privacyExports = pgTable(
  'privacy_exports',
  {
    /** SHA-256 of the link's token, in hex. */
    hash: text().primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    expiresAt: time('expires_at').notNull(),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [index('privacy_exports_of_user').on(t.userId), index('privacy_exports_by_expiry').on(t.expiresAt)],
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
    /** '@name' without the sign, in lower case, on platforms that have such names. */
    handle: text(),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [
    index('identities_user').on(t.userId),
    index('identities_handle').on(t.handle),
    index('identities_by_lower_id').on(sql`lower(${t.id})`),
  ],
)

/** Keys with which programs act for an account. The ledger trigger keeps `spent` (drizzle/0003_api.sql). */
export const apiKeys = pgTable(
  'api_keys',
  {
    id: uuid().primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    /** Chosen by the owner. */
    name: text().notNull(),
    /** SHA-256 of the key, in hex. The key itself is not stored. */
    hash: text().notNull().unique(),
    /** The last four characters of the key, by which the owner recognises it. */
    tail: text().notNull(),
    /** Credits in a calendar month, UTC. Absent: no cap. */
    monthlyCap: integer('monthly_cap'),
    /** Ids of the models it may use. Absent: all. */
    models: jsonb().$type<readonly string[]>(),
    /** Credits held and charged in `spentMonth`; requests that end without pictures are subtracted again. */
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

/** Browsers that are signed in to the page. Signing out deletes the row. */
export const webSessions = pgTable(
  'web_sessions',
  {
    /** HMAC of the cookie's token with the secret key, in hex: a new secret key ends all sessions. */
    hash: text().primaryKey(),
    /** Identity that the browser acts for: a person's, or 'web:<random>-operator' of an administrator. */
    identity: text().notNull(),
    /** The API key that opened it: revoking the key ends the session. */
    apiKeyId: uuid('api_key_id').references(() => apiKeys.id),
    /** HMAC of the API_KEY that opened it: a new API_KEY ends the session. */
    operatorKey: text('operator_key'),
    createdAt: time('created_at').notNull().defaultNow(),
    expiresAt: time('expires_at').notNull(),
  },
  (t) => [index('web_sessions_of_identity').on(t.identity), index('web_sessions_by_expiry').on(t.expiresAt)],
)

/** Links of `/panel`. Each signs in one browser. */
export const panelLinks = pgTable(
  'panel_links',
  {
    /** SHA-256 of the link's token, in hex. The token itself is not stored. */
    hash: text().primaryKey(),
    identity: text().notNull(),
    expiresAt: time('expires_at').notNull(),
    usedAt: time('used_at'),
  },
  (t) => [index('panel_links_of_identity').on(t.identity), index('panel_links_by_expiry').on(t.expiresAt)],
)
