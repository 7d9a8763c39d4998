/** Makes the rows of hand-written SQL the same with both drivers. */

interface Field {
  name: string
  /** OID of the column's type, as PGlite names it. */
  dataTypeID?: number
  /** OID of the column's type, as postgres.js names it. */
  type?: number
}

/** postgres.js returns an array with `columns`, PGlite an object with `rows` and `fields`. */
interface RawResult {
  rows?: Record<string, unknown>[]
  fields?: Field[]
  columns?: Field[]
}

/** By OID: int8, date, timestamp, timestamptz. drizzle leaves times as text, and the drivers differ on int8. */
const parsers: Readonly<Record<number, (value: string | number | bigint) => unknown>> = {
  20: Number,
  1082: (value) => new Date(String(value)),
  1114: (value) => new Date(`${value}Z`),
  1184: (value) => new Date(String(value)),
}

export async function rowsOf<T>(query: PromiseLike<unknown>): Promise<T[]> {
  const result = (await query) as RawResult & Record<string, unknown>[]
  const rows = result.rows ?? result
  for (const { name, dataTypeID, type } of result.fields ?? result.columns ?? []) {
    const parse = parsers[dataTypeID ?? type ?? 0]
    if (!parse) continue
    for (const row of rows) {
      const value = row[name]
      if (value !== null) row[name] = parse(value as string)
    }
  }
  return rows as T[]
}
