import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { accountOf } from '../../../src/core/accounts/accounts.ts'
import { submit } from '../../../src/core/generation/submit.ts'
import type { Attachment } from '../../../src/core/ports/chat.ts'
import { chooseModel } from '../../../src/core/request/choose-model.ts'
import { quickest } from '../../helpers/backends.ts'
import { attachment, openTestCore, pngOf, type TestCore } from '../../helpers/core.ts'

describe('pictures that come with requests', () => {
  let test: TestCore
  beforeEach(async () => {
    test = await openTestCore(quickest)
  })
  afterEach(() => test.close())

  const ask = async (who: string, key: string, images: readonly Attachment[]) => {
    const userId = await accountOf(test.core, { id: `test:${who}`, name: who })
    const params = { prompt: 'night' }
    const chosen = chooseModel(test.core, { images: images.length, words: true })
    const where = { surface: 'test', address: `test:${key}`, locale: 'en' } as const
    return submit(test.core, { key, ...where, chosen, params, images, from: { userId } })
  }
  /** Come when they are let go. */
  const slow = () => {
    const comes: ((data: Buffer) => void)[] = []
    const load = () => new Promise<Buffer>((resolve) => comes.push(resolve))
    return { comes, image: { name: 'slow.png', load } }
  }

  it('and do not come keep nobody else waiting, neither programs nor chats', async () => {
    const { comes, image } = slow()
    const asks = ['ann', 'bob', 'eve', 'joe'].flatMap((who) => [1, 2, 3].map((at) => ask(who, `${who}${at}`, [image])))
    await expect.poll(() => comes).toHaveLength(12)
    await expect(ask('ann', 'ann4', [image])).rejects.toMatchObject({ kind: 'too_many_in_flight' })
    const png = await pngOf(20, 20)
    await test.work()
    const call = await test.say('night', { who: 'zoe', images: [attachment(png)] })
    expect(await test.ended(call)).toBe('delivered')
    for (const come of comes) come(png)
    expect(await Promise.all(asks)).toHaveLength(12)
  })

  it('have one time for all of them, whether whoever fetches them hears of its end or not', async () => {
    const { core } = test
    Object.assign(core.limits, { fetchMs: 300 })
    const signals: (AbortSignal | undefined)[] = []
    const { comes, image } = slow()
    const deaf = {
      ...image,
      load: (_limitBytes: number, signal?: AbortSignal) => {
        signals.push(signal)
        return image.load()
      },
    }
    const png = await pngOf(20, 20)
    const asking = ask('ann', 'late', [attachment(png), deaf, deaf])
    await expect(asking).rejects.toMatchObject({ kind: 'image_unreachable' })
    expect(signals.map((signal) => signal?.aborted)).toEqual([true])
    // what comes now is nobody’s, and the next is not fetched
    for (const come of comes) come(png)
    await new Promise(setImmediate)
    expect(signals).toHaveLength(1)
    expect((await ask('ann', 'again', [attachment(png)])).fresh).toBe(true)
  })

  it('have only so much room, which is free again when they are read', async () => {
    const { core } = test
    Object.assign(core.limits, { uploadBytes: 1_000, inFlight: 1 })
    const bytes = await pngOf(20, 20)
    const png = (length: number) => attachment(Buffer.concat([bytes, Buffer.alloc(length - bytes.length)]))
    const five = [1, 2, 3, 4].map(() => png(1_000))
    await expect(ask('ann', 'much', [...five, png(900), png(200)])).rejects.toMatchObject({ kind: 'overloaded' })
    expect((await ask('ann', 'less', [png(1_000)])).fresh).toBe(true)
  })
})
