/** Credits. The rules about money are constraints and triggers (drizzle/0001_money.sql), so that no code path can break them. */
import { sql } from 'drizzle-orm'
import { bigint, check, index, integer, pgTable, text, unique, uniqueIndex, uuid } from 'drizzle-orm/pg-core'
import { users } from './accounts.ts'
import { generations } from './generations.ts'
import { time } from './time.ts'

export const entryKinds = ['grant', 'take', 'hold', 'capture', 'release'] as const
export type EntryKind = (typeof entryKinds)[number]

/** Rows are only inserted. The sum of `amount` is the balance, the sum of `held` the credits on hold. */
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
    /** The identity that gave or took. */
    actor: text(),
    /** Makes a grant happen once: 'welcome:discord:123', or the key of the call that asked for it. */
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
