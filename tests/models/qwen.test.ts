import { describe, expect, it } from 'vitest'
import type { Model, PictureRequest, Route } from '../../src/core/ports/models.ts'
import type { Json } from '../../src/db/json.ts'
import { qwenImage, qwenImage2, wan } from '../../src/models/qwen.ts'
import { dashscopeModels, type ParsedDashscope, parseDashscope } from '../emulators/dashscope/models.ts'

type Body = Record<string, Json>

interface Case {
  name: string
  model: Model
  route: Route
}

const cases: Case[] = [qwenImage, qwenImage2, wan].flatMap((model) =>
  model.routes.map((route) => ({ name: route.endpoint, model, route })),
)

function bodyOf({ model, route }: Case, asked: Partial<PictureRequest> = {}): Body {
  const images = asked.images ?? route.takes.images.min
  const aspect = asked.aspect ?? '1:1'
  const [width, height] = route.takes.aspects[aspect] ?? [0, 0]
  const request = { prompt: 'a cat', model: model.id, aspect, width, height, count: 1, images, ...asked }
  const refs = Array.from({ length: images }, (_, at) => ({ $image: at }))
  const text = JSON.stringify(route.input(request, refs)).replace(
    /\{"\$image":(\d+)\}/g,
    '"https://pictures.example/$1"',
  )
  return { ...(JSON.parse(text) as Body), model: route.endpoint }
}

function read(body: Body): ParsedDashscope {
  const model = dashscopeModels[String(body.model)]
  if (!model) throw new Error(`unknown endpoint ${body.model}`)
  return parseDashscope(model, body.model === 'wan2.7-image' ? 'image-generation' : 'multimodal', body)
}

/** With one parameter more, another or (undefined) none. */
const changed = (body: Body, name: string, value: Json | undefined): Body =>
  JSON.parse(JSON.stringify({ ...body, parameters: { ...(body.parameters as Body), [name]: value } })) as Body

describe.each(cases.map((each) => [each.name, each] as const))('%s', (_, each) => {
  const { takes } = each.route

  it.each(Object.entries(takes.aspects))('takes %s as %j', (aspect, [width, height]) => {
    const reading = read(bodyOf(each, { aspect }))
    expect(reading).toMatchObject({ plan: { n: 1, watermark: false, rewrites: false, prompt: 'a cat' } })
    if (width > 0) expect(reading).toMatchObject({ plan: { size: [width, height] } })
  })

  it('takes as many pictures, in and out, as it says, and no more', () => {
    const { images, count } = takes
    expect(read(bodyOf(each, { images: images.max, count }))).toMatchObject({ plan: { images: images.max, n: count } })
    expect(read(bodyOf(each, { count: count + 1 }))).toMatchObject({ message: expect.stringContaining('parameters.n') })
  })

  it('takes both ends of the seeds and the longest words', () => {
    const { min = -1, max = -1 } = takes.params.seed ?? {}
    expect(read(bodyOf(each, { seed: String(min) }))).toMatchObject({ plan: { seed: 0 } })
    expect(read(bodyOf(each, { seed: String(max) }))).toMatchObject({ plan: { seed: 2_147_483_647 } })
    expect(read(bodyOf(each, { seed: String(max + 1) }))).toHaveProperty('message')
    expect(read(bodyOf(each, { prompt: '猫'.repeat(takes.promptLimit ?? 0) }))).toHaveProperty('plan')
    expect(read(bodyOf(each, { prompt: '猫'.repeat((takes.promptLimit ?? 0) + 1) }))).toHaveProperty('message')
  })

  it('takes every exact size it offers', () => {
    const { min = 0, max = 0 } = takes.sizes ?? {}
    const corners = takes.sizes ? [min, max].flatMap((width) => [min, max].map((height) => [width, height])) : []
    for (const [width = 0, height = 0] of corners) {
      expect(read(bodyOf(each, { width, height }))).toMatchObject({ plan: { size: [width, height] } })
    }
    if (takes.sizes) expect(read(bodyOf(each, { width: max + 1, height: max + 1 }))).toHaveProperty('message')
  })

  it('sends what is not wanted only where it is taken', () => {
    const reading = read(bodyOf(each, { negative: 'text' }))
    if (takes.negative) expect(reading).toMatchObject({ plan: { negative: 'text' } })
    else expect((reading as { plan: object }).plan).not.toHaveProperty('negative')
    if (!takes.negative) return
    const longest = takes.negativeLimit ?? 0
    expect(read(bodyOf(each, { negative: '猫'.repeat(longest) }))).toHaveProperty('plan')
    expect(read(bodyOf(each, { negative: '猫'.repeat(longest + 1) }))).toHaveProperty('message')
  })

  it('names number, size, watermark and, where it is known, rewriting', () => {
    const body = bodyOf(each)
    const rewriting = each.name === 'wan2.7-image' ? {} : { prompt_extend: false }
    expect(body.parameters).toEqual({ n: 1, size: expect.stringMatching(/^\d+\*\d+$/), watermark: false, ...rewriting })
  })

  it('would be refused for an unknown key or a size with x', () => {
    const body = bodyOf(each)
    expect(read(changed(body, 'steps', 4))).toMatchObject({ message: expect.stringContaining('parameters.steps') })
    expect(read({ ...body, quality: 'hd' })).toMatchObject({ message: expect.stringContaining('quality') })
    expect(read(changed(body, 'size', '1328x1328'))).toMatchObject({
      message: expect.stringContaining('parameters.size'),
    })
  })
})

it('would get four pictures from wan, and rewritten words from qwen, without saying how many and which', () => {
  const [text, , , last] = cases
  if (!text || !last) throw new Error('cases are missing')
  expect(read(changed(bodyOf(last), 'n', undefined))).toMatchObject({ plan: { n: 4 } })
  expect(read(changed(bodyOf(text), 'prompt_extend', undefined))).toMatchObject({ plan: { rewrites: true } })
})

it('leaves the size to the pictures when they say the shape', () => {
  const edit = cases.find(({ name }) => name === 'qwen-image-edit-plus')
  if (!edit) throw new Error('no edit')
  expect(bodyOf(edit, { aspect: 'auto' }).parameters).not.toHaveProperty('size')
  expect(Object.keys(edit.route.takes.aspects)[0]).toBe('auto')
})
