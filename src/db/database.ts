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
  /** A pool for the queue, whose tables are in the schema 'bullmq'. `close` closes it. Throws where sessions are not kept. */
  bullPool(): pg.Pool
  /**
   * Resolves once it listens, with a function that stops listening. Notifications sent while a connection is lost are
   * missed, and behind a pooler there may be none at all, so they may speed work up but never be required for it.
   */
  listen(channel: string, onNotify: (payload: string) => void): Promise<() => Promise<void>>
  /** undefined when ready, otherwise a sentence that says what is missing. */
  notReady(): string | undefined
  /** Writes a row: a database that is read-only, or on a full disk, still answers queries. */
  ping(): Promise<void>
  close(): Promise<void>
}

export const pingStatement = `
  insert into facts (name, value) values ('ping', '') on conflict (name) do update set value = excluded.value`

/** The drivers name the constraint differently. */
interface DriverError extends Error {
  constraint?: unknown
  constraint_name?: unknown
  code?: unknown
}

/** Whether a statement failed because of this constraint. */
export function violates(error: unknown, name: string): boolean {
  return causesOf(error).some(({ constraint, constraint_name }) => constraint === name || constraint_name === name)
}

/** Deadlock, conflict of serializable transactions, and a lock that was not free. */
const conflicts: readonly unknown[] = ['40P01', '40001', '55P03']

/** Whether a transaction failed because of another one, so that it may succeed when it is tried again. */
export function conflicted(error: unknown): boolean {
  return causesOf(error).some(({ code }) => conflicts.includes(code))
}

/** drizzle wraps the driver's error as its cause. */
function causesOf(error: unknown): DriverError[] {
  const causes: DriverError[] = []
  for (let cause = error; cause instanceof Error && causes.length < 5; cause = cause.cause) causes.push(cause)
  return causes
}
