/** A database that explains statements in place of running them, and then returns nothing. */
import { type SQL, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/pg-proxy'
import type { Database, Db } from '../../src/db/database.ts'

export interface Explained {
  /** Names of our functions that led to the statement, the innermost first. */
  callers: string[]
  /** Lines of the plan. */
  plan: string
}

interface Explaining {
  explain(statement: SQL): Promise<string>
  /** Names of our functions whose statements also run, because what follows depends on what they return. */
  runs?: readonly string[]
}

export function explaining(
  database: Database,
  { explain, runs = [] }: Explaining,
): { database: Database; explained: Explained[] } {
  const explained: Explained[] = []
  const record = async (statement: SQL) => {
    const callers = callersOf(new Error().stack ?? '')
    explained.push({ callers, plan: await explain(statement) })
    return callers
  }
  const db = drizzle(async (text, params) => {
    await record(withParams(text, params))
    return { rows: [] }
  }) as unknown as Db
  const rows = async <T>(statement: SQL) => {
    const [caller = ''] = await record(statement)
    return runs.includes(caller) ? database.rows<T>(statement) : []
  }
  return { database: { ...database, db, rows }, explained }
}

const callersOf = (stack: string) =>
  [...stack.matchAll(/at (?:async )?(?:Object\.)?(\w+) \(?[^)]*\/src\/(?:core|bots|http)\//g)].map(
    ([, name = '']) => name,
  )

/** Drizzle's builder gives the text and its parameters apart. */
function withParams(text: string, params: readonly unknown[]): SQL {
  const parts = text.split(/\$(\d+)/)
  return sql.join(parts.map((part, at) => (at % 2 === 0 ? sql.raw(part) : sql`${params[Number(part) - 1]}`)))
}
