/** Facts: small values that all processes share. */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows } from './columns.ts'
import type { Database } from './database.ts'
import { facts } from './schema/operation.ts'

const columns = columnsOf({ value: facts.value })

/** undefined: it was never saved. */
export async function readFact(database: Database, name: string): Promise<string | undefined> {
  const [row] = await readRows(database, columns, (list) => sql`select ${list} from facts where name = ${name}`)
  return row?.value
}

export async function saveFact(database: Database, name: string, value: string): Promise<void> {
  await database.rows(sql`
    insert into facts (name, value) values (${name}, ${value}) on conflict (name) do update set value = excluded.value`)
}
