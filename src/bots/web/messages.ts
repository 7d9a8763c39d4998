/** The playground's conversation, kept in the database: any process answers into it, and a reload shows it again. */
import { sql } from 'drizzle-orm'
import type { Reply } from '../../core/ports.ts'
import type { Database } from '../../db/db.ts'

export interface WebMessage {
  id: string
  /** Grows with every change. */
  version: number
  body: Body
}

export interface Body {
  role: 'person' | 'bot'
  text: string
  state?: Reply['state']
  percent?: number
  images?: { key: string; width: number; height: number; alt: string; name: string }[]
  /** Names of what the person attached. */
  files?: string[]
}

/** Saves or overwrites, and tells whoever shows this visitor's page. */
export async function saveMessage(database: Database, visitor: string, id: string, body: Body): Promise<void> {
  await database.rows(sql`
    with saved as (
      insert into web_messages (id, visitor, version, body)
      values (${id}, ${visitor}, (extract(epoch from clock_timestamp()) * 1000000)::bigint, ${JSON.stringify(body)}::jsonb)
      on conflict (id) do update
        set body = excluded.body, version = greatest(excluded.version, web_messages.version + 1)
        where web_messages.visitor = excluded.visitor
      returning visitor)
    select pg_notify('web', visitor) from saved`)
}

/** False when this person's message was saved before. */
export async function saveOnce(database: Database, visitor: string, id: string, body: Body): Promise<boolean> {
  const rows = await database.rows(sql`
    insert into web_messages (id, visitor, version, body)
    values (${id}, ${visitor}, (extract(epoch from clock_timestamp()) * 1000000)::bigint, ${JSON.stringify(body)}::jsonb)
    on conflict (id) do nothing returning pg_notify('web', visitor)`)
  return rows.length > 0
}

const mostShown = 100

/** What changed after `version`, oldest first; at 0 the latest part of the conversation. */
export async function readMessages(database: Database, visitor: string, version: number): Promise<WebMessage[]> {
  const rows = await database.rows<WebMessage>(sql`
    select id, version, body from web_messages where visitor = ${visitor} and version > ${version}
    order by version desc limit ${mostShown}`)
  return rows.reverse()
}
