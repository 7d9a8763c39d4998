import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import type { ObjectStore } from '../../../src/core/ports/storage.ts'
import { storePictures } from '../../../src/core/worker/store-pictures.ts'
import { createImageTools } from '../../../src/storage/images.ts'
import { quickest } from '../../helpers/backends.ts'
import { createPlain, openTestCore, pngOf, type TestCore } from '../../helpers/core.ts'
import { animatedWebp, greyPng } from '../../helpers/files.ts'
import { violations } from '../../helpers/invariants.ts'

/** A provider whose work is done at once, and whose result can be fetched any number of times. */
function returning(image: () => Promise<Buffer>) {
  const provider = {
    ...createPlain({ repeatable: false }),
    fetched: 0,
    start: async () => ({ state: 'pending', ticket: { id: 1 }, waitMs: 0 }) as const,
    check: async () => {
      provider.fetched++
      return { state: 'done' as const, images: [await image()] }
    },
  }
  return provider
}

describe('a result', () => {
  let test: TestCore
  afterEach(async () => {
    expect(await violations(test.core.database)).toEqual([])
    await test.close()
  })

  async function draw(image: () => Promise<Buffer>) {
    const provider = returning(image)
    test = await openTestCore(quickest, { providers: [provider] })
    await test.work()
    const call = await test.say('a cute cat')
    const state = await test.ended(call)
    return { state, fetched: provider.fetched, shown: test.chat.last(call.address) }
  }

  it('that is an animation is delivered as its first frame', async () => {
    const { state, fetched, shown } = await draw(() => animatedWebp())
    expect([state, fetched]).toEqual(['delivered', 1])
    const data = shown?.pictures?.[0]?.file.data ?? Buffer.alloc(0)
    expect(await sharp(data).metadata()).toMatchObject({ format: 'webp', width: 64, height: 48 })
  })

  it.each([
    ['has too many pixels', () => greyPng({ width: 9_000, height: 9_000 }), 'at most 50 megapixels'],
    ['is too tall', () => greyPng({ width: 1, height: 1_000_000 }), 'a side may have 16,384'],
  ])('that %s fails at once, and the answer names the limit', async (_, make, words) => {
    const { state, fetched, shown } = await draw(async () => make())
    expect([state, fetched]).toEqual(['failed', 1])
    expect(shown?.text).toContain(words)
    expect(shown?.text).toContain('given back')
    expect(shown?.text).not.toContain('ry again')
  })

  it('that is no picture is fetched three times, and the answer does not ask for another try', async () => {
    const { state, fetched, shown } = await draw(async () => Buffer.from('GIF89a, which we do not read'))
    expect([state, fetched]).toEqual(['failed', 3])
    expect(shown?.text).toContain('given back')
    expect(shown?.text).not.toContain('ry again')
  })
})

describe('a store that fails', () => {
  it('ends the request at the third attempt, and the earlier ones fetch the result again', async () => {
    const away: ObjectStore = {
      reachable: false,
      put: () => Promise.reject(new Error('the disk is full')),
      get: async () => undefined,
      link: async () => '',
      delete: async () => undefined,
    }
    const core = { store: away, secretKey: Buffer.alloc(32) }
    const kept = await createImageTools().keepWithThumbnail(await pngOf(64, 64), 64)
    const errors = await Promise.all(
      [1, 2, 3, 7].map((attempt) =>
        storePictures(core, { id: crypto.randomUUID(), attempt: attempt + 2, searches: 2 }, [kept]).catch(
          (error: unknown) => error,
        ),
      ),
    )
    expect(errors).toMatchObject([
      { kind: 'not_stored', retry: true },
      { kind: 'not_stored', retry: true },
      { kind: 'not_stored', final: true, retry: false },
      { kind: 'not_stored', final: true, retry: false },
    ])
  })
})
