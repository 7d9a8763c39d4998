import { describe, expect, it } from 'vitest'
import type { ImageRef, PictureRequest } from '../../src/core/ports/models.ts'
import { cloudflareModels } from '../../src/models/cloudflare.ts'

const request: PictureRequest = {
  prompt: 'a fox',
  model: '',
  aspect: '16:9',
  width: 1024,
  height: 576,
  count: 1,
  images: 0,
}
const refs: ImageRef[] = [{ $image: 0 }, { $image: 1 }]
const everything = { seed: '7', steps: 6, guidance: 3.5, strength: 0.5, negative: 'hens', enhance: true }

function route(id: string) {
  const found = cloudflareModels.find((model) => model.id === id)?.routes[0]
  if (!found) throw new Error(id)
  return found
}

describe('the Cloudflare models', () => {
  it.each([
    ['cf-schnell', { prompt: 'a fox', steps: 6 }],
    ['cf-flux-2-klein', { prompt: 'a fox', width: 1024, height: 576 }],
    ['cf-flux-2-dev', { prompt: 'a fox', width: 1024, height: 576, steps: 6, guidance: 3.5, seed: 7 }],
    ['cf-lucid', { prompt: 'a fox', width: 1024, height: 576, num_steps: 6, guidance: 3.5, seed: 7 }],
    [
      'cf-phoenix',
      { prompt: 'a fox', width: 1024, height: 576, num_steps: 6, guidance: 3.5, seed: 7, negative_prompt: 'hens' },
    ],
  ])('%s sends only the parameters that the model accepts', (id, input) => {
    expect(route(id).input({ ...request, ...everything }, [])).toEqual(input)
  })

  it.each(cloudflareModels.map((model) => model.id))('%s sends no parameter that the request does not set', (id) => {
    const input = route(id).input(request, []) as object
    expect(Object.keys(input)).toEqual(id === 'cf-schnell' ? ['prompt'] : ['prompt', 'width', 'height'])
  })

  it.each(['cf-flux-2-klein', 'cf-flux-2-dev'])('%s numbers the input pictures', (id) => {
    const input = route(id).input({ ...request, images: 2 }, refs)
    expect(input).toEqual({ prompt: 'a fox', width: 1024, height: 576, input_image_0: refs[0], input_image_1: refs[1] })
  })
})

describe('what the Cloudflare models take', () => {
  it('matches the parameters that they send', () => {
    for (const { id, routes } of cloudflareModels) {
      const { takes, input } = routes[0]!
      const plain = Object.keys(input(request, []) as object)
      const used = (extra: object) => Object.keys(input({ ...request, ...extra }, []) as object).length > plain.length
      for (const [name, value] of Object.entries({ seed: '7', steps: 6, guidance: 3.5, strength: 0.5 }))
        expect([id, name, used({ [name]: value })]).toEqual([id, name, name in takes.params])
      expect([id, used({ negative: 'hens' })]).toEqual([id, takes.negative === true])
      expect([id, Object.keys(input(request, refs) as object).length > plain.length]).toEqual([
        id,
        takes.images.max > 0,
      ])
      expect(takes.count).toBe(1)
    }
  })

  it('is 1:1 for schnell, and for the others ten ratios whose sides they draw exactly', () => {
    expect(route('cf-schnell').takes.aspects).toEqual({ '1:1': [1024, 1024] })
    for (const { routes } of cloudflareModels.slice(1)) {
      const aspects = Object.entries(routes[0]!.takes.aspects)
      expect(aspects.map(([name]) => name)[0]).toBe('1:1')
      expect(aspects).toHaveLength(10)
      for (const [name, sides] of aspects) {
        for (const side of sides) expect([name, side % 16, side >= 256 && side <= 1920]).toEqual([name, 0, true])
        const [width, height] = name.split(':').map(Number) as [number, number]
        expect(sides[0] / sides[1]).toBeCloseTo(width / height, 5)
      }
    }
  })

  it('is offered under the documented ids and prices', () => {
    expect(cloudflareModels.map(({ id, price }) => [id, price])).toEqual([
      ['cf-schnell', 1],
      ['cf-flux-2-klein', 1],
      ['cf-flux-2-dev', 2],
      ['cf-lucid', 2],
      ['cf-phoenix', 2],
    ])
  })
})
