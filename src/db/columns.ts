/** Column lists of hand-written SQL. The type of the rows comes from the schema, so a renamed column fails the compiler. */
import { type SQL, sql } from 'drizzle-orm'
import { type PgColumn, PgDialect } from 'drizzle-orm/pg-core'
import type { Database, Db } from './database.ts'

/** An expression, or a column whose stored type is wider than what the code writes. Its type is the author's word. */
export interface Typed<T> {
  sql: SQL | PgColumn
  /** Exists for the compiler only. */
  type?: T
}

type Wanted = Readonly<Record<string, PgColumn | Typed<unknown>>>

type ValueOf<C> =
  C extends Typed<infer T>
    ? T
    : C extends PgColumn
      ? C['_']['notNull'] extends true
        ? C['_']['data']
        : C['_']['data'] | null
      : never

/** The row that a statement with these columns returns. */
export type RowOf<W> = { -readonly [Name in keyof W]: ValueOf<W[Name]> }

export interface Columns<Row> {
  /** `"generations"."user_id" as "userId", …` */
  list: SQL
  row?: Row
}

/** Use it for expressions and for json columns: `typed<number>(sql`count(*)::int`)`, `typed<Note[] | null>(generations.notes)`. */
export const typed = <T>(expression: SQL | PgColumn): Typed<T> => ({ sql: expression })

/** `alias`: the table's name in the statement. Absent: its own name; '' for none, where a statement has one table only. */
export function columnsOf<const W extends Wanted>(wanted: W, alias?: string): Columns<RowOf<W>> {
  const parts = Object.entries(wanted).map(([name, column]) => {
    const expression = 'sql' in column ? column.sql : column
    return sql`${'table' in expression ? nameOf(expression, alias) : expression} as ${sql.identifier(name)}`
  })
  return { list: rendered(sql.join(parts, sql`, `)) }
}

const dialect = new PgDialect()

/** As text, where the list has no parameters: drizzle would render thirty columns anew for each statement. */
function rendered(list: SQL): SQL {
  const { sql: text, params } = dialect.sqlToQuery(list)
  return params.length === 0 ? sql.raw(text) : list
}

function nameOf(column: PgColumn, alias: string | undefined): SQL {
  if (alias === undefined) return sql`${column}`
  const name = sql.identifier(column.name)
  return alias === '' ? sql`${name}` : sql`${sql.identifier(alias)}.${name}`
}

/** Rows of a hand-written statement: `query` puts the column list where it belongs. */
export function readRows<Row>(
  database: Pick<Database, 'rows'>,
  { list }: Columns<Row>,
  query: (columns: SQL) => SQL,
  on?: Db,
): Promise<Row[]> {
  return database.rows<Row>(query(list), on)
}
