/** Opens the database and brings its tables up to date. */
import { fileURLToPath } from 'node:url'
import type { Database } from './database.ts'
import { openPglite } from './pglite.ts'
import { openPostgres } from './postgres.ts'

interface DatabaseOptions {
  /** postgres://… Absent: an embedded database in `dataDir`. */
  url?: string
  /** Address at which sessions are kept: for migrations, LISTEN and the queue, if a pooler answers at `url`. */
  directUrl?: string
  dataDir: string
  /** For tests: an embedded database without files. */
  memory?: boolean
  /** For tests, with `memory`: a dumped data folder to start from. */
  image?: Blob
  /** Connections in the pool for the service's own queries. Default 10. */
  maxConnections?: number
  /** Gets a line about each step that may take long. */
  report?(line: string): void
}

/** The same folder from src/db and from dist/db. */
const migrationsFolder = fileURLToPath(new URL('../../drizzle/', import.meta.url))

/** Opens a Postgres server, or without `url` a database embedded in this process. */
export function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { url, directUrl, dataDir, memory, image, maxConnections, report } = options
  if (url) return openPostgres({ url, directUrl, migrationsFolder, maxConnections, report })
  return openPglite({ dataDir: memory ? undefined : dataDir, image, migrationsFolder, report })
}
