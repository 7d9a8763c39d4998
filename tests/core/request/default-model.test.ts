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

/** Sets up these providers and sketch, with the models that they serve. */
async function open(...names: string[]): Promise<void> {
  const there = new Set([...names, 'sketch'])
  const served = models.filter(({ routes }) => routes.some(({ provider }) => there.has(provider)))
  const providers = [...there].map((name) => createPlain({ name }))
  test = await openTestCore(quickest, { models: served, providers })
}

const words = { images: 0, words: true }
const chosen = (images: number, allowed: readonly string[] | null = null) =>
  defaultModel(test.core, allowed, { images, words: true })

describe('a request that names no model', () => {
  it('gets the default model if that can serve it, else the first that can', async () => {
    await open('fal')
    expect([0, 1, 2, 4].map((images) => chosen(images))).toEqual(['flux-dev', 'flux-dev', 'flux-pro', 'flux-pro'])
    // only sketch takes five pictures, and it does not replace a real model: the refusal names the most that another takes
    expect(chosen(5)).toBe('flux-pro')
    expect(defaultModel(test.core, null, { images: 2, words: false })).toBe('flux-pro')
  })

  it('with a picture gets another model when the default takes text only', async () => {
    await open('cloudflare')
    expect([chosen(0), chosen(1), chosen(4)]).toEqual(['flux-schnell', 'cf-flux-2-klein', 'cf-flux-2-klein'])
  })

  it.each<[string, string, string]>([
    ['cloudflare', 'a cute cat', 'flux-schnell'],
    ['cloudflare', 'a cute cat 16:9', 'cf-flux-2-klein'],
    ['cloudflare', '一只可爱的猫咪 3:2', 'cf-flux-2-klein'],
    ['cloudflare', 'a cute cat 640x480', 'cf-flux-2-dev'],
    ['cloudflare', 'a cute cat --seed 7', 'cf-flux-2-dev'],
    ['cloudflare', 'a cute cat --no dogs', 'cf-phoenix'],
    ['cloudflare', `a cat ${'and a cat '.repeat(300)}`, 'cf-flux-2-klein'],
    ['fal', 'a cute cat 16:9 --n 4', 'flux-dev'],
  ])('with %s gets a model for its ratio and parameters: %.40s', async (provider, text, id) => {
    await open(provider)
    await test.work()
    const call = await test.say(text)
    expect(await test.ended(call)).toBe('delivered')
    expect(await test.core.database.rows(sql`select model from generations`)).toEqual([{ model: id }])
  })

  it('is refused by the default model if no model takes its parameters', async () => {
    await open('cloudflare')
    const refused = await test.say('a cute cat 16:9 --n 4')
    expect(test.chat.last(refused.address)?.text).toContain('--n')
    expect(await test.core.database.rows(sql`select model from generations`)).toEqual([])
  })

  it('names the most pictures that a model takes, when there are more', async () => {
    await open('fal')
    const images = await Promise.all([1, 2, 3, 4, 5, 6].map(async (edge) => attachment(await pngOf(edge * 20, 20))))
    const refused = await test.say('join them', { images })
    expect(test.chat.last(refused.address)?.text).toContain('flux-pro takes at most 4')
  })

  it('gets sketch when no other provider is set up', async () => {
    await open()
    expect([chosen(0), chosen(14)]).toEqual(['sketch', 'sketch'])
  })

  it('gets a model that its key may use, in the order of the key', async () => {
    await open('fal')
    expect(chosen(0, ['flux-2', 'flux-max'])).toBe('flux-2')
    expect(chosen(2, ['flux-dev', 'flux-2', 'flux-max'])).toBe('flux-2')
    expect(chosen(2, ['flux-dev', 'flux-schnell'])).toBe('flux-dev')
    expect(chosen(9, ['flux-dev', 'sketch'])).toBe('sketch')
    // flux-dev-redux takes pictures without a prompt only
    expect(chosen(1, ['flux-dev-redux', 'flux-dev'])).toBe('flux-dev')
  })

  it('with a prompt gets no model that refuses prompts', async () => {
    await open('fal')
    const redux = models.find(({ id }) => id === 'flux-dev-redux')!
    expect(canServe(test.core, redux, { images: 1, words: true })).toBe(false)
    expect(canServe(test.core, redux, { images: 1, words: false })).toBe(true)
    expect(canServe(test.core, redux, words)).toBe(false)
  })

  it('gets the same model when it comes from a chat', async () => {
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
