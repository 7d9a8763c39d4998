import { describe, expect, it } from 'vitest'
import type { Model, PictureRequest } from '../../src/core/ports/models.ts'
import type { Json } from '../../src/db/json.ts'
import { seedream, seedream40, seedream45 } from '../../src/models/seedream.ts'
import { arkModels, groupSize, type ParsedArk, parseArk } from '../emulators/ark/models.ts'

const link = 'https://pictures.example/one.png'
type Body = Record<string, Json>

/** The body as the provider sends it, with links for the pictures. */
function bodyOf(model: Model, params: Partial<PictureRequest> = {}): Body {
  const images = params.images ?? 0
  const route = model.routes.find(({ takes }) => images >= takes.images.min && images <= takes.images.max)
  if (!route) throw new Error('no route')
  const [width, height] = route.takes.aspects[params.aspect ?? '1:1'] ?? [0, 0]
  const request = { prompt: 'a cat', model: model.id, aspect: '1:1', width, height, count: 1, images, ...params }
  const refs = Array.from({ length: images }, (_, at) => ({ $image: at }))
  const text = JSON.stringify(route.input(request, refs)).replace(/\{"\$image":\d+\}/g, JSON.stringify(link))
  return { ...(JSON.parse(text) as Body), model: route.endpoint }
}

function parse(body: Body): ParsedArk {
  const model = arkModels[String(body.model)]
  if (!model) throw new Error(`unknown endpoint ${body.model}`)
  return parseArk(model, body)
}

const all = [seedream, seedream45, seedream40]
const aspects = Object.keys(seedream.routes[0]?.takes.aspects ?? {})

describe.each(all.map((model) => [model.id, model] as const))('%s', (_, model) => {
  it.each(aspects)('accepts %s with a size of that ratio', (aspect) => {
    const body = bodyOf(model, { aspect })
    expect(parse(body)).toMatchObject({ body: { watermark: false, response_format: 'url', prompt: 'a cat' } })
    const [width = 0, height = 0] = String(body.size).split('x').map(Number)
    const [across = 0, down = 0] = aspect.split(':').map(Number)
    expect(Math.abs(width / height / (across / down) - 1)).toBeLessThan(0.01)
    expect([width % 16, height % 16]).toEqual([0, 0])
  })

  it.each(
    Array.from({ length: 15 }, (_, images) => images).flatMap((images) =>
      model.routes
        .filter(({ takes }) => images >= takes.images.min && images <= takes.images.max)
        .flatMap(({ takes }) => [1, takes.count].map((count) => [images, count] as const)),
    ),
  )('accepts %i input pictures for %i results', (images, count) => {
    const body = bodyOf(model, { images, count })
    const reading = parse(body)
    if (!('body' in reading)) throw new Error(reading.message)
    expect(groupSize(reading.body)).toBe(count)
    expect([reading.body.image ?? []].flat()).toHaveLength(images)
    expect(reading.body.sequential_image_generation).toBe(count > 1 ? 'auto' : 'disabled')
  })

  it('sends only keys that have an effect', () => {
    const body = bodyOf(model, { images: 2, count: 3, aspect: '16:9' })
    const whole = JSON.stringify(parse(body))
    // equal to the default and sent all the same, so leaving it out has no effect
    expect(body).toMatchObject({ response_format: 'url' })
    for (const name of Object.keys(body).filter((each) => each !== 'response_format' && each !== 'model')) {
      const { [name]: _gone, ...rest } = body
      expect(JSON.stringify(parse(rest)), name).not.toBe(whole)
    }
  })

  it.each(['n', 'quality', 'negative_prompt', 'seed', 'guidance_scale', 'steps'])('is refused with %s', (name) => {
    expect(parse({ ...bodyOf(model), [name]: 1 })).toMatchObject({ param: name })
  })

  it('takes no parameter or negative prompt that the provider would refuse', () => {
    for (const { takes } of model.routes) {
      expect(takes.params).toEqual({})
      expect(takes.negative).toBeUndefined()
      expect(takes.images.max + takes.count).toBeLessThanOrEqual(15)
    }
  })
})

it('finds seedream as doubao, which takes 0 to 14 pictures without a gap', () => {
  expect(seedream.aliases).toContain('doubao')
  const taken = seedream.routes.map(({ takes }) => [takes.images.min, takes.images.max])
  expect(taken).toEqual([
    [0, 11],
    [12, 12],
    [13, 13],
    [14, 14],
  ])
})
