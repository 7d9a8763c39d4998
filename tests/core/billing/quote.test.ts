/** Prices by size class, and what arrives of a request and is charged. */
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { readConfig } from '../../../src/config.ts'
import { costOf, uncountedCosts } from '../../../src/core/billing/cost.ts'
import { chargedFor, priceOfPart, quoteOf, sizeClassOf } from '../../../src/core/billing/quote.ts'
import type { PictureRequest, Quote } from '../../../src/core/ports/models.ts'
import { models } from '../../../src/models/index.ts'
import { sketch } from '../../../src/models/sketch.ts'
import { quickest } from '../../helpers/backends.ts'
import { createPlain, openTestCore, pngOf, type TestCore } from '../../helpers/core.ts'
import { violations } from '../../helpers/invariants.ts'

const size = (text: string) => {
  const [width = 0, height = 0] = text.split('x').map(Number)
  return { width, height }
}
const find = (id: string) => models.find((each) => each.id === id)!
const requestFor = (model: string, over: Partial<PictureRequest> = {}): PictureRequest => ({
  prompt: 'a cat',
  model,
  aspect: '1:1',
  width: 1024,
  height: 1024,
  count: 1,
  images: 0,
  ...over,
})

describe('the size class', () => {
  it.each([
    ['512x512', 'small'],
    ['768x512', 'standard'],
    ['1024x1024', 'standard'],
    ['1344x576', 'standard'],
    ['1248x832', 'standard'],
    ['1280x1024', 'large'],
    ['1920x1080', 'large'],
    ['1536x1536', 'large'],
    ['2048x2048', 'huge'],
    ['0x0', 'standard'],
  ])('of %s is %s', (text, expected) => {
    expect(sizeClassOf(size(text))).toBe(expected)
  })

  it('changes the price of no ratio that a model offers', () => {
    const other = models.flatMap((model) =>
      model.routes.flatMap(({ takes }) =>
        Object.values(takes.aspects)
          .filter(() => takes.scales === undefined)
          .filter(([width, height]) => priceOfPart(model, sizeClassOf({ width, height })) !== model.price)
          .map(([width, height]) => `${model.id} ${width}x${height}`),
      ),
    )
    expect(other).toEqual([])
  })
})

describe('the charge', () => {
  const quote: Quote = quoteOf(
    { ...find('flux-2-pro'), prices: { input: 1, enhance: 2 } },
    requestFor('flux-2-pro', { width: 2048, height: 2048, count: 3, images: 2, enhance: true }),
  )
  const held = { price: quote.total, quote, request: { count: 3 }, notes: null }

  it('is the quote when all arrives', () => {
    expect(quote).toEqual({
      total: 34,
      parts: [
        { part: 'huge', model: 'flux-2-pro', count: 3, each: 10, credits: 30 },
        { part: 'input', model: 'flux-2-pro', count: 2, each: 1, credits: 2 },
        { part: 'enhance', model: 'flux-2-pro', count: 1, each: 2, credits: 2 },
      ],
    })
    expect(chargedFor(held, 3)).toBe(34)
  })

  it('gives back the part of each missing picture, and that of a failed enhancement', () => {
    expect([chargedFor(held, 2), chargedFor(held, 1), chargedFor(held, 0)]).toEqual([24, 14, 0])
    expect(chargedFor({ ...held, notes: [{ kind: 'not_enhanced' }] }, 2)).toBe(22)
  })

  it('of an older row is in proportion to the pictures', () => {
    expect(chargedFor({ price: 10, quote: null, request: { count: 3 }, notes: null }, 2)).toBe(6)
  })
})

describe('the cost', () => {
  const core = { models: { all: () => models, preferred: () => 'sketch', of: () => [] } }
  it.each<[string, string, string, Partial<PictureRequest>, number | null]>([
    ['flux-schnell', 'fal', 'fal-ai/flux-1/schnell', {}, 3_000],
    ['flux-dev', 'fal', 'fal-ai/flux-1/dev', { width: 1920, height: 1080 }, 50_000],
    ['flux-2-pro', 'fal', 'fal-ai/flux-2-pro', { width: 2048, height: 2048 }, 75_000],
    ['flux-2-pro', 'fal', 'fal-ai/flux-2-pro/edit', { images: 1 }, null],
    ['flux-max', 'fal', 'fal-ai/flux-pro/kontext/max', { images: 1 }, 80_000],
    ['cf-schnell', 'cloudflare', '@cf/black-forest-labs/flux-1-schnell', {}, 634],
    ['cf-phoenix', 'cloudflare', '@cf/leonardo/phoenix-1.0', { steps: 10 }, 24_300],
    ['seedream', 'ark', 'doubao-seedream-5-0-lite-260128', {}, 35_000],
    ['qwen-image', 'dashscope', 'qwen-image-plus', {}, 30_000],
    ['wan', 'dashscope', 'wan2.7-image', {}, 30_000],
    ['midjourney', 'midjourney', 'imagine', {}, null],
    ['sketch', 'sketch', 'sketch', {}, 0],
  ])('of %s at %s by %s with %j is %s', (model, provider, endpoint, over, expected) => {
    const request = requestFor(model, over)
    expect(costOf(core, { model, provider, endpoint, request }, [request])).toBe(expected)
  })

  it('is what the operator has set, for the model at this provider before the model', () => {
    const { modelCosts } = readConfig({ MODEL_COSTS: 'midjourney=0.1, flux-dev = 0.02, flux-dev@fal=0.0125' })
    const cost = (model: string, provider: string) =>
      costOf({ ...core, modelCosts }, { model, provider, endpoint: '', request: requestFor(model) }, [
        size('1024x1024'),
        size('1344x1344'),
      ])
    expect([cost('midjourney', 'midjourney'), cost('flux-dev', 'fal'), cost('flux-dev', 'comfyui')]).toEqual([
      200_000, 25_000, 40_000,
    ])
  })

  it('names what the operator has set for models that do not exist', () => {
    const { modelCosts } = readConfig({ MODEL_COSTS: 'flux-dev=1, flux-dev@fal=1, flux-dev@fel=1, fluxdev=1' })
    expect(uncountedCosts(core, modelCosts)).toEqual(['flux-dev@fel', 'fluxdev'])
  })

  it('is the sum over the pictures', () => {
    const request = requestFor('flux-dev', { count: 2 })
    const served = { model: 'flux-dev', provider: 'fal', endpoint: 'fal-ai/flux-1/dev', request }
    expect(costOf(core, served, [size('1024x1024'), size('1344x1344')])).toBe(75_000)
  })
})

describe('a request', () => {
  let test: TestCore
  afterEach(async () => {
    const wrong = await violations(test.core.database)
    await test.close()
    expect(wrong).toEqual([])
  })

  /** Draws fewer pictures than asked for, and enhances nothing. */
  it.each([
    ['all', 3, true, 12 + 2 + 1],
    ['two of three', 2, true, 8 + 2 + 1],
    ['one, and no enhancement', 1, false, 4 + 2],
  ])(
    'of which %s arrive is charged for that, in the row and in the caption',
    async (_name, arrive, enhances, charged) => {
      const start = async () => {
        const images = await Promise.all(Array.from({ length: arrive }, () => pngOf(64, 64)))
        return { state: 'done' as const, images }
      }
      const enhance = async (prompt: string) => {
        if (!enhances) throw new Error('away')
        return `a splendid ${prompt}`
      }
      const model = { ...sketch, price: 1, prices: { input: 2, enhance: 1 } }
      const enhancer = { model: 'poet', enhance, close: async () => undefined }
      test = await openTestCore(quickest, { models: [model], providers: [createPlain({ start })], enhancer })
      await test.work()
      const picture = await pngOf(64, 64)
      const images = [{ name: 'a.png', bytes: picture.length, load: async () => picture }]
      const call = await test.say('a cat 2048x2048 --n 3 --enhance', { images })
      expect(await test.ended(call)).toBe('delivered')
      const [row] = await test.core.database.rows(sql`
      select price, quote, cost_micros, -(select sum(amount) from ledger where generation_id = g.id)::int as charged
      from generations g`)
      expect(row).toEqual({
        price: 15,
        quote: {
          total: 15,
          parts: [
            { part: 'huge', model: 'sketch', count: 3, each: 4, credits: 12 },
            { part: 'input', model: 'sketch', count: 1, each: 2, credits: 2 },
            { part: 'enhance', model: 'sketch', count: 1, each: 1, credits: 1 },
          ],
        },
        cost_micros: 0,
        charged,
      })
      expect(test.chat.last(call.address)?.content).toMatchObject({ credits: charged, left: 20 - charged })
    },
  )

  it('from before quotes were stored is charged in proportion', async () => {
    const start = async () => ({ state: 'done' as const, images: [await pngOf(64, 64), await pngOf(64, 64)] })
    test = await openTestCore(quickest, { models: [{ ...sketch, price: 3 }], providers: [createPlain({ start })] })
    const call = await test.say('a cat --n 3')
    await test.core.database.rows(sql`update generations set quote = null`)
    await test.work()
    expect(await test.ended(call)).toBe('delivered')
    expect(test.chat.last(call.address)?.content).toMatchObject({ credits: 6, left: 14 })
    expect(await test.core.database.rows(sql`select balance from users`)).toEqual([{ balance: 14 }])
  })

  it('with the size of its picture pays for that size, and not more than was shown', async () => {
    // it has no ratio of its own: the shape of the picture chooses one
    const takes = { ...sketch.routes[0]!.takes, aspects: { '1:1': [1024, 1024], '2:1': [2048, 1024] } as const }
    const model = { ...sketch, routes: sketch.routes.map((route) => ({ ...route, takes })) }
    test = await openTestCore(quickest, { models: [model] })
    await test.work()
    const picture = await pngOf(200, 100)
    const images = [{ name: 'a.png', bytes: picture.length, load: async () => picture }]
    const call = await test.say('a cat', { images })
    expect(await test.ended(call)).toBe('delivered')
    const shown = await test.say('a cat', { images, shownPrice: 1 })
    expect(test.chat.last(shown.address)?.content).toMatchObject({ error: 'price_rose', data: { price: 2, shown: 1 } })
    expect(await test.core.database.rows(sql`select price, request->>'aspect' as aspect from generations`)).toEqual([
      { price: 2, aspect: '2:1' },
    ])
  })
})
