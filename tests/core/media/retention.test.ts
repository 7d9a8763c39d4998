import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { accountOf } from '../../../src/core/accounts/accounts.ts'
import { buttonId } from '../../../src/core/chats/buttons.ts'
import { outcomes } from '../../../src/core/history/outcome.ts'
import { deleteDue } from '../../../src/core/media/deletions.ts'
import { createRetention } from '../../../src/core/media/retention.ts'
import { databases } from '../../helpers/backends.ts'
import { openTestCore, type TestCore } from '../../helpers/core.ts'

describe.each(databases())('pictures that are older than the operator keeps them, on %s', (kind) => {
  let test: TestCore
  let ids: string[]

  const idOf = async (key: string) =>
    (await test.core.database.rows<{ id: string }>(sql`select id from generations where key = ${key}`))[0]?.id ?? ''
  const keysOf = async (id: string) =>
    (await test.core.database.rows<{ key: string }>(sql`select key from images where generation_id = ${id}::uuid`)).map(
      ({ key }) => key,
    )
  const press = async (action: string, id: string, who = 'ann') => {
    const act = { kind: 'press', button: buttonId(action, id) } as const
    const { address } = await test.say('', { who, act })
    return test.chat.last(address)
  }
  const expired = { kind: 'refusal', error: 'pictures_expired', data: { days: 30 } }

  beforeAll(async () => {
    test = await openTestCore(kind, { limits: { pictureDays: 30 } })
    await test.work()
    const calls = []
    for (const text of ['an old cat', 'a favourite cat', 'a new cat']) {
      const call = await test.say(text)
      await test.ended(call)
      calls.push(call)
    }
    ids = await Promise.all(calls.map(({ key }) => idOf(key)))
    const [old = '', favourite = ''] = ids
    await press('favourite', favourite, 'bob')
    await press('favourite', favourite)
    await test.core.database.rows(sql`
      update images set created_at = now() - interval '31 days' where generation_id in (${old}::uuid, ${favourite}::uuid)`)
  })
  afterAll(() => test.close())

  it('go, except those that a person keeps as a favourite', async () => {
    const [old = '', favourite = '', fresh = ''] = ids
    const keys = await keysOf(old)
    expect(keys).toHaveLength(2)
    await createRetention(test.core).expire()
    await deleteDue(test.core)
    for (const key of keys) expect(await test.core.store.get(key)).toBeUndefined()
    expect(await keysOf(old)).toEqual([])
    for (const id of [favourite, fresh]) {
      const kept = await keysOf(id)
      expect(kept).toHaveLength(2)
      for (const key of kept) expect(await test.core.store.get(key)).toBeDefined()
    }
  })

  it('are named as the reason where they are asked for', async () => {
    const [old = ''] = ids
    const { address } = await test.say(`/show ${old.slice(-8)}`)
    expect(test.chat.last(address)?.content).toEqual(expired)
    for (const action of ['show', 'reroll', 'vary', 'original', 'edit']) {
      expect([action, (await press(action, old))?.content]).toEqual([action, expired])
    }
  })

  it('leave their words in the history', async () => {
    const { address } = await test.say('/history')
    expect(test.chat.last(address)?.text).toContain('an old cat')
    const userId = await accountOf(test.core, { id: 'test:ann', name: 'ann' })
    const { items } = await outcomes(test.core, { userId, page: 1, limit: 10 })
    expect(items.map(({ prompt, pictures }) => [prompt, pictures.length])).toEqual([
      ['a new cat', 1],
      ['a favourite cat', 1],
      ['an old cat', 0],
    ])
  })

  it('do not exist for people who may not see the result', async () => {
    const [old = ''] = ids
    await test.core.database.rows(sql`update generations set private = true where id = ${old}::uuid`)
    expect((await press('show', old, 'eve'))?.content).toMatchObject({ error: 'unknown_button' })
  })

  it('can still be deleted with their words', async () => {
    const [old = ''] = ids
    await press('delete', old)
    await press('erase', old)
    const [row] = await test.core.database.rows<{ prompt: string }>(
      sql`select request->>'prompt' as prompt from generations where id = ${old}::uuid`,
    )
    expect(row?.prompt).toBe('')
  })
})
