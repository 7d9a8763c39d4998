/** Records what a database is asked. */
import type { SQL } from 'drizzle-orm'
import { PgDialect } from 'drizzle-orm/pg-core'
import type { Database, Db } from '../../src/db/database.ts'

export interface Statement {
  sql: string
  params: readonly unknown[]
}

interface Session {
  prepareQuery(query: Statement, ...rest: unknown[]): unknown
}

/** Adds each later statement outside of transactions to the list. */
export function recordStatements(database: Database): Statement[] {
  const statements: Statement[] = []
  const { rows, kind } = database
  // statements of drizzle's builder
  const { session } = database.db as unknown as { session: Session }
  const prepare = session.prepareQuery.bind(session)
  session.prepareQuery = (query, ...rest) => {
    statements.push(query)
    return prepare(query, ...rest)
  }
  // written by hand; the embedded database runs them through drizzle as well
  if (kind === 'pglite') return statements
  const recorded = <T>(query: SQL, on?: Db) => {
    if (!on) statements.push(dialect.sqlToQuery(query))
    return rows<T>(query, on)
  }
  Object.assign(database, { rows: recorded })
  return statements
}

const dialect = new PgDialect()
