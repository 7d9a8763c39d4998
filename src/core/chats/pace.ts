/**
 * Keeps calls to a chat within what its platform permits, over all processes. Answers and results that find no room get a turn: a
 * time at which to come again. Edits that only show progress take the room that is left, and none while answers wait.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { sql } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'

/** At most `calls` calls in `ms` milliseconds. */
export interface Window {
  calls: number
  ms: number
}

/** Limits for answers and results. */
export interface TurnLimits {
  always: readonly Window[]
  /** They apply for a minute after the platform has refused a call. Before that, bursts are allowed. */
  afterRefusal: readonly Window[]
}

export interface ChatPace {
  /** Counts calls that are made in any case. */
  count(chat: string, calls: number): Promise<void>
  /** Whether the chat has room for calls that can be left out, or wait. If so, they are counted. `calls`: default 1. */
  takeRoom(chat: string, windows: readonly Window[], calls?: number): Promise<boolean>
  /**
   * 0: an answer or a result may be sent now, and is counted. Otherwise milliseconds after which to ask again. Those that are put off get
   * times in their order. Once such a time has come, the first call within `asPutOff` that asks has it; the others get a later time.
   */
  takeTurn(chat: string, limits: TurnLimits, calls: number): Promise<number>
  /** The caller does not make calls that were counted. */
  giveBack(chat: string, calls: number): Promise<void>
  /**
   * The platform refused calls, which no longer count, and asks for a pause: until then the chat has no room. Resolves to the
   * milliseconds after which to ask for a turn.
   */
  refused(chat: string, limits: TurnLimits, about: { calls: number; pauseMs: number }): Promise<number>
  /** The platform asks for a pause: until then the chat has no room. */
  pause(chat: string, ms: number): Promise<void>
}

const putOff = new AsyncLocalStorage<true>()

/** For results, and answers that come again: their calls may have a turn whose time has come. Those of new answers get a later one. */
export const asPutOff = <T>(run: () => Promise<T>): Promise<T> => putOff.run(true, run)

/** Longer than any window that is possible. */
const keptMs = 70_000
/** A platform may ask for days. After this time a call is tried again, and a new refusal starts a new pause. */
const longestPauseMs = 10 * 60_000
/** For so long after a pause, `afterRefusal` applies. */
const strained = '60 seconds'
/** How long after its time a turn lapses that was not used, for example because its process died. */
const turnLapses = '15 seconds'
/** Turns in one chat. Those beyond share the last one. */
const maxTurns = 1_000
/** Beyond the turn, so that it has come by the database's clock. */
const afterTurnMs = 20
const tidyRows = 1_000

/** Not now(), the start of the statement: it may have waited for another statement that held the row. */
const now = sql`clock_timestamp()`
const milliseconds = (ms: number) => sql`${`${ms} milliseconds`}::interval`
const recent = sql`array(
  select made from unnest(chat_calls.calls) made where made > ${now} - ${milliseconds(keptMs)} order by made)`
const pausedUntil = (ms: number) => sql`${now} + ${milliseconds(Math.min(ms, longestPauseMs))}`

const withoutLast = (calls: number) => sql`calls[:greatest(0, cardinality(calls) - ${calls}::int)]`

const isStrained = sql`coalesce(chat_calls.paused_until > ${now} - ${strained}::interval, false)`
const isWaiting = sql`turn > ${now} - ${turnLapses}::interval`
/** Those that were given, and not used yet. */
const turns = sql`array(select turn from unnest(chat_calls.turns) turn where ${isWaiting} order by turn)`
const nothingWaits = sql`not exists (select from unnest(chat_calls.turns) turn where ${isWaiting})`
const isNext = sql`${nothingWaits}
  or exists (select from unnest(chat_calls.turns) turn where ${isWaiting} and turn <= ${now})`

const recordset = (windows: readonly Window[]) =>
  sql`jsonb_to_recordset(${JSON.stringify(windows)}::jsonb) as w(calls int, ms float8)`

/** Of a row of `chat_calls`. */
const hasRoom = (windows: readonly Window[], calls: number) => sql`
  coalesce(chat_calls.paused_until < ${now}, true) and not exists (
    select from ${recordset(windows)}
    where w.calls < ${calls}::int + (
      select count(*) from unnest(chat_calls.calls) made where made > ${now} - w.ms * interval '1 millisecond'))`

/** An album larger than a limit passes where nothing else was sent. */
const wideEnough = (windows: readonly Window[], calls: number) =>
  windows.map(({ calls: most, ms }) => ({ calls: Math.max(most, calls), ms }))

export function createChatPace(database: Pick<Database, 'rows'>): ChatPace {
  /** Gives out the first time with room after all turns that were given. Resolves to the milliseconds until then. */
  async function giveTurn(chat: string, { always, afterRefusal }: TurnLimits, calls: number): Promise<number> {
    const windows = wideEnough([...always, ...afterRefusal], calls)
    const turn = sql`greatest(${now}, chat_calls.paused_until, (
      select max(used.at + w.ms * interval '1 millisecond')
      from ${recordset(windows)} cross join lateral (
        select at from unnest(chat_calls.calls || ${turns}) at
        order by at desc offset w.calls - ${calls}::int limit 1) used), (select max(turn) from unnest(chat_calls.turns) turn))`
    // unchecked row: an expression, no column
    const [row] = await database.rows<{ ms: number }>(sql`
      update chat_calls set turns = case when cardinality(${turns}) >= ${maxTurns}::int then chat_calls.turns
        else ${turns} || array_fill(${turn}, array[${calls}::int]) end
      where chat = ${chat}
      returning (extract(epoch from turns[cardinality(turns)] - ${now}) * 1000)::float8 as ms`)
    return Math.max(1, Math.ceil(Number(row?.ms ?? 0))) + afterTurnMs
  }

  return {
    async count(chat, calls) {
      const made = sql`array_fill(${now}, array[${calls}::int])`
      await database.rows(sql`
        insert into chat_calls (chat, calls) values (${chat}, ${made})
        on conflict (chat) do update set calls = ${recent} || ${made}`)
    },
    async takeRoom(chat, windows, calls = 1) {
      const made = sql`array_fill(${now}, array[${calls}::int])`
      const rows = await database.rows(sql`
        insert into chat_calls (chat, calls) values (${chat}, ${made})
        on conflict (chat) do update set calls = ${recent} || ${made}
        where ${hasRoom(windows, calls)} and ${nothingWaits}
        returning chat`)
      return rows.length > 0
    },
    async takeTurn(chat, limits, calls) {
      const made = sql`array_fill(${now}, array[${calls}::int])`
      const [always, afterRefusal] = [limits.always, limits.afterRefusal].map((each) => wideEnough(each, calls))
      const taken = await database.rows(sql`
        insert into chat_calls (chat, calls) values (${chat}, ${made})
        on conflict (chat) do update set calls = ${recent} || ${made},
          turns = array(
            select turn from (
              select turn, row_number() over (order by turn) as number from unnest(chat_calls.turns) turn where ${isWaiting}) line
            where turn > ${now} or number > ${calls}::int order by turn)
        where ${hasRoom(always ?? [], calls)} and (not ${isStrained} or ${hasRoom(afterRefusal ?? [], calls)})
          and (${putOff.getStore() ? isNext : nothingWaits})
        returning chat`)
      return taken.length > 0 ? 0 : giveTurn(chat, limits, calls)
    },
    async giveBack(chat, calls) {
      await database.rows(sql`update chat_calls set calls = ${withoutLast(calls)} where chat = ${chat}`)
    },
    async refused(chat, limits, { calls, pauseMs }) {
      await database.rows(sql`
        update chat_calls set paused_until = ${pausedUntil(pauseMs)}, calls = ${withoutLast(calls)} where chat = ${chat}`)
      return giveTurn(chat, limits, calls)
    },
    async pause(chat, ms) {
      await database.rows(sql`update chat_calls set paused_until = ${pausedUntil(ms)} where chat = ${chat}`)
    },
  }
}

/** Deletes rows of chats without recent calls, some at a time: this runs often, so there are few. */
export async function forgetOldCalls(database: Pick<Database, 'rows'>): Promise<void> {
  const latest = sql`greatest(calls[cardinality(calls)], turns[cardinality(turns)], paused_until, '-infinity')`
  await database.rows(sql`
    delete from chat_calls where chat in (
      select chat from chat_calls where ${latest} < now() - ${milliseconds(longestPauseMs)}
      limit ${tidyRows} for update skip locked)`)
}
