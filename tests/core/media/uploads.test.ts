import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { accountOf } from '../../../src/core/accounts/accounts.ts'
import { assertPace } from '../../../src/core/accounts/limits.ts'
import type { Core } from '../../../src/core/core.ts'
import { forgetOldUploads, ownPicture, storeUploads } from '../../../src/core/media/uploads.ts'
import type { ObjectStore } from '../../../src/core/ports/storage.ts'
import { keepLeases } from '../../../src/core/worker/leases.ts'
import { keepSweeping } from '../../../src/core/worker/sweep.ts'
import { databases } from '../../helpers/backends.ts'
import { openTestCore, pngOf, type TestCore } from '../../helpers/core.ts'
import { violations } from '../../helpers/invariants.ts'

type Fault = 'put' | 'delete'

/** A store that fails the operations in `faults` and lists its objects. */
function faulty(store: ObjectStore): ObjectStore & { faults: Set<Fault>; keys(): Promise<string[]> } {
  const [held, faults] = [new Set<string>(), new Set<Fault>()]
  return {
    ...store,
    faults,
    keys: async () => [...held],
    put: async (key, body, type) => {
      // the last of several: those before it are stored
      if (faults.has('put') && !key.includes('/0-')) throw new Error('the disk is full')
      await store.put(key, body, type)
      held.add(key)
    },
    delete: async (key) => {
      if (faults.has('delete')) throw new Error('the store is away')
      await store.delete(key)
      held.delete(key)
    },
  }
}

describe.each(databases())('an upload on %s', (kind) => {
  let test: TestCore
  let core: Core
  let store: ReturnType<typeof faulty>
  let sender: { userId: string; keyId: string }
  let number = 0

  beforeAll(async () => {
    test = await openTestCore(kind)
    store = faulty(test.core.store)
    core = Object.assign(test.core, { store })
  })
  afterAll(() => test.close())
  beforeEach(async () => {
    store.faults.clear()
    const userId = await accountOf(core, { id: `test:ann${number++}`, name: 'ann' })
    sender = { userId, keyId: '00000000-0000-0000-0000-000000000000' }
  })

  const two = async () => [await pngOf(10, 10), await pngOf(20, 20)]
  const left = async () => {
    const rows = await core.database.rows<{ key: string; bytes: number }>(
      sql`select key, bytes from uploads where user_id = ${sender.userId}::uuid order by key`,
    )
    return { rows: rows.map(({ bytes }) => bytes), objects: (await store.keys()).length }
  }
  const grow = (hours: number) =>
    core.database.rows(sql`update uploads set created_at = created_at - make_interval(hours => ${hours}::int)`)

  it('is kept with its row for a day', async () => {
    const kept = await storeUploads(core, sender, await two())
    expect(kept.map(({ width }) => width)).toEqual([10, 20])
    expect(await violations(core.database, store)).toEqual([])
    const [{ key } = { key: '' }] = kept
    expect(await ownPicture(core, sender.userId, key)).toEqual((await store.get(key))?.data)
    await forgetOldUploads(core)
    expect((await left()).rows).toHaveLength(2)
    await grow(25)
    await forgetOldUploads(core)
    expect(await left()).toEqual({ rows: [], objects: 0 })
  })

  it('leaves nothing behind when the store fails', async () => {
    store.faults.add('put')
    await expect(storeUploads(core, sender, await two())).rejects.toThrow('the disk is full')
    expect(await left()).toEqual({ rows: [], objects: 0 })
  })

  it('cannot be used after a crash in between, and the sweeper deletes it', async () => {
    store.faults.add('put').add('delete')
    await expect(storeUploads(core, sender, await two())).rejects.toThrow('the disk is full')
    // the state after a crash: two rows, one object
    expect(await left()).toEqual({ rows: [0, 0], objects: 1 })
    const [key = ''] = await store.keys()
    expect(await ownPicture(core, sender.userId, key)).toBeUndefined()
    expect(await violations(core.database, store)).toEqual([])
    store.faults.clear()
    await forgetOldUploads(core)
    expect((await left()).rows).toEqual([0, 0])
    await core.database.rows(sql`update uploads set created_at = created_at - interval '11 minutes'`)
    const sweeper = keepSweeping(core, keepLeases(core))
    await expect.poll(left, { interval: 50 }).toEqual({ rows: [], objects: 0 })
    await sweeper.stop()
  })

  it('fails when the sweeper has deleted its row meanwhile', async () => {
    const slow = {
      ...core,
      store: {
        ...store,
        put: async (...object: Parameters<ObjectStore['put']>) => {
          await grow(1)
          await forgetOldUploads(core)
          await store.put(...object)
        },
      },
    }
    await expect(storeUploads(slow, sender, [await pngOf(10, 10)])).rejects.toMatchObject({ kind: 'internal' })
    expect(await left()).toEqual({ rows: [], objects: 0 })
  })

  it('is refused after 200 a day, even when many arrive at once', async () => {
    await core.database.rows(sql`
      insert into uploads (key, user_id, type, width, height, bytes)
      select 'input/x/' || n || '.png', ${sender.userId}::uuid, 'image/png', 1, 1, 1 from generate_series(1, 198) n`)
    const tries = await Promise.allSettled(
      Array.from({ length: 6 }, async () => storeUploads(core, sender, [await pngOf(8, 8)])),
    )
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(2)
    // an account may have three uploads read at a time
    for (const each of tries) {
      if (each.status === 'rejected') expect(['too_many_uploads', 'too_many_in_flight']).toContain(each.reason.kind)
    }
    await grow(25)
    await forgetOldUploads(core)
    await forgetOldUploads(core)
    expect(await left()).toEqual({ rows: [], objects: 0 })
  })

  it('with API_KEY has the operator’s limits instead of a person’s', async () => {
    const operator = { ...sender, keyId: null }
    await core.database.rows(sql`
      insert into uploads (key, user_id, type, width, height, bytes)
      select 'input/y/' || n || '.png', ${sender.userId}::uuid, 'image/png', 1, 1, 1 from generate_series(1, 200) n`)
    const png = await pngOf(8, 8)
    const send = (bytes: Buffer) => storeUploads(core, operator, [bytes])
    expect(await Promise.all(Array.from({ length: 12 }, () => send(png)))).toHaveLength(12)
    // more invalid uploads than a person may send in a minute
    const bad = await Promise.allSettled(Array.from({ length: 25 }, () => send(Buffer.from('no picture'))))
    for (const each of bad) expect(each).toMatchObject({ reason: { kind: 'image_type' } })
    expect(await send(png)).toHaveLength(1)
    // a person would be slowed down by now
    await expect(assertPace(core, sender.userId, core.limits)).resolves.toBeUndefined()
  })
})
