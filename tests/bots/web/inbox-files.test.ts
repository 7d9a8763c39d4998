import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { storeFiles } from '../../../src/bots/inbox-files.ts'
import { finish, storeActs } from '../../../src/bots/inbox-store.ts'
import type { Database } from '../../../src/db/database.ts'
import { openTestDatabase, quickest, type TestDatabase } from '../../helpers/backends.ts'

const files = [{ data: Buffer.from('one') }]
const act = { key: 'a', lane: 'chat', body: {} }

let test: TestDatabase

beforeEach(async () => {
  test = await openTestDatabase(quickest)
})

afterEach(() => test.drop())

it.skipIf(quickest === 'pglite')('files are not stored again while another process ends their act', async () => {
  const { database } = test
  await storeFiles(database, act.key, files)
  await storeActs(database, 'web', [act])
  let again: Promise<void> | undefined
  await database.db.transaction(async (tx) => {
    const within: Database = { ...database, rows: (query) => database.rows(query, tx) }
    await finish(within, [act.key], { keepAlbum: true })
    again = storeFiles(database, act.key, files)
    await expect
      .poll(() =>
        database.rows(
          sql`select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        ),
      )
      .toHaveLength(1)
  })
  await again
  expect(await database.rows(sql`select 1 from inbox_files`)).toEqual([])
})
