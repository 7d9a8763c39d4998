/** The database as the rest of the service sees it, whichever driver is behind it. */
import type { SQL } from 'drizzle-orm'
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import type pg from 'pg'

/**
 * A connection or a transaction. Inside `db.transaction(tx => …)` use only `tx`: the embedded database has a single
 * session, so a statement outside the transaction would wait for it forever.
 */
export type Db = PgDatabase<PgQueryResultHKT, Record<string, never>>

export interface Database {
  readonly db: Db
  readonly kind: 'postgres' | 'pglite'
  /**
   * Runs hand-written SQL on `on`, or on a connection of its own. Returns times as Date, int8 (such as `count(*)`) as
   * number, numeric (such as `sum()` of int8) as text, and json parsed.
   */
  rows<T>(query: SQL, on?: Db): Promise<T[]>
  /** A pool for the queue, whose tables are in the schema 'bullmq'. `close` closes it. */
  bullPool(): pg.Pool
  /**
   * Resolves once it listens, with a function that stops listening. Notifications sent while a connection is lost are
   * missed, so they may speed work up but never be required for it.
   */
  listen(channel: string, onNotify: (payload: string) => void): Promise<() => Promise<void>>
  /** undefined when ready, otherwise a sentence that says what is missing. */
  notReady(): string | undefined
  ping(): Promise<void>
  close(): Promise<void>
}

/** Whether a statement failed because of this constraint. drizzle wraps the driver's error as its cause. */
export function violates(error: unknown, constraint: string): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    const fields = cause as { constraint?: unknown; constraint_name?: unknown }
    if (fields.constraint === constraint || fields.constraint_name === constraint) return true
  }
  return false
}
