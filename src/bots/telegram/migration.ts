/** A group that becomes a supergroup gets another id, and its messages cannot be reached any more. */
import { sql } from 'drizzle-orm'
import type { Update } from 'grammy/types'
import type { Database } from '../../db/database.ts'

export interface Migration {
  from: number
  to: number
}

/** Telegram reports it in both chats. */
export function migrationIn({ message }: Update): Migration | undefined {
  if (message?.migrate_to_chat_id !== undefined) return { from: message.chat.id, to: message.migrate_to_chat_id }
  if (message?.migrate_from_chat_id !== undefined) return { from: message.migrate_from_chat_id, to: message.chat.id }
  return undefined
}

/**
 * The group's settings, its rules and the right to see its results follow, and requests under way are answered in the new chat, in a message of
 * their own. Repeated, it changes nothing.
 */
export async function followGroup(database: Database, { from, to }: Migration): Promise<void> {
  const [before, after] = [`telegram:${from}`, `telegram:${to}`]
  await database.rows(sql`
    with settings as (
      update chat_settings set chat = ${after}
      where chat = ${before} and not exists (select from chat_settings where chat = ${after})),
    rules as (
      update chat_rules set chat = ${after}
      where chat = ${before} and not exists (select from chat_rules where chat = ${after})),
    results as (
      update generations set channel = ${String(to)}
      where surface = 'telegram' and channel = ${String(from)} and state not in ('queued','running','stored'))
    update generations set channel = case when channel = ${String(from)} then ${String(to)} else channel end,
      address = ${`${after}::`}, posted = null
    where ended_at is null and surface = 'telegram' and state in ('queued','running','stored') and starts_with(address, ${`${before}:`})`)
}
