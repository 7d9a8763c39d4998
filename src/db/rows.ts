/** Rows of hand-written SQL, the same from both drivers. */

interface Field {
  name: string
  /** The number of the column's type: PGlite's name for it, and postgres.js's. */
  dataTypeID?: number
  type?: number
}

/** postgres.js answers with an array that also has columns, PGlite with an object. */
interface Raw {
  rows?: Record<string, unknown>[]
  fields?: Field[]
  columns?: Field[]
}

/** By type number: int8, date, timestamp, timestamptz. drizzle leaves times as text, and the drivers differ on int8. */
const readers: Readonly<Record<number, (value: string | number | bigint) => unknown>> = {
  20: Number,
  1082: (value) => new Date(String(value)),
  1114: (value) => new Date(`${value}Z`),
  1184: (value) => new Date(String(value)),
}

export async function rowsOf<T>(query: PromiseLike<unknown>): Promise<T[]> {
  const result = (await query) as Raw & Record<string, unknown>[]
  const rows = result.rows ?? result
  for (const { name, dataTypeID, type } of result.fields ?? result.columns ?? []) {
    const read = readers[dataTypeID ?? type ?? 0]
    if (!read) continue
    for (const row of rows) {
      const value = row[name]
      if (value !== null) row[name] = read(value as string)
    }
  }
  return rows as T[]
}
