/** Small facts that processes share. */
import { sql } from 'drizzle-orm'
import type { Database } from './db.ts'

export async function readFact(database: Database, name: string): Promise<string | undefined> {
  const [row] = await database.rows<{ value: string }>(sql`select value from facts where name = ${name}`)
  return row?.value
}

export async function saveFact(database: Database, name: string, value: string): Promise<void> {
  await database.rows(sql`
    insert into facts (name, value) values (${name}, ${value}) on conflict (name) do update set value = excluded.value`)
}
