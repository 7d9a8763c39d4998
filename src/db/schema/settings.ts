/** Settings of people and of chats, and rules of chats. Absent settings: the chat's, then the service's. */
import { sql } from 'drizzle-orm'
import { boolean, check, integer, jsonb, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { users } from './accounts.ts'
import { time } from './time.ts'

export const enhanceSettings = ['on', 'off', 'ask'] as const
export type EnhanceSetting = (typeof enhanceSettings)[number]

const shared = () => ({
  model: text(),
  aspect: text(),
  count: integer(),
  enhance: text().$type<EnhanceSetting>(),
  private: boolean(),
  language: text(),
  /** Whether a result comes with its original file. */
  original: boolean(),
  changedAt: time('changed_at').notNull().defaultNow(),
})

export const userSettings = pgTable(
  'user_settings',
  {
    userId: uuid('user_id')
      .primaryKey()
      .references(() => users.id),
    ...shared(),
    /** Whether the person gets announcements. */
    announcements: boolean(),
  },
  (t) => [
    check('user_settings_enhance', sql`${t.enhance} in ('on', 'off', 'ask')`),
    check('user_settings_count', sql`${t.count} >= 1`),
  ],
)

export const chatSettings = pgTable(
  'chat_settings',
  {
    /** '<surface>:<group id>', the group as `Place` has it. */
    chat: text().primaryKey(),
    ...shared(),
  },
  (t) => [
    check('chat_settings_enhance', sql`${t.enhance} in ('on', 'off', 'ask')`),
    check('chat_settings_count', sql`${t.count} >= 1`),
  ],
)

export interface RoleRule {
  name: string
  credits: number
}

/** What the people who manage a group have ruled. What they have set as its defaults is in `chat_settings`. */
export const chatRules = pgTable('chat_rules', {
  /** '<surface>:<group id>', as in `chat_settings`. */
  chat: text().primaryKey(),
  /** Channel → whether the bot works there. Where it works in one that is named, it works in no other. */
  channels: jsonb().$type<Readonly<Record<string, boolean>>>().notNull().default({}),
  /** Ids of the models that may draw. Absent: all. */
  models: jsonb().$type<readonly string[]>(),
  /** Role → its name when it was chosen, and the credits that its members get a day. */
  roles: jsonb().$type<Readonly<Record<string, RoleRule>>>().notNull().default({}),
  /** Whether pictures that a provider flags are shown in age-restricted channels. */
  nsfw: boolean().notNull().default(false),
  /** The account with the credits that members have put together. Absent: there are none yet. */
  poolId: uuid('pool_id')
    .unique()
    .references(() => users.id),
  /** Credits that a member may draw from it in a UTC day. Absent: none. */
  poolCap: integer('pool_cap'),
  changedAt: time('changed_at').notNull().defaultNow(),
})
