/** What the log shows of an error of the database, with both drivers. */
import { eq, sql } from 'drizzle-orm'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { generations } from '../../src/db/schema/generations.ts'
import { facts } from '../../src/db/schema/operation.ts'
import { createLog } from '../../src/log.ts'
import { databases, openTestDatabase } from '../helpers/backends.ts'

describe.each(databases())('a database error in the log, on %s', (backend) => {
  afterEach(() => vi.restoreAllMocks())

  it('has no values of the statement', async () => {
    const { database, drop } = await openTestDatabase(backend)
    const lines: string[] = []
    vi.spyOn(process.stderr, 'write').mockImplementation((line) => lines.push(String(line)) > 0)
    const log = createLog('info')
    const words = 'words of a person'
    const insert = () => database.db.insert(facts).values({ name: words, value: 'x' })
    await insert()
    const statements = [
      insert,
      () => database.rows(sql`insert into facts (name, value) values (${words}, 'x')`),
      () => database.rows(sql`select 1 / (length(${words}::text) - length(${words}::text))`),
      () => database.rows(sql`select ${JSON.stringify({ words }).slice(1)}::jsonb`),
      () => database.rows(sql`select ${words}::text::uuid`),
      () => database.rows(sql`select ${`"${words}" in "quotes"`}::text::int`),
      () => database.rows(sql`select ${words}::text::timestamptz`),
      () => database.rows(sql`select ${`{"${words}`}::text::int[]`),
      () => database.db.select().from(generations).where(eq(generations.id, words)),
      () => database.db.insert(generations).values({ id: words } as never),
    ]
    for (const statement of statements) {
      const error = await statement().then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      expect(error).toBeInstanceOf(Error)
      log.error({ err: error }, 'a statement failed')
      log.error({ err: new Error('outer', { cause: error }) }, 'a statement failed inside')
    }
    vi.restoreAllMocks()
    await drop()
    expect(lines).toHaveLength(2 * statements.length)
    expect(lines.join('')).toContain('invalid input syntax for type uuid: \\"…\\"')
    expect(lines.join('')).toContain('duplicate key')
    expect(lines.join('')).not.toContain(words)
  })
})
