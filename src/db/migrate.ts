/** Refuses databases that this version of the service must not use. */
import { sql } from 'drizzle-orm'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import type { Db } from './database.ts'
import { rowsOf } from './rows.ts'

/** `cure`: which setting to change. Rejects if a newer version of the service has changed the tables. */
export async function refuseNewer(db: Db, migrationsFolder: string, cure: string): Promise<void> {
  const [found] = await rowsOf<{ exists: boolean }>(
    db.execute(sql`select to_regclass('drizzle.__drizzle_migrations') is not null as exists`),
  )
  if (!found?.exists) return
  const [row] = await rowsOf<{ last: number | null }>(
    db.execute(sql`select max(created_at)::int8 as last from drizzle.__drizzle_migrations`),
  )
  const newest = Math.max(...readMigrationFiles({ migrationsFolder }).map(({ folderMillis }) => folderMillis))
  if ((row?.last ?? 0) > newest) {
    throw new Error(`The database was used by a newer version of fluxbot: update fluxbot to that version, or ${cure}`)
  }
}
