/**
 * The database: a Postgres server, or an embedded one in this process when there is no DATABASE_URL.
 * Opening it brings the tables up to date.
 */
import { fileURLToPath } from 'node:url'
import type { SQL } from 'drizzle-orm'
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import type pg from 'pg'
import { openPglite } from './pglite.ts'
import { openPostgres } from './postgres.ts'

/**
 * A connection or a transaction. Inside `db.transaction(tx => …)` use `tx` only: the embedded database has a single
 * session, so a statement sent past the transaction would wait for it for ever.
 */
export type Db = PgDatabase<PgQueryResultHKT, Record<string, never>>

export interface Database {
  readonly db: Db
  readonly kind: 'postgres' | 'pglite'
  /**
   * Rows of hand-written SQL, on `on` or a connection of its own. Times come as Date, int8 (so `count(*)`) as number,
   * numeric (so `sum()` of int8) as text, json parsed.
   */
  rows<T>(query: SQL, on?: Db): Promise<T[]>
  /** For the queue: its tables are in the schema 'bullmq'. Closed by `close`. */
  bullPool(): pg.Pool
  /**
   * Resolves when listening; the result stops it. Notifications sent while a lost connection comes back are missed:
   * nothing may depend on one.
   */
  listen(channel: string, onNotify: (payload: string) => void): Promise<() => Promise<void>>
  /** undefined when ready, else what is missing. */
  notReady(): string | undefined
  ping(): Promise<void>
  close(): Promise<void>
}

interface DatabaseOptions {
  /** postgres://… Absent: embedded, in `dataDir`. */
  url?: string
  dataDir: string
  /** Tests: embedded without files. */
  memory?: boolean
  /** Tests, with `memory`: a dumped data folder to start from. */
  image?: Blob
  /** Of the pool for the service's own queries. */
  maxConnections?: number
}

/** Found from src/db and from dist/db alike. */
const migrationsFolder = fileURLToPath(new URL('../../drizzle/', import.meta.url))

export function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { url, dataDir, memory, image, maxConnections } = options
  if (url) return openPostgres({ url, migrationsFolder, maxConnections })
  return openPglite({ dataDir: memory ? undefined : dataDir, image, migrationsFolder })
}
