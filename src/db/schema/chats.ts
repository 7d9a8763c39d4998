/** What arrives from chats, and the conversation of the page. */
import { sql } from 'drizzle-orm'
import { bigint, index, integer, jsonb, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'
import type { Json } from '../json.ts'
import { bytea } from './bytes.ts'
import { time } from './time.ts'

/**
 * Everything that people do in chats (messages, commands, presses), until it is handled. One process claims a row at a
 * time, so an act that reaches two processes is handled once; a row whose claim ran out is handled by another process.
 */
export const inbox = pgTable(
  'inbox',
  {
    /** The platform's id of the act: 'telegram:<bot id>:<update id>', 'discord:<interaction id>'. */
    key: text().primaryKey(),
    /** Order of arrival. */
    position: bigint({ mode: 'number' }).notNull().generatedAlwaysAsIdentity(),
    surface: text().notNull(),
    /** Acts of one lane (a person in a chat) are handled in order. */
    lane: text().notNull(),
    /** Acts that are handled together: the messages of an album. */
    album: text(),
    /** UTF-16 units of a text that may be one of several parts. */
    length: integer(),
    /** Of an act that is a message: the name of the message, and a digest of what it says. */
    message: text(),
    said: text(),
    /** As the platform sent it. */
    body: jsonb().$type<Json>().notNull(),
    receivedAt: time('received_at').notNull().defaultNow(),
    /** Not handled before: an album waits for its parts. */
    dueAt: time('due_at').notNull().defaultNow(),
    /** Until then it belongs to one process. */
    claimedUntil: time('claimed_until'),
    handledAt: time('handled_at'),
  },
  (t) => [
    index('inbox_unhandled').on(t.surface, t.lane, t.position).where(sql`handled_at is null`),
    index('inbox_by_age').on(t.receivedAt),
    index('inbox_albums').on(t.surface, t.album).where(sql`album is not null`),
    index('inbox_messages').on(t.surface, t.message).where(sql`message is not null`),
  ],
)

/** Files of acts, where the platform does not keep them. They are deleted once the act is handled. */
export const inboxFiles = pgTable(
  'inbox_files',
  {
    /** Key of the act. The files are stored before it. */
    act: text().notNull(),
    /** From 0. */
    position: integer().notNull(),
    data: bytea().notNull(),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.act, t.position] }), index('inbox_files_by_age').on(t.createdAt)],
)

/**
 * Questions of ours that wait for a reply, on platforms without forms. They hold no words of people, and are kept past their
 * expiry, so that a late reply is recognised as one.
 */
export const dialogues = pgTable(
  'dialogues',
  {
    /** The message that asks: '<surface>:<chat>:<message>'. Until the message is known: 'asking:<id>'. */
    question: text().primaryKey(),
    /** The chat that it is being sent to: '<surface>:<chat>'. Absent once its message is known. */
    sendingTo: text('sending_to'),
    /** Identity of the person who may answer. */
    person: text().notNull(),
    /** Id of the button whose form it asks for. */
    form: text().notNull(),
    /** Name of the message whose button opened it. Absent: a command did. */
    openedOn: text('opened_on'),
    expiresAt: time('expires_at').notNull(),
    /** Key of the call that answered it. */
    answeredBy: text('answered_by'),
  },
  (t) => [
    index('dialogues_by_age').on(t.expiresAt),
    index('dialogues_being_sent').on(t.sendingTo).where(sql`sending_to is not null`),
  ],
)

/** Pictures of messages that people chose in a menu, until the form that this opened is submitted. */
export const pickedMessages = pgTable(
  'picked_messages',
  {
    /** The platform's id of the choice, which the id of the form contains. */
    ref: text().primaryKey(),
    /** The platform's id of the person who may submit the form. */
    person: text().notNull(),
    /** The message and the addresses of its pictures. */
    picked: jsonb().$type<Json>().notNull(),
    expiresAt: time('expires_at').notNull(),
  },
  (t) => [index('picked_messages_by_age').on(t.expiresAt)],
)

/** The page's conversation: any process may answer into it, and a reload shows it again. */
export const webMessages = pgTable(
  'web_messages',
  {
    id: text().primaryKey(),
    visitor: text().notNull(),
    /** Grows with every change: a page asks for changes after the last one it has seen. */
    version: bigint({ mode: 'number' }).notNull(),
    /** Without its secrets. */
    body: jsonb().$type<Json>().notNull(),
    /** The body with its secrets, sealed with SECRET_KEY. Absent: it has none, or they are not shown any more. */
    sealed: text(),
    sealedUntil: time('sealed_until'),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (t) => [
    index('web_messages_of_visitor').on(t.visitor, t.version),
    index('web_messages_sealed').on(t.sealedUntil).where(sql`sealed_until is not null`),
  ],
)

/** Calls to platforms that limit them for each chat, so that all processes together stay within the limit. */
export const chatCalls = pgTable('chat_calls', {
  /** '<surface>:<chat>'. */
  chat: text().primaryKey(),
  /** Times of the latest calls, oldest first. */
  calls: timestamp({ withTimezone: true, mode: 'date' }).array().notNull(),
  /** The platform has asked for a pause. */
  pausedUntil: time('paused_until'),
  /** Times at which answers that were put off may come again, earliest first. */
  turns: timestamp({ withTimezone: true, mode: 'date' }).array().notNull().default(sql`'{}'`),
})
