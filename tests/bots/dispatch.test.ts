import { sql } from 'drizzle-orm'
import { expect, it } from 'vitest'
import { quickest } from '../helpers/backends.ts'
import { openTestCore } from '../helpers/core.ts'

it('refuses an act of a sender without a name, and opens no account for it', async () => {
  const test = await openTestCore(quickest)
  const refused = await test.say('/flux a cat', { isAnonymous: true })
  expect(test.chat.last(refused.address)?.text).toContain('Send it as yourself')
  expect(await test.core.database.rows(sql`select id from users`)).toEqual([])
  await test.close()
})
