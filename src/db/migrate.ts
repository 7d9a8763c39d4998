/** Brings the tables up to date, and refuses databases that this version of the service must not use. */
import { readMigrationFiles } from 'drizzle-orm/migrator'
import type { Sql } from 'postgres'

/** An arbitrary advisory lock id: 'flux' in ASCII. */
export const migrationLock = 0x666c7578

type Read = (query: string) => PromiseLike<readonly Record<string, unknown>[]>

/** `cure`: which setting to change. Rejects if a newer version of the service has changed the tables. */
export async function refuseNewer(read: Read, migrationsFolder: string, cure: string): Promise<void> {
  const [found] = await read(`select to_regclass('drizzle.__drizzle_migrations') is not null as exists`)
  if (!found?.exists) return
  const [row] = await read(lastQuery)
  const newest = Math.max(...readMigrationFiles({ migrationsFolder }).map(({ folderMillis }) => folderMillis))
  if (Number(row?.last) > newest) {
    throw new Error(`The database was used by a newer version of fluxbot: update fluxbot to that version, or ${cure}`)
  }
}

const lastQuery = 'select coalesce(max(created_at), 0)::float8 as last from drizzle.__drizzle_migrations'

/**
 * Several processes may start at once, so the first one holds a lock. It belongs to the transaction, not to the session: a pooler
 * would pass a session with its lock on to other clients. The table is the one that drizzle keeps.
 */
export async function migrateLocked(client: Sql, migrationsFolder: string, cure: string): Promise<void> {
  await client.begin(async (tx) => {
    await tx`select set_config('statement_timeout', '0', true)`
    await tx`select pg_advisory_xact_lock(${migrationLock})`
    await refuseNewer((query) => tx.unsafe(query), migrationsFolder, cure)
    await tx`create schema if not exists drizzle`
    await tx`create table if not exists drizzle.__drizzle_migrations (
      id serial primary key, hash text not null, created_at bigint)`
    const [row] = await tx.unsafe(lastQuery)
    for (const { folderMillis, hash, sql: statements } of readMigrationFiles({ migrationsFolder })) {
      if (folderMillis <= Number(row?.last)) continue
      for (const statement of statements) await tx.unsafe(statement)
      await tx`insert into drizzle.__drizzle_migrations (hash, created_at) values (${hash}, ${folderMillis})`
    }
  })
}
