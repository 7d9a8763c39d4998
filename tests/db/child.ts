/** Another process, for tests. Opens a data folder, writes rows for ever and reports each on its standard output. */
import { sql } from 'drizzle-orm'
import { openDatabase } from '../../src/db/open.ts'
import { facts } from '../../src/db/schema/operation.ts'

const [dataDir = '', mode = 'write'] = process.argv.slice(2)
try {
  const database = await openDatabase({ dataDir })
  process.stdout.write('open\n')
  if (mode === 'read') {
    const [row] = await database.rows<{ n: number; last: string }>(
      sql`select count(*) as n, max(value::int)::text as last from facts`,
    )
    process.stdout.write(`${JSON.stringify(row)}\n`)
    await database.close()
  } else {
    for (let n = 1; ; n += 1) {
      await database.db.insert(facts).values({ name: `row ${n}`, value: String(n) })
      process.stdout.write(`${n}\n`)
    }
  }
} catch (error) {
  process.stdout.write(`refused: ${(error as Error).message}\n`)
}
