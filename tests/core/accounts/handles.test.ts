/** Whom a handle names. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { answerTerminal } from '../../../src/bots/terminal/terminal.ts'
import { accountOf, findAccount } from '../../../src/core/accounts/accounts.ts'
import { databases } from '../../helpers/backends.ts'
import { openTestCore, type TestCore } from '../../helpers/core.ts'

describe.each(databases())('handles on %s', (kind) => {
  let test: TestCore
  beforeEach(async () => {
    test = await openTestCore(kind, { admins: ['cli', 'test:root'] })
  })
  afterEach(() => test.close())

  const meet = (id: string, handle?: string) => accountOf(test.core, { id, name: `person ${id}`, handle })
  const named = async (written: string, surface?: string) => (await findAccount(test.core, { written, surface })).userId

  it('name the person who has them now', async () => {
    const first = await meet('test:1', 'Bob')
    expect(await named('bob', 'test')).toBe(first)
    const second = await meet('test:2', 'bob')
    expect(await named('bob', 'test')).toBe(second)
    const third = await meet('test:3', 'carol')
    expect(await meet('test:3', 'bob')).toBe(third)
    expect(await named('bob', 'test')).toBe(third)
    await expect(named('carol', 'test')).rejects.toMatchObject({ kind: 'unknown_user' })
    expect(await test.core.database.rows(sql`select id, name from identities where handle = 'bob'`)).toEqual([
      { id: 'test:3', name: 'person test:3' },
    ])
  })

  it('name people of the platform alone, unless the platform has no handles', async () => {
    const here = await meet('test:1', 'ann')
    const there = await meet('other:1', 'bob')
    await expect(named('bob', 'test')).rejects.toMatchObject({ kind: 'unknown_user' })
    expect(await named('other:1', 'test')).toBe(there)
    expect(await named('1', 'test')).toBe(here)
    expect(await named('bob')).toBe(there)
    await meet('test:2', 'bob')
    await expect(named('bob')).rejects.toMatchObject({ kind: 'ambiguous', data: { name: 'bob' } })
    await test.core.database.rows(sql`update identities set user_id = ${there}::uuid where id = 'test:2'`)
    expect(await named('bob')).toBe(there)
  })

  it('count in the terminal for every platform, and in chats for their own', async () => {
    await meet('other:1', 'bob')
    const call = await test.say('/lookup @bob', { who: 'root', isPrivate: true })
    expect(test.chat.last(call.address)?.text).toContain('bob is not known here')
    const inTerminal = (key: string) => answerTerminal(test.core, { key, text: 'lookup @bob' })
    expect((await inTerminal('1')).text).toContain('other:1 (@bob)')
    await meet('test:2', 'bob')
    expect(await inTerminal('2')).toMatchObject({ failed: true, text: expect.stringContaining('more than one') })
  })
})
