import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { canServe, defaultModel } from '../../../src/core/request/choose-model.ts'
import { models } from '../../../src/models/index.ts'
import { quickest } from '../../helpers/backends.ts'
import { attachment, createPlain, openTestCore, pngOf, type TestCore } from '../../helpers/core.ts'
import { violations } from '../../helpers/invariants.ts'

let test: TestCore
afterEach(async () => {
  const wrong = await violations(test.core.database)
  await test.close()
  expect(wrong).toEqual([])
})

/** As with a key for that provider alone. */
async function open(...names: string[]): Promise<void> {
  const there = new Set([...names, 'sketch'])
  const known = models.filter(({ routes }) => routes.some(({ provider }) => there.has(provider)))
  const providers = [...there].map((name) => createPlain({ name }))
  test = await openTestCore(quickest, { models: known, providers })
}

const words = { images: 0, words: true }
const chosen = (images: number, allowed: readonly string[] | null = null) =>
  defaultModel(test.core, allowed, { images, words: true })

describe('a request that names no model', () => {
  it('is drawn by the default where that can do it, else by the first that can', async () => {
    await open('fal')
    expect([0, 1, 2, 4].map((images) => chosen(images))).toEqual(['flux-dev', 'flux-dev', 'flux-pro', 'flux-pro'])
    // nothing but sketch would take so many, which is no substitute
    expect(chosen(5)).toBe('flux-dev')
    expect(defaultModel(test.core, null, { images: 2, words: false })).toBe('flux-pro')
  })

  it('is drawn from a picture although the default draws from words only', async () => {
    await open('cloudflare')
    expect([chosen(0), chosen(1), chosen(4)]).toEqual(['flux-schnell', 'cf-flux-2-klein', 'cf-flux-2-klein'])
  })

  it('is drawn by sketch where nobody else is', async () => {
    await open()
    expect([chosen(0), chosen(14)]).toEqual(['sketch', 'sketch'])
  })

  it('keeps to what a key may use, in its order', async () => {
    await open('fal')
    expect(chosen(0, ['flux-2', 'flux-max'])).toBe('flux-2')
    expect(chosen(2, ['flux-dev', 'flux-2', 'flux-max'])).toBe('flux-2')
    expect(chosen(2, ['flux-dev', 'flux-schnell'])).toBe('flux-dev')
    expect(chosen(9, ['flux-dev', 'sketch'])).toBe('sketch')
    // words and a picture are nothing for one that takes the picture alone
    expect(chosen(1, ['flux-dev-redux', 'flux-dev'])).toBe('flux-dev')
  })

  it('has its words read, which some models refuse', async () => {
    await open('fal')
    const redux = models.find(({ id }) => id === 'flux-dev-redux')!
    expect(canServe(test.core, redux, { images: 1, words: true })).toBe(false)
    expect(canServe(test.core, redux, { images: 1, words: false })).toBe(true)
    expect(canServe(test.core, redux, words)).toBe(false)
  })

  it('from a chat comes to the same', async () => {
    await open('fal')
    const images = await Promise.all([64, 96].map(async (edge) => attachment(await pngOf(edge, edge))))
    await test.work()
    const call = await test.say('put them side by side', { images })
    expect(await test.ended(call)).toBe('delivered')
    const refused = await test.say('put them side by side --model dev', { images })
    expect(test.chat.last(refused.address)?.text).toContain('flux-dev takes at most 1')
    expect(await test.core.database.rows(sql`select model from generations`)).toEqual([{ model: 'flux-pro' }])
  })
})
