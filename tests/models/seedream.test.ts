import { describe, expect, it } from 'vitest'
import type { Model, PictureRequest } from '../../src/core/ports/models.ts'
import type { Json } from '../../src/db/json.ts'
import { seedream, seedream40, seedream45 } from '../../src/models/seedream.ts'
import { arkModels, groupSize, type ParsedArk, parseArk } from '../emulators/ark/models.ts'

const link = 'https://pictures.example/one.png'
type Body = Record<string, Json>

/** The body as the provider sends it, the pictures by link. */
function bodyOf(model: Model, asked: Partial<PictureRequest> = {}): Body {
  const images = asked.images ?? 0
  const route = model.routes.find(({ takes }) => images >= takes.images.min && images <= takes.images.max)
  if (!route) throw new Error('no route')
  const [width, height] = route.takes.aspects[asked.aspect ?? '1:1'] ?? [0, 0]
  const request = { prompt: 'a cat', model: model.id, aspect: '1:1', width, height, count: 1, images, ...asked }
  const refs = Array.from({ length: images }, (_, at) => ({ $image: at }))
  const text = JSON.stringify(route.input(request, refs)).replace(/\{"\$image":\d+\}/g, JSON.stringify(link))
  return { ...(JSON.parse(text) as Body), model: route.endpoint }
}

function read(body: Body): ParsedArk {
  const model = arkModels[String(body.model)]
  if (!model) throw new Error(`unknown endpoint ${body.model}`)
  return parseArk(model, body)
}

const all = [seedream, seedream45, seedream40]
const aspects = Object.keys(seedream.routes[0]?.takes.aspects ?? {})

describe.each(all.map((model) => [model.id, model] as const))('%s', (_, model) => {
  it.each(aspects)('takes %s with a size of its own ratio', (aspect) => {
    const body = bodyOf(model, { aspect })
    expect(read(body)).toMatchObject({ body: { watermark: false, response_format: 'url', prompt: 'a cat' } })
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
  )('takes %i pictures for %i', (images, count) => {
    const body = bodyOf(model, { images, count })
    const reading = read(body)
    if (!('body' in reading)) throw new Error(reading.message)
    expect(groupSize(reading.body)).toBe(count)
    expect([reading.body.image ?? []].flat()).toHaveLength(images)
    expect(reading.body.sequential_image_generation).toBe(count > 1 ? 'auto' : 'disabled')
  })

  it('means something with each key it sends', () => {
    const body = bodyOf(model, { images: 2, count: 3, aspect: '16:9' })
    const whole = JSON.stringify(read(body))
    // the same as the default, yet sent: leaving it out changes nothing here
    expect(body).toMatchObject({ response_format: 'url' })
    for (const name of Object.keys(body).filter((each) => each !== 'response_format' && each !== 'model')) {
      const { [name]: _gone, ...rest } = body
      expect(JSON.stringify(read(rest)), name).not.toBe(whole)
    }
  })

  it.each(['n', 'quality', 'negative_prompt', 'seed', 'guidance_scale', 'steps'])('would be refused for %s', (name) => {
    expect(read({ ...bodyOf(model), [name]: 1 })).toMatchObject({ param: name })
  })

  it('takes no number or negative words that the provider would refuse', () => {
    for (const { takes } of model.routes) {
      expect(takes.params).toEqual({})
      expect(takes.negative).toBeUndefined()
      expect(takes.images.max + takes.count).toBeLessThanOrEqual(15)
    }
  })
})

it('is found as doubao, and takes 0 to 14 pictures without a gap', () => {
  expect(seedream.aliases).toContain('doubao')
  const taken = seedream.routes.map(({ takes }) => [takes.images.min, takes.images.max])
  expect(taken).toEqual([
    [0, 11],
    [12, 12],
    [13, 13],
    [14, 14],
  ])
})
