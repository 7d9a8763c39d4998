import { describe, expect, it } from 'vitest'
import { quoteOf } from '../../src/core/billing/quote.ts'
import type { Core } from '../../src/core/core.ts'
import type { RequestParams } from '../../src/core/ports/models.ts'
import { checkParams, chooseRoute, routesFor } from '../../src/core/request/check.ts'
import { defaultModel, drawing, findModel, listed, takenWith } from '../../src/core/request/choose-model.ts'
import { models } from '../../src/models/index.ts'
import { providerKinds } from '../../src/providers/index.ts'

/** A core in which these providers are set up. */
const having = (has: (name: string) => boolean) =>
  ({
    providers: { get: (name: string) => (has(name) ? {} : undefined) },
    models: { all: () => models },
  }) as unknown as Core
const everywhere = having(() => true)
const requestOf = (name: string, params: Partial<RequestParams> = {}, images = 0, core = everywhere) => {
  const model = findModel(models, name)
  const prompt = params.prompt ?? (takenWith(core, model, { images }).prompt === 'none' ? '' : 'a cute cat')
  return {
    model,
    request: checkParams({ model, takes: takenWith(core, model, { images }) }, { ...params, prompt }, images),
  }
}
const endpointOf = (name: string, images: number, params?: Partial<RequestParams>) => {
  const { model, request } = requestOf(name, params, images)
  return chooseRoute(everywhere, model, request).endpoint
}

/** Name, input pictures, endpoint. */
const table: [string, number, string][] = [
  ['flux-dev', 0, 'fal-ai/flux-1/dev'],
  ['dev', 1, 'fal-ai/flux-1/dev/image-to-image'],
  ['flux-dev-redux', 1, 'fal-ai/flux-1/dev/redux'],
  ['flux-schnell', 0, 'fal-ai/flux-1/schnell'],
  ['schnell', 0, 'fal-ai/flux-1/schnell'],
  ['flux-schnell-redux', 1, 'fal-ai/flux-1/schnell/redux'],
  ['flux-pro', 0, 'fal-ai/flux-pro/kontext/text-to-image'],
  ['pro', 1, 'fal-ai/flux-pro/kontext'],
  ['kontext', 3, 'fal-ai/flux-pro/kontext/multi'],
  ['flux-max', 0, 'fal-ai/flux-pro/kontext/max/text-to-image'],
  ['max', 1, 'fal-ai/flux-pro/kontext/max'],
  ['max', 2, 'fal-ai/flux-pro/kontext/max/multi'],
  ['flux-2', 0, 'fal-ai/flux-2'],
  ['flux-2', 2, 'fal-ai/flux-2/edit'],
  ['flux-2-pro', 0, 'fal-ai/flux-2-pro'],
  ['flux-2-pro', 1, 'fal-ai/flux-2-pro/edit'],
  ['flux-2-max', 0, 'fal-ai/flux-2-max'],
  ['flux-2-max', 1, 'fal-ai/flux-2-max/edit'],
  ['cf-schnell', 0, '@cf/black-forest-labs/flux-1-schnell'],
  ['cf-flux-2-klein', 0, '@cf/black-forest-labs/flux-2-klein-4b'],
  ['cf-flux-2-dev', 2, '@cf/black-forest-labs/flux-2-dev'],
  ['cf-lucid', 0, '@cf/leonardo/lucid-origin'],
  ['cf-phoenix', 0, '@cf/leonardo/phoenix-1.0'],
  ['doubao', 0, 'doubao-seedream-5-0-lite-260128'],
  ['seedream', 3, 'doubao-seedream-5-0-lite-260128'],
  ['sketch', 14, 'sketch'],
  ['upscale', 1, 'fal-ai/clarity-upscaler'],
]

describe('the models', () => {
  it.each(table)('serve %s with %i pictures by %s', (name, images, endpoint) => {
    expect(endpointOf(name, images)).toBe(endpoint)
  })

  it.each(table.filter(([, , endpoint]) => /flux-(1|pro)\//.test(endpoint) && endpoint.startsWith('fal-ai')))(
    'the endpoint of %s with %i pictures is also a model name: %s',
    (_name, images, endpoint) => {
      const { model, request } = requestOf(endpoint, {}, images)
      expect(routesFor(everywhere, model, request).map((route) => route.endpoint)).toEqual([endpoint])
      expect(model.hidden).toBe(true)
    },
  )

  it('include eleven FLUX.1 endpoints under their own names', () => {
    const names = models.filter((model) => model.hidden).map((model) => model.id)
    expect(new Set(names).size).toBe(11)
  })

  it('have unique names, a price, and existing providers', () => {
    const names = models.flatMap((model) => [model.id, ...model.aliases])
    expect(new Set(names).size).toBe(names.length)
    for (const model of models) {
      expect(model.price).toBeGreaterThan(0)
      for (const route of model.routes) expect(providerKinds.map((kind) => kind.name)).toContain(route.provider)
      for (const name of model.aliases) expect(findModel(models, name.toUpperCase())).toBe(model)
    }
  })

  it.each<[string, number, Partial<RequestParams>, string]>([
    ['flux-dev', 0, { strength: 0.5 }, 'not_taken'],
    ['flux-dev', 0, { steps: 51 }, 'bad_option'],
    ['flux-dev', 0, { guidance: 0.5 }, 'bad_option'],
    ['flux-dev', 0, { negative: 'text' }, 'not_taken'],
    ['flux-dev', 0, { count: 5 }, 'bad_option'],
    ['flux-dev', 1, { aspect: '16:9' }, 'not_taken'],
    ['flux-dev', 2, {}, 'too_many_images'],
    ['flux-schnell', 0, { steps: 13 }, 'bad_option'],
    ['flux-schnell', 1, {}, 'too_many_images'],
    ['flux-dev-redux', 0, {}, 'image_needed'],
    ['flux-dev-redux', 1, { prompt: 'words' }, 'words_not_taken'],
    ['flux-schnell-redux', 1, { guidance: 3 }, 'not_taken'],
    ['flux-pro', 0, { steps: 20 }, 'not_taken'],
    ['flux-pro', 0, { aspect: '1:2' }, 'unknown_ratio'],
    ['flux-max', 1, { strength: 0.5 }, 'not_taken'],
    ['flux-2-pro', 0, { count: 2 }, 'bad_option'],
    ['flux-2-pro', 0, { guidance: 3 }, 'not_taken'],
    ['cf-schnell', 0, { seed: '7' }, 'not_taken'],
    ['cf-schnell', 0, { aspect: '16:9' }, 'unknown_ratio'],
    ['cf-phoenix', 0, { guidance: 1 }, 'bad_option'],
    ['comfy-schnell', 0, { guidance: 3 }, 'not_taken'],
    ['comfy-kontext', 0, {}, 'image_needed'],
    ['comfy-kontext', 3, {}, 'too_many_images'],
    ['seedream', 0, { seed: '7' }, 'not_taken'],
    ['upscale', 0, {}, 'image_needed'],
    ['upscale', 2, {}, 'too_many_images'],
    ['upscale', 1, { scale: 3 }, 'bad_option'],
    ['upscale', 1, { prompt: 'words' }, 'words_not_taken'],
    ['upscale', 1, { aspect: '16:9' }, 'not_taken'],
    ['upscale', 1, { seed: '7' }, 'not_taken'],
    ['flux-dev', 1, { scale: 2 }, 'not_taken'],
    ['qwen-image', 0, { aspect: '21:9' }, 'unknown_ratio'],
    ['qwen-image', 0, { negative: 'x'.repeat(501) }, 'bad_option'],
    ['qwen-image', 1, { negative: 'x'.repeat(501) }, 'bad_option'],
    ['qwen-image-2', 0, { negative: 'x'.repeat(501) }, 'bad_option'],
  ])('%s with %i pictures refuses %j: %s', (name, images, params, kind) => {
    expect(() => requestOf(name, params, images)).toThrowError(expect.objectContaining({ kind }))
  })

  it('name the length limit of a negative prompt', () => {
    expect(requestOf('qwen-image', { negative: 'x'.repeat(500) }).request.negative).toHaveLength(500)
    expect(() => requestOf('qwen-image', { negative: 'x'.repeat(501) })).toThrowError(
      expect.objectContaining({ data: { name: 'negative', value: expect.any(String), limit: 500, expected: '≤ 500' } }),
    )
  })

  it('enlarge by the routes that take the scale, the cheapest first, and at last in this process', () => {
    const providersOf = (params: Partial<RequestParams>) => {
      const { model, request } = requestOf('upscale', params, 1)
      return routesFor(everywhere, model, request).map(({ endpoint }) => endpoint)
    }
    expect(providersOf({})).toEqual(['fal-ai/clarity-upscaler', 'upscale', 'lanczos'])
    expect(providersOf({ scale: 4 })).toEqual(['fal-ai/aura-sr', 'upscale', 'lanczos'])
    expect(requestOf('upscale', {}, 1).request.scale).toBe(2)
  })

  it('list the one that enlarges, but do not choose it for a request that names no model', () => {
    expect(listed(models).map(({ id }) => id)).toContain('upscale')
    expect(drawing(models).map(({ id }) => id)).not.toContain('upscale')
    const core = { ...having((name) => name === 'lanczos'), models: { all: () => models, preferred: () => 'sketch' } }
    expect(defaultModel(core as never, null, { images: 1, words: false })).toBe('sketch')
    expect(defaultModel(core as never, ['upscale'], { images: 0, words: true })).toBe('upscale')
  })

  it('have one mapping for each endpoint, because a worker finds the route by its endpoint', () => {
    const others = models.flatMap(({ routes }) =>
      routes.filter(({ provider, endpoint, input }) => {
        const found = routes.find((each) => each.provider === provider && each.endpoint === endpoint)
        return found?.input !== input
      }),
    )
    expect(others.map(({ endpoint }) => endpoint)).toEqual([])
  })

  it('cost by the scale', () => {
    const price = (name: string, params: Partial<RequestParams>, images = 0) => {
      const { model, request } = requestOf(name, params, images)
      return quoteOf(model, request).total
    }
    expect([price('upscale', {}, 1), price('upscale', { scale: 4 }, 1)]).toEqual([4, 8])
    expect([price('flux-dev', {}), price('flux-dev', { count: 3 })]).toEqual([2, 6])
  })

  it('use a second route only for requests that it serves identically', () => {
    const schnell = (params: Partial<RequestParams>) => {
      const { model, request } = requestOf('flux-schnell', params)
      return routesFor(everywhere, model, request).map((route) => route.provider)
    }
    expect(schnell({})).toEqual(['fal', 'cloudflare'])
    expect(schnell({ steps: 4 })).toEqual(['fal', 'cloudflare'])
    for (const params of [{ aspect: '16:9' }, { seed: '1' }, { count: 2 }, { steps: 12 }, { guidance: 3 }]) {
      expect(schnell(params)).toEqual(['fal'])
    }
    const cloudflareOnly = having((provider) => provider === 'cloudflare')
    // with Cloudflare alone, parameters that it does not take are refused by name
    expect(() => requestOf('flux-schnell', { seed: '1' }, 0, cloudflareOnly)).toThrowError(
      expect.objectContaining({ kind: 'not_taken' }),
    )
  })
})
