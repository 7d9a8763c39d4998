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

/** Takes a turn that only one process may have in `ms`. 0: it is taken; otherwise milliseconds after which to ask again. */
export async function takeFor(database: Database, name: string, ms: number): Promise<number> {
  const length = sql`${`${ms} milliseconds`}::interval`
  // unchecked row: an expression, no column
  const taken = await database.rows(sql`
    insert into facts (name, value) values (${name}, clock_timestamp()::text)
    on conflict (name) do update set value = clock_timestamp()::text
      -- a later time: the clock of another database server may be behind
      where facts.value::timestamptz not between clock_timestamp() - ${length} and clock_timestamp() + ${length}
    returning name`)
  if (taken.length > 0) return 0
  // unchecked row: an expression, no column
  const [row] = await database.rows<{ waitMs: number }>(sql`
    select (extract(epoch from value::timestamptz + ${length} - clock_timestamp()) * 1000)::float8 as "waitMs"
    from facts where name = ${name}`)
  return Math.min(ms, Math.max(1, Math.ceil(row?.waitMs ?? 1)))
}
