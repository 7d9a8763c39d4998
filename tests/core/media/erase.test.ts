import { sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { accountOf, readAccount } from '../../../src/core/accounts/accounts.ts'
import type { Core } from '../../../src/core/core.ts'
import { outcomeOf, outcomes } from '../../../src/core/history/outcome.ts'
import { deleteDue } from '../../../src/core/media/deletions.ts'
import { erase, eraseAll } from '../../../src/core/media/erase.ts'
import type { RequestParams } from '../../../src/core/ports/models.ts'
import type { ImageProvider } from '../../../src/core/ports/providers.ts'
import type { ObjectStore } from '../../../src/core/ports/storage.ts'
import { waitForEnd } from '../../../src/core/programs/wait.ts'
import { keepLeases } from '../../../src/core/worker/leases.ts'
import { keepSweeping } from '../../../src/core/worker/sweep.ts'
import { databases } from '../../helpers/backends.ts'
import { askAs, attachment, createPlain, openTestCore, pngOf, type TestCore } from '../../helpers/core.ts'
import { violations } from '../../helpers/invariants.ts'

/** A store that refuses to delete while `away` is true, and lists its objects. */
function watched(store: ObjectStore): ObjectStore & { away: boolean; held: Set<string>; keys(): Promise<string[]> } {
  const held = new Set<string>()
  const own = {
    ...store,
    away: false,
    held,
    keys: async () => [...held],
    put: async (key: string, body: Buffer, type: string) => {
      await store.put(key, body, type)
      held.add(key)
    },
    delete: async (key: string) => {
      if (own.away) throw new Error('the store is away')
      await store.delete(key)
      held.delete(key)
    },
  }
  return own
}

describe.each(databases())('erasing on %s', (kind) => {
  let test: TestCore
  let core: Core
  let store: ReturnType<typeof watched>
  let userId: string
  let hold: Promise<void> | undefined
  let release = () => {}
  let number = 0

  beforeAll(async () => {
    const start: ImageProvider['start'] = async (task) => {
      await hold
      return { state: 'done', images: await pictures((task.input as { count?: number }).count) }
    }
    test = await openTestCore(kind, { providers: [createPlain({ start })] })
    store = watched(test.core.store)
    core = Object.assign(test.core, { store })
    await test.work()
  })
  afterAll(() => test.close())
  beforeEach(async () => {
    hold = undefined
    userId = await accountOf(core, { id: `test:ann${number++}`, name: 'ann' })
  })
  afterEach(async () => {
    await eraseAll(core, userId)
    expect(await violations(core.database, store)).toEqual([])
    expect(store.held.size).toBe(0)
  })

  const pictures = (count = 1) => Promise.all(Array.from({ length: count }, () => pngOf(64, 64)))
  const stop = () => {
    hold = new Promise((resolve) => {
      release = resolve
    })
  }
  const asked = async (over: Partial<RequestParams> = {}, images = 0) => {
    const holder = { userId, keyId: null, admin: false, models: null }
    const params = { prompt: 'a very confidential cat', negative: 'a very confidential dog', ...over }
    const inputs = await Promise.all((await pictures(images)).map((data) => attachment(data)))
    return (await askAs(core, { holder, key: `k${number++}`, params, images: inputs })).id
  }
  const drawn = async (over: Partial<RequestParams> = {}, images = 0) => {
    const id = await asked(over, images)
    await waitForEnd(core, userId, id, { signal: AbortSignal.timeout(60_000) })
    return id
  }
  const rows = () => core.database.rows(sql`select * from generations order by id`)
  const notes = () => core.database.rows(sql`select from object_deletions`)

  it('deletes words and pictures, and leaves the credits as they were', async () => {
    const id = await drawn({ count: 2 }, 2)
    const [before, entries] = [await readAccount(core, userId), await core.database.rows(sql`select * from ledger`)]
    expect([...store.held].filter((key) => key.startsWith('input/'))).toHaveLength(2)
    expect(store.held.size).toBe(4)

    expect(await erase(core, userId, id)).toBe(true)
    expect(store.held.size).toBe(0)
    expect(await core.database.rows(sql`select key from images`)).toEqual([])
    expect(JSON.stringify(await rows())).not.toContain('confidential')
    expect(await notes()).toEqual([])
    expect(await readAccount(core, userId)).toEqual(before)
    expect(await core.database.rows(sql`select * from ledger`)).toEqual(entries)
    expect(await outcomeOf(core, userId, id)).toBeUndefined()
    expect((await outcomes(core, { userId, page: 1, limit: 10 })).items).toEqual([])
    expect(await erase(core, userId, id)).toBe(false)
  })

  it('is allowed for the owner, and after the request has ended', async () => {
    stop()
    const id = await asked()
    const stranger = await accountOf(core, { id: 'test:bob', name: 'bob' })
    await expect(erase(core, userId, id)).rejects.toMatchObject({ kind: 'still_running' })
    expect(await eraseAll(core, userId)).toEqual({ erased: 0, running: 1 })
    release()
    await waitForEnd(core, userId, id, { signal: AbortSignal.timeout(60_000) })
    expect(await erase(core, stranger, id)).toBe(false)
    expect(await eraseAll(core, stranger)).toEqual({ erased: 0, running: 0 })
    expect(await erase(core, userId, `${id}'`)).toBe(false)
    expect((await outcomeOf(core, userId, id))?.pictures).toHaveLength(1)
  })

  it('deletes the webhook URL once the webhook was delivered', async () => {
    const [delivered, due] = [await drawn(), await drawn()]
    await core.database.rows(sql`
      insert into api_webhooks (generation_id, url, due_at)
      values (${delivered}, 'https://example.org/?token=confidential', null), (${due}, 'https://example.org/', now())`)
    await eraseAll(core, userId)
    expect(await core.database.rows(sql`select generation_id as id from api_webhooks`)).toEqual([{ id: due }])
    await core.database.rows(sql`delete from api_webhooks`)
  })

  it('erases a whole history, and each request once when called twice at the same time', async () => {
    const ids: string[] = []
    for (let each = 0; each < 4; each++) ids.push(await drawn())
    const [balance] = [(await readAccount(core, userId)).balance]
    const both = await Promise.all([eraseAll(core, userId), eraseAll(core, userId)])
    expect(both.map(({ erased }) => erased).reduce((sum, n) => sum + n)).toBe(4)
    expect(store.held.size).toBe(0)
    expect((await readAccount(core, userId)).balance).toBe(balance)
    expect(await eraseAll(core, userId)).toEqual({ erased: 0, running: 0 })
  })

  it('takes effect at once when the store is down, and deletes the objects later', async () => {
    const id = await drawn()
    store.away = true
    expect(await erase(core, userId, id)).toBe(true)
    expect(await outcomeOf(core, userId, id)).toBeUndefined()
    expect(JSON.stringify(await rows())).not.toContain('confidential')
    expect(store.held.size).toBe(1)
    await deleteDue(core)
    expect(await notes()).toHaveLength(1)
    store.away = false
    await deleteDue(core)
    expect(await notes()).toEqual([])
    expect(store.held.size).toBe(0)
  })

  it('removes the request from the history of the chat', async () => {
    const call = await test.say('a very confidential bird')
    await test.ended(call)
    const account = await accountOf(core, call.from)
    expect(await eraseAll(core, account)).toEqual({ erased: 1, running: 0 })
    const asking = await test.say('/history')
    expect(test.chat.last(asking.address)?.text).toContain('Nothing here yet')
  })

  it('ends the wait of a program that is waiting for the request', async () => {
    stop()
    const id = await asked()
    const waiting = waitForEnd(core, userId, id, { signal: AbortSignal.timeout(60_000) })
    await core.database.rows(sql`update generations set erased_at = now() where id = ${id}`)
    release()
    await expect(waiting).rejects.toMatchObject({ kind: 'unknown_request' })
    await core.database.rows(sql`update generations set erased_at = null where id = ${id}`)
    await expect.poll(async () => (await outcomeOf(core, userId, id))?.state).toBe('delivered')
  })

  it('is completed by the sweeper', async () => {
    const id = await drawn()
    store.away = true
    await erase(core, userId, id)
    store.away = false
    // the sweeper deletes objects in its first round
    const leases = keepLeases(core)
    const sweeper = keepSweeping(core, leases)
    await expect.poll(async () => (await notes()).length).toBe(0)
    expect(store.held.size).toBe(0)
    await sweeper.stop()
    leases.stop()
  })
})
