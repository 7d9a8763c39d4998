/**
 * Keeps calls to a chat within what its platform permits, over all processes. Answers and results are counted and always
 * made; edits that only show progress take the room that is left.
 */
import { sql } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'

/** At most `calls` calls in `ms` milliseconds. */
export interface Window {
  calls: number
  ms: number
}

export interface ChatPace {
  /** Counts calls that are made in any case. */
  count(chat: string, calls: number): Promise<void>
  /** Whether the chat has room for calls that can be left out, or wait. If so, they are counted. `calls`: default 1. */
  takeRoom(chat: string, windows: readonly Window[], calls?: number): Promise<boolean>
  /** The platform refused a call and asks for a pause: until then the chat has no room. */
  pause(chat: string, ms: number): Promise<void>
}

/** The longest window that is possible, and that of counts. */
const keptMs = 60_000
/** A platform may ask for days. Answers and results are sent regardless, and a new refusal starts a new pause. */
const longestPauseMs = 10 * 60_000
const tidyRows = 1_000

/** Not now(), the start of the statement: it may have waited for another statement that held the row. */
const now = sql`clock_timestamp()`
const recent = (ms: number) => sql`array(
  select made from unnest(chat_calls.calls) made where made > ${now} - ${`${ms} milliseconds`}::interval order by made)`

export function createChatPace(database: Pick<Database, 'rows'>): ChatPace {
  return {
    async count(chat, calls) {
      const made = sql`array_fill(${now}, array[${calls}::int])`
      await database.rows(sql`
        insert into chat_calls (chat, calls) values (${chat}, ${made})
        on conflict (chat) do update set calls = ${recent(keptMs)} || ${made}`)
    },
    async takeRoom(chat, windows, calls = 1) {
      const longest = Math.max(0, ...windows.map(({ ms }) => ms))
      const made = sql`array_fill(${now}, array[${calls}::int])`
      const rows = await database.rows(sql`
        insert into chat_calls (chat, calls) values (${chat}, ${made})
        on conflict (chat) do update set calls = ${recent(longest)} || ${made}
        where coalesce(chat_calls.paused_until < ${now}, true) and not exists (
          select from jsonb_to_recordset(${JSON.stringify(windows)}::jsonb) as w(calls int, ms float8)
          where w.calls < ${calls}::int + (
            select count(*) from unnest(chat_calls.calls) made where made > ${now} - w.ms * interval '1 millisecond'))
        returning chat`)
      return rows.length > 0
    },
    async pause(chat, ms) {
      await database.rows(sql`
        update chat_calls set paused_until = ${now} + ${`${Math.min(ms, longestPauseMs)} milliseconds`}::interval
        where chat = ${chat}`)
    },
  }
}

/** Deletes rows of chats without recent calls, some at a time: this runs often, so there are few. */
export async function forgetOldCalls(database: Pick<Database, 'rows'>): Promise<void> {
  await database.rows(sql`
    delete from chat_calls where chat in (
      select chat from chat_calls
      where calls[cardinality(calls)] < now() - ${`${longestPauseMs} milliseconds`}::interval
      limit ${tidyRows} for update skip locked)`)
}
