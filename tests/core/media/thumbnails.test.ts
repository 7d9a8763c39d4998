/** Thumbnails that are made when they are first asked for, and deletions meanwhile. */
import { sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { accountOf } from '../../../src/core/accounts/accounts.ts'
import type { Core } from '../../../src/core/core.ts'
import { deleteDue } from '../../../src/core/media/deletions.ts'
import { erase, eraseAll } from '../../../src/core/media/erase.ts'
import { inputKey, outputKey, thumbnailKey } from '../../../src/core/media/object-keys.ts'
import { createRetention } from '../../../src/core/media/retention.ts'
import { createThumbnailTurns } from '../../../src/core/media/thumbnail-turns.ts'
import { loadThumbnail, sizeWithin } from '../../../src/core/media/thumbnails.ts'
import type { ObjectStore } from '../../../src/core/ports/storage.ts'
import { waitForEnd } from '../../../src/core/programs/wait.ts'
import { createStoredPictures } from '../../../src/http/pictures/stored.ts'
import { databases } from '../../helpers/backends.ts'
import { askAs, createPlain, openTestCore, pngOf, type TestCore } from '../../helpers/core.ts'
import { violations } from '../../helpers/invariants.ts'

/** Called before a thumbnail is stored. */
let beforePut: ((key: string) => Promise<void>) | undefined
let isAway = false
const held = new Set<string>()

const watched = (store: ObjectStore) => ({
  ...store,
  keys: async () => [...held],
  put: async (key: string, body: Buffer, type: string) => {
    if (key.includes('-small')) await beforePut?.(key)
    await store.put(key, body, type)
    held.add(key)
  },
  delete: async (key: string) => {
    if (isAway) throw new Error('the store is away')
    await store.delete(key)
    held.delete(key)
  },
})

describe.each(databases())('a thumbnail that nothing has needed yet, on %s', (kind) => {
  let test: TestCore
  let core: Core
  let store: ReturnType<typeof watched>
  let userId: string
  let number = 0

  beforeAll(async () => {
    const images = [await pngOf(800, 400), await pngOf(400, 900)]
    const start = async (task: { input: unknown }) => ({
      state: 'done' as const,
      images: images.slice(0, (task.input as { count?: number }).count ?? 1),
    })
    test = await openTestCore(kind, { providers: [createPlain({ start })], limits: { pictureDays: 30 } })
    store = watched(test.core.store)
    core = Object.assign(test.core, { store })
    await test.work()
  })
  afterAll(() => test.close())
  beforeEach(async () => {
    userId = await accountOf(core, { id: `test:ann${number++}`, name: 'ann' })
  })
  afterEach(async () => {
    beforePut = undefined
    isAway = false
    await deleteDue(core)
    const found = await violations(core.database, store)
    await eraseAll(core, userId)
    await sweepLater()
    expect(found).toEqual([])
    expect([...held]).toEqual([])
    expect(await core.database.rows(sql`select from images`)).toEqual([])
    expect(await notes()).toEqual([])
  })

  const notes = () => core.database.rows(sql`select from object_deletions`)
  /** What the sweeper does once the time has passed in which thumbnails may still be stored. */
  const sweepLater = async () => {
    await core.database.rows(sql`update object_deletions set final_at = now()`)
    await core.database.rows(sql`update images set created_at = created_at - interval '5 minutes'`)
    await deleteDue(core)
  }
  const drawn = async (count = 1) => {
    const holder = { userId, keyId: null, admin: false, models: null }
    const { id } = await askAs(core, { holder, key: `k${number++}`, params: { prompt: 'a cat', count }, images: [] })
    await waitForEnd(core, userId, id, { signal: AbortSignal.timeout(60_000) })
    return id
  }
  const keyOf = (id: string, position = 0) => outputKey(core, id, position, 'image/png')
  const smallOf = (id: string, position = 0) => thumbnailKey(core, id, position)
  /** Of an own process: nothing in its memory is shared. */
  const elsewhere = (): Core => ({ ...core, thumbnailTurns: createThumbnailTurns() })
  const rowsOf = (id: string) =>
    core.database.rows<{ role: string; position: number; width: number; height: number; bytes: number }>(sql`
      select role, position, width, height, bytes from images where generation_id = ${id}::uuid and role = 'thumbnail'
      order by position`)

  it('is not made for a request of the API, but when it is first asked for, and is stored', async () => {
    const id = await drawn(2)
    expect([...held].sort()).toEqual([keyOf(id), keyOf(id, 1)].sort())
    const first = await loadThumbnail(core, keyOf(id, 1))
    expect(first).toMatchObject({ type: 'image/webp' })
    expect((await core.store.get(smallOf(id, 1)))?.data.equals(first!.data)).toBe(true)
    expect(await rowsOf(id)).toEqual([
      { role: 'thumbnail', position: 1, width: 228, height: 512, bytes: first!.data.length },
    ])
    expect(sizeWithin(512, { width: 400, height: 900 })).toEqual({ width: 228, height: 512 })
    const unread = { ...core, images: undefined } as unknown as Core
    expect((await loadThumbnail(unread, keyOf(id, 1)))?.data.equals(first!.data)).toBe(true)
    expect(held.has(smallOf(id))).toBe(false)
  })

  it('is found after SECRET_KEY has changed', async () => {
    const id = await drawn()
    const first = await loadThumbnail(core, keyOf(id))
    const changed = { ...elsewhere(), secretKey: Buffer.from('another secret key for this test') }
    expect((await loadThumbnail(changed, keyOf(id)))?.data.equals(first!.data)).toBe(true)
    expect(await rowsOf(id)).toHaveLength(1)
    expect([...held].sort()).toEqual([keyOf(id), smallOf(id)].sort())
  })

  it('is stored by the first request for any width that it serves', async () => {
    const id = await drawn()
    const { thumbnail } = createStoredPictures(core)
    expect(await thumbnail(keyOf(id), 600).load()).toBeDefined()
    expect(held.has(smallOf(id))).toBe(false)
    expect(await thumbnail(keyOf(id), 64).load()).toBeDefined()
    expect(held.has(smallOf(id))).toBe(true)
  })

  it('is stored with the picture where a chat shows it', async () => {
    const call = await test.say('a bird')
    await test.ended(call)
    expect([...held].filter((key) => key.includes('-small'))).toHaveLength(1)
    await eraseAll(core, await accountOf(core, call.from))
    expect(held.size).toBe(0)
    // what was stored before the delivery is deleted once
    expect(await notes()).toEqual([])
  })

  it('is made once for concurrent requests in a process, and is the same from two processes', async () => {
    const id = await drawn()
    let made = 0
    const counting = (from: Core): Core => ({
      ...from,
      images: {
        ...from.images,
        thumbnail: (file, edge) => {
          made++
          return from.images.thumbnail(file, edge)
        },
      },
    })
    const [one, other] = [counting(elsewhere()), counting(elsewhere())]
    const all = await Promise.all([one, one, one, other, other].map((from) => loadThumbnail(from, keyOf(id))))
    expect(new Set(all.map((each) => each?.data.toString('base64'))).size).toBe(1)
    expect(made).toBeGreaterThan(0)
    expect(made).toBeLessThanOrEqual(2)
    expect(await rowsOf(id)).toHaveLength(1)
  })

  it('is not stored when its picture is erased while it is made', async () => {
    const id = await drawn()
    const slow: Core = {
      ...elsewhere(),
      images: {
        ...core.images,
        thumbnail: async (file, edge) => {
          await erase(core, userId, id)
          return core.images.thumbnail(file, edge)
        },
      },
    }
    expect(await loadThumbnail(slow, keyOf(id))).toBeUndefined()
    expect(held.size).toBe(0)
    expect(await rowsOf(id)).toEqual([])
  })

  it('is deleted again when its picture is erased while it is being stored', async () => {
    const id = await drawn()
    beforePut = async () => {
      await erase(core, userId, id)
    }
    expect(await loadThumbnail(elsewhere(), keyOf(id))).toBeUndefined()
    expect(held.size).toBe(0)
  })

  it('is deleted by the sweeper when its process dies after it was stored too late', async () => {
    const id = await drawn()
    beforePut = async (key) => {
      await erase(core, userId, id)
      await test.core.store.delete(key)
      // the process stores it, and is gone before it notices
      beforePut = undefined
      await store.put(key, Buffer.from('late'), 'image/webp')
      throw new Error('killed')
    }
    await loadThumbnail(elsewhere(), keyOf(id))
    expect([...held]).toEqual([smallOf(id)])
    expect(await notes()).toHaveLength(1)
    // not before another process could have stored one
    await deleteDue(core)
    expect(held.size).toBe(1)
    await sweepLater()
    expect(held.size).toBe(0)
    expect(await notes()).toEqual([])
  })

  it('is made again when its process died before it was stored', async () => {
    const id = await drawn()
    beforePut = () => Promise.reject(new Error('killed'))
    expect(await loadThumbnail(elsewhere(), keyOf(id))).toBeDefined()
    expect(await rowsOf(id)).toMatchObject([{ bytes: 0 }])
    expect(held.has(smallOf(id))).toBe(false)
    beforePut = undefined
    const made = await loadThumbnail(elsewhere(), keyOf(id))
    expect(await rowsOf(id)).toMatchObject([{ bytes: made?.data.length }])
    expect(held.has(smallOf(id))).toBe(true)
  })

  it('is not made for an erased picture whose object is still in the store', async () => {
    const id = await drawn()
    isAway = true
    await erase(core, userId, id)
    expect(held.has(keyOf(id))).toBe(true)
    expect(await loadThumbnail(core, keyOf(id))).toBeUndefined()
    expect(held.has(smallOf(id))).toBe(false)
    isAway = false
  })

  it('is not made for a picture that has expired and is due for deletion', async () => {
    const id = await drawn()
    await core.database.rows(sql`update images set created_at = now() - interval '31 days'`)
    await createRetention(core).expire()
    expect(await notes()).toHaveLength(1)
    expect(await loadThumbnail(core, keyOf(id))).toBeUndefined()
    await deleteDue(core)
    expect(held.size).toBe(0)
    await erase(core, userId, id)
  })

  it('exists only for pictures of results', async () => {
    const id = await drawn()
    for (const key of [inputKey(core, id, 0, 'image/png'), keyOf(id, 5), smallOf(id), 'image/a/0-x.png']) {
      expect(await loadThumbnail(core, key)).toBeUndefined()
    }
    await core.database.rows(sql`update generations set state = 'stored' where id = ${id}::uuid`)
    expect(await loadThumbnail(core, keyOf(id))).toBeUndefined()
    await core.database.rows(sql`update generations set state = 'delivered' where id = ${id}::uuid`)
    expect(await rowsOf(id)).toEqual([])
  })
})

describe('turns for thumbnails', () => {
  it('make one at a time, share the work for one picture, and refuse when too many wait', async () => {
    const turns = createThumbnailTurns({ atATime: 1, waiting: 2 })
    const go: (() => void)[] = []
    let [working, most, made] = [0, 0, 0]
    const make = async () => {
      made++
      most = Math.max(most, ++working)
      await new Promise<void>((resolve) => go.push(resolve))
      working--
      return { data: Buffer.alloc(1), type: 'image/webp' }
    }
    const all = ['a', 'a', 'b', 'c', 'b'].map((key) => turns(key, make))
    await expect(turns('d', make)).rejects.toMatchObject({ kind: 'overloaded' })
    for (let done = 0; done < 3; ) {
      await new Promise(setImmediate)
      const next = go.splice(0)
      done += next.length
      for (const each of next) each()
    }
    expect((await Promise.all(all)).every((each) => each?.data.length === 1)).toBe(true)
    expect([made, most]).toEqual([3, 1])
    const again = turns('d', make)
    await new Promise(setImmediate)
    go.pop()?.()
    expect(await again).toBeDefined()
  })
})
