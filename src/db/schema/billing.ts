/** Prices, and every way in which people get credits. The credits themselves are rows of the ledger. */
import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  date,
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { users } from './accounts.ts'
import { time } from './time.ts'

/** Prices that administrators have set. They come before those of the models' declarations. */
export const prices = pgTable(
  'prices',
  {
    /** Id of a model. '*': of all. */
    model: text().notNull(),
    /** What is paid for: a part of a quote (core/billing/quote.ts). */
    part: text().notNull(),
    credits: integer().notNull(),
    changedAt: time('changed_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.model, t.part] }), check('prices_not_negative', sql`${t.credits} >= 0`)],
)

/** Models that administrators have turned off or on. */
export const modelSwitches = pgTable('model_switches', {
  model: text().primaryKey(),
  enabled: boolean().notNull(),
  changedAt: time('changed_at').notNull().defaultNow(),
})

/** Days on which people took their daily credits. */
export const dailyClaims = pgTable(
  'daily_claims',
  {
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    /** UTC. */
    day: date().notNull(),
    /** Days in a row, with this one. */
    streak: integer().notNull(),
    credits: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.userId, t.day] })],
)

/** UTC days on which members of a group got the credits of a role. */
export const roleClaims = pgTable(
  'role_claims',
  {
    /** '<surface>:<group id>'. */
    chat: text().notNull(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    day: date().notNull(),
    /** HMAC of the member's identity: it stays the same when the identity leaves the account. */
    member: text().notNull(),
    credits: integer().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.chat, t.day, t.member] }),
    index('role_claims_of_user').on(t.userId, t.day),
    index('role_claims_of_member').on(t.member, t.day),
    index('role_claims_by_age').on(t.day),
  ],
)

/** What members of a group have drawn from its pool, by UTC day. A trigger takes back what their requests give back. */
export const poolDraws = pgTable(
  'pool_draws',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    /** '<surface>:<group id>'. */
    chat: text().notNull(),
    day: date().notNull(),
    /** HMAC of the member's identity: it stays the same when the identity leaves the account. Days later, the id of the row instead. */
    member: text().notNull(),
    credits: integer().notNull(),
    /** The most that a member could draw, at the latest draw. */
    cap: integer().notNull(),
  },
  (t) => [
    uniqueIndex('pool_draws_of_member').on(t.chat, t.day, t.member),
    index('pool_draws_with_member').on(t.day).where(sql`${t.member} <> ${t.id}::text`),
    check('pool_draws_within_cap', sql`${t.credits} between 0 and ${t.cap}`),
  ],
)

/** The code in a person's `ref_` links. */
export const referralCodes = pgTable('referral_codes', {
  code: text().primaryKey(),
  userId: uuid('user_id')
    .notNull()
    .unique()
    .references(() => users.id),
  createdAt: time('created_at').notNull().defaultNow(),
})

/** Who invited whom. Both get credits once, after the first picture of the invited person. */
export const referrals = pgTable(
  'referrals',
  {
    userId: uuid('user_id')
      .primaryKey()
      .references(() => users.id),
    inviterId: uuid('inviter_id')
      .notNull()
      .references(() => users.id),
    createdAt: time('created_at').notNull().defaultNow(),
    /** When the invited person got the first picture: the reward is due. */
    pictureAt: time('picture_at'),
    /** When it was decided who gets the reward. */
    rewardedAt: time('rewarded_at'),
  },
  (t) => [
    index('referrals_of_inviter').on(t.inviterId),
    index('referrals_due').on(t.pictureAt).where(sql`picture_at is not null and rewarded_at is null`),
    check('referrals_of_others', sql`${t.userId} <> ${t.inviterId}`),
  ],
)

/** Codes for `/redeem`. */
export const creditCodes = pgTable(
  'credit_codes',
  {
    /** SHA-256 of the code, in hex. The code itself is shown once and not stored. */
    hash: text().primaryKey(),
    /** The last characters of the code, by which administrators recognise it. */
    tail: text().notNull(),
    credits: integer().notNull(),
    /** How many people may redeem it. */
    uses: integer().notNull(),
    used: integer().notNull().default(0),
    /** Absent: never. */
    expiresAt: time('expires_at'),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [
    check('credit_codes_used', sql`${t.used} between 0 and ${t.uses}`),
    check('credit_codes_credits', sql`${t.credits} >= 1`),
  ],
)

export const codeRedemptions = pgTable(
  'code_redemptions',
  {
    codeHash: text('code_hash')
      .notNull()
      .references(() => creditCodes.hash),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.codeHash, t.userId] }), index('code_redemptions_of_user').on(t.userId)],
)

/** Credits for sale on Telegram, as administrators have set them. They come before those of core/billing/packages.ts. */
export const packages = pgTable(
  'packages',
  {
    /** Lower-case letters and digits: it is part of buttons and links. */
    id: text().primaryKey(),
    credits: integer().notNull(),
    /** Price in Telegram Stars. */
    stars: integer().notNull(),
    /** False: it is no longer sold. */
    active: boolean().notNull().default(true),
    changedAt: time('changed_at').notNull().defaultNow(),
  },
  (t) => [
    check('packages_id', sql`${t.id} ~ '^[a-z0-9]{1,20}$'`),
    check('packages_credits', sql`${t.credits} >= 1`),
    check('packages_stars', sql`${t.stars} >= 1`),
  ],
)

export const orderStates = ['open', 'paid', 'refunded'] as const
export type OrderState = (typeof orderStates)[number]

/** Credits that a person wants to buy, or has bought. */
export const orders = pgTable(
  'orders',
  {
    /** uuid v7. It is the payload of the platform's invoice. */
    id: uuid().primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    /** 'telegram', 'discord', … */
    platform: text().notNull(),
    /** The platform's name of what is bought. */
    item: text().notNull(),
    credits: integer().notNull(),
    /** In the smallest unit of `currency`; 'XTR' has one unit. */
    amount: integer().notNull(),
    currency: text().notNull(),
    state: text().$type<OrderState>().notNull().default('open'),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [
    index('orders_of_user').on(t.userId, t.id),
    check('orders_state', sql`${t.state} in ('open','paid','refunded')`),
    check('orders_credits', sql`${t.credits} >= 1`),
  ],
)

/** One charge of a platform. Its credits are granted once, and taken back once if it is refunded. */
export const payments = pgTable(
  'payments',
  {
    /** '<platform>:<the platform's id of the charge>'. */
    charge: text().primaryKey(),
    orderId: uuid('order_id')
      .notNull()
      .references(() => orders.id),
    paidAt: time('paid_at').notNull().defaultNow(),
    refundedAt: time('refunded_at'),
    /**
     * '<platform>:<the platform's id of a purchase>', in the shop of a platform: each period of a subscription is a charge of one
     * purchase.
     */
    purchase: text(),
    /** Which message the buyer of a purchase has got last. */
    announced: text().$type<'paid' | 'refunded'>(),
  },
  (t) => [
    uniqueIndex('payments_of_order').on(t.orderId),
    index('payments_of_purchase').on(t.purchase, t.paidAt).where(sql`purchase is not null`),
    check('payments_announced', sql`${t.announced} in ('paid','refunded')`),
  ],
)

export const skuKinds = ['consumable', 'durable', 'subscription'] as const
export type SkuKind = (typeof skuKinds)[number]

/** Credits that what Discord's shop sells (SKUs) is worth, as administrators have set them. */
export const skus = pgTable(
  'skus',
  {
    id: text().primaryKey(),
    /** 0: purchases of it give nothing any more. */
    credits: integer().notNull(),
    /** Absent: Discord has not listed it among those of the app. */
    kind: text().$type<SkuKind>(),
    /** Discord sells it at the moment. */
    available: boolean().notNull().default(false),
    changedAt: time('changed_at').notNull().defaultNow(),
  },
  (t) => [
    check('skus_id', sql`${t.id} ~ '^[0-9]{17,20}$'`),
    check('skus_credits', sql`${t.credits} >= 0`),
    check('skus_kind', sql`${t.kind} in ('consumable','durable','subscription')`),
  ],
)
