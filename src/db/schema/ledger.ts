/** Credits. The rules about money are constraints and triggers (drizzle/0001_money.sql), so that no code path can break them. */
import { sql } from 'drizzle-orm'
import { bigint, check, index, integer, pgTable, text, unique, uniqueIndex, uuid } from 'drizzle-orm/pg-core'
import { users } from './accounts.ts'
import { generations } from './generations.ts'
import { time } from './time.ts'

export const entryKinds = ['grant', 'take', 'hold', 'capture', 'release'] as const
export type EntryKind = (typeof entryKinds)[number]

/** Where granted and taken credits come from. */
export const entrySources = [
  'welcome',
  'admin',
  'daily',
  'role',
  'referral',
  'code',
  'gift',
  'pool',
  'order',
  'refund',
  'link',
  'late',
  'closing',
] as const
/**
 * role: daily credits of a role in a group · pool: put into the pool of a group · link: joining two accounts · late: credits of a request that ended after its payer was joined with another account · refund: of a
 * request, by an administrator · order: bought, or taken back when the payment was refunded · closing: forfeited when the account was
 * deleted, or what it owed, which the person's next account owes.
 */
export type EntrySource = (typeof entrySources)[number]

/**
 * Rows are only inserted. Only words may be removed, from rows of a deleted account (drizzle/0016_closed_accounts.sql). The sums of
 * `amount`, `held` and `debt` are the balance, the credits on hold and the debt.
 */
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
    /** Positive: credits that could not be taken because they are spent. Negative: paid off by this grant. */
    debt: integer().notNull().default(0),
    /** Of grants and takes. Absent on older rows other than welcome grants: an administrator. */
    source: text().$type<EntrySource>(),
    reason: text(),
    /** The identity that gave or took. */
    actor: text(),
    /** Makes a grant happen once: 'welcome:<HMAC of the identity>', or the key of the call that asked for it. */
    key: text().unique(),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [
    unique('ledger_once').on(t.generationId, t.kind),
    uniqueIndex('ledger_one_resolution').on(t.generationId).where(sql`kind in ('capture','release')`),
    index('ledger_of_user').on(t.userId, t.id),
    index('ledger_by_actor').on(t.actor).where(sql`actor is not null`),
    check(
      'ledger_shape',
      sql`case kind
        when 'grant' then amount >= 0 and debt <= 0 and amount - debt > 0 and held = 0 and generation_id is null
        when 'take' then amount <= 0 and debt >= 0 and debt - amount > 0 and held = 0 and generation_id is null
        when 'hold' then amount <= 0 and held = -amount and generation_id is not null
        when 'capture' then amount >= 0 and held <= 0 and amount <= -held and generation_id is not null
        when 'release' then amount >= 0 and held = -amount and generation_id is not null
        else false end and (kind in ('grant', 'take') or debt = 0)`,
    ),
    index('ledger_of_user_by_source').on(t.userId, t.source, t.id).where(sql`source is not null`),
  ],
)
