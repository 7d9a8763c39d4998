/** Everything that a database holds, as text. */
import { sql } from 'drizzle-orm'
import type { Database } from '../../src/db/database.ts'

/** One line for each row: its table and all of its columns; bytes in hex. */
export async function dump(database: Database): Promise<string[]> {
  const tables = await database.rows<{ schema: string; name: string }>(sql`
    select table_schema as schema, table_name as name from information_schema.tables
    where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`)
  const lines: string[] = []
  for (const { schema, name } of tables) {
    const table = sql`${sql.identifier(schema)}.${sql.identifier(name)}`
    const rows = await database.rows<{ line: string }>(sql`select each::text as line from ${table} each`)
    lines.push(...rows.map(({ line }) => `${schema}.${name} ${line}`))
  }
  return lines
}

/** Lines that contain one of the words, in any case, as text or as bytes. */
export function linesWith(lines: readonly string[], words: readonly string[]): string[] {
  const wanted = words.flatMap((word) => [word.toLowerCase(), Buffer.from(word).toString('hex')])
  return lines.filter((line) => wanted.some((word) => line.toLowerCase().includes(word)))
}
