/** Private chats, and announcements of administrators to them. */
import { sql } from 'drizzle-orm'
import { check, index, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core'
import { time } from './time.ts'

/** People who have written to the bot in private, on platforms where announcements go out. */
export const privateChats = pgTable('private_chats', {
  /** Identity of the person. */
  person: text().primaryKey(),
  /** Of the person's client. */
  locale: text().notNull(),
  /** When they last wrote, to the hour. */
  seenAt: time('seen_at').notNull().defaultNow(),
  /** When the chat refused a message, because the person blocked the bot or left the platform. Absent: not since they last wrote. */
  blockedAt: time('blocked_at'),
})

export type BroadcastState = 'draft' | 'running' | 'paused' | 'done' | 'stopped'

export const broadcasts = pgTable(
  'broadcasts',
  {
    id: uuid().primaryKey(),
    /** Key of the call that asked for it: the same call again changes nothing. */
    key: text().notNull().unique(),
    surface: text().notNull(),
    text: text().notNull(),
    /** As in core/broadcasts/audience.ts. */
    audience: text().notNull(),
    state: text().$type<BroadcastState>().notNull().default('draft'),
    /** Identity of the administrator, whose language the status message has. */
    askedBy: text('asked_by').notNull(),
    locale: text().notNull(),
    /** The message that shows how it stands. Absent: none is known. */
    posted: text(),
    /** The state that this message shows. Absent: it still shows the preview. */
    shown: text().$type<BroadcastState>(),
    /** The platform asked for a pause until then. */
    notBefore: time('not_before'),
    createdAt: time('created_at').notNull().defaultNow(),
    startedAt: time('started_at'),
    endedAt: time('ended_at'),
  },
  (t) => [
    index('broadcasts_under_way').on(t.startedAt).where(sql`state in ('running','paused')`),
    index('broadcasts_by_age').on(t.createdAt),
    check('broadcasts_state', sql`${t.state} in ('draft','running','paused','done','stopped')`),
  ],
)

/**
 * waiting · sending: written before the call, so that after a crash no person gets it twice · sent · blocked, gone: the person
 * blocked the bot, or has left the platform · failed: refused for another reason · unknown: it may have arrived, so it is not
 * repeated · skipped: the person opted out, was banned, or blocked the bot after the start
 */
export type RecipientState = 'waiting' | 'sending' | 'sent' | 'blocked' | 'gone' | 'failed' | 'unknown' | 'skipped'

/** Who gets a broadcast, chosen when it starts. */
export const broadcastRecipients = pgTable(
  'broadcast_recipients',
  {
    broadcastId: uuid('broadcast_id')
      .notNull()
      .references(() => broadcasts.id, { onDelete: 'cascade' }),
    /** Identity of the person. */
    person: text().notNull(),
    state: text().$type<RecipientState>().notNull().default('waiting'),
    changedAt: time('changed_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.broadcastId, t.person] }),
    index('broadcast_recipients_waiting').on(t.broadcastId, t.person).where(sql`state = 'waiting'`),
    index('broadcast_recipients_sending').on(t.broadcastId).where(sql`state = 'sending'`),
    index('broadcast_recipients_of_person').on(t.person),
    check(
      'broadcast_recipients_state',
      sql`${t.state} in ('waiting','sending','sent','blocked','gone','failed','unknown','skipped')`,
    ),
  ],
)
