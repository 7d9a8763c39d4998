/** Updates, kept until they are handled: Telegram forgets them once we ask for the next ones. */
import { type SQL, sql } from 'drizzle-orm'
import type { Update } from 'grammy/types'
import type { Database } from '../../db/database.ts'

/** Telegram itself keeps an update for a day; after that nobody waits for an answer. */
const oldestHours = 24

export interface Inbox {
  /** In one statement. Resolves to those that nobody has handled yet, so a repeated delivery gives none. */
  store(updates: readonly Update[]): Promise<Update[]>
  /** Those that an earlier process has stored and not finished. */
  unhandled(): Promise<Update[]>
  done(updates: readonly Update[]): Promise<void>
}

export function createInbox(database: Database, botId: string): Inbox {
  const prefix = `telegram:${botId}:`
  const keyOf = (update: Update) => `${prefix}${update.update_id}`

  return {
    async store(updates) {
      const byKey = new Map(updates.map((update) => [keyOf(update), update]))
      if (byKey.size === 0) return []
      const values = [...byKey].map(([key, update]) => sql`(${key}, ${storable(update)}::jsonb)`)
      // A row that is there and not handled may be from a try whose answer was lost: it counts as new.
      const rows = await database.rows<{ key: string }>(sql`
        insert into inbox (key, body) values ${list(values)}
        on conflict (key) do update set received_at = inbox.received_at where inbox.handled_at is null
        returning key`)
      const fresh = new Set(rows.map((row) => row.key))
      return [...byKey].filter(([key]) => fresh.has(key)).map(([, update]) => update)
    },

    async unhandled() {
      const rows = await database.rows<{ body: Update }>(sql`
        select body from inbox
        where handled_at is null and starts_with(key, ${prefix})
          and received_at > now() - ${`${oldestHours} hours`}::interval
        order by received_at, key`)
      return rows.map(({ body }) => body)
    },

    async done(updates) {
      const keys = updates.map((update) => sql`${keyOf(update)}`)
      await database.rows(sql`update inbox set handled_at = now() where key in (${list(keys)})`)
    },
  }
}

/** Removes what was handled more than a day ago, and what nobody will handle any more. */
export async function pruneInbox(database: Database): Promise<void> {
  await database.rows(sql`
    delete from inbox
    where handled_at < now() - interval '1 day' or received_at < now() - ${`${2 * oldestHours} hours`}::interval`)
}

const list = (parts: SQL[]) => sql.join(parts, sql`, `)

/** Postgres takes neither NUL nor half a surrogate pair in json, and one such message must not hold up the others. */
function storable(update: Update): string {
  return JSON.stringify(update, (_key, value: unknown) =>
    typeof value === 'string' ? value.replaceAll('\0', ' ').replace(/\p{Surrogate}/gu, '\uFFFD') : value,
  )
}
