import { describe, expect, it } from 'vitest'
import type { PictureRequest } from '../../src/core/ports/models.ts'
import type { Json } from '../../src/db/json.ts'
import { comfyuiModels } from '../../src/models/comfyui.ts'
import { upscale } from '../../src/models/upscale.ts'
import { objectInfo } from '../emulators/comfyui/nodes.ts'
import { type Graph, validate } from '../emulators/comfyui/validate.ts'

const cases = comfyuiModels.flatMap((model) =>
  model.routes.flatMap((route) => {
    const { min, max } = route.takes.images
    return Array.from({ length: max - min + 1 }, (_, at) => ({
      name: `${route.endpoint}, ${min + at} pictures`,
      model,
      route,
      images: min + at,
    }))
  }),
)

type Case = (typeof cases)[number]

function graphOf({ model, route, images }: Case, params: Partial<PictureRequest> = {}): Graph {
  const [aspect = '', [width, height] = [0, 0]] = Object.entries(route.takes.aspects)[0] ?? []
  const request = { prompt: 'a cat', model: model.id, aspect, width, height, count: 1, images, ...params }
  const refs = Array.from({ length: images }, (_, at) => ({ $image: at }))
  const mask = route.takes.mask && { $image: images }
  return route.input(request, refs, mask) as unknown as Graph
}

const caseOf = (endpoint: string, images = 0) =>
  cases.find((each) => each.route.endpoint === endpoint && each.images === images)!

/** The graph as the provider completes it on a server that has the first of each list of files. */
function filled(graph: Graph): Graph {
  const text = JSON.stringify(graph, (_name, value: Json) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    if (Array.isArray(value.$file)) return value.$file[0]
    if (typeof value.$image === 'number') return `${value.$image}.png`
    if (value.$seed === true) return 7
    return typeof value.$text === 'string' ? value.$text : value
  })
  return JSON.parse(text) as Graph
}

const files = {
  diffusion_models: [
    ...['flux1-dev.safetensors', 'flux1-schnell.safetensors', 'flux1-dev-kontext_fp8_scaled.safetensors'],
    'flux1-fill-dev.safetensors',
  ],
  text_encoders: ['clip_l.safetensors', 't5xxl_fp16.safetensors'],
  vae: ['ae.safetensors'],
  input: ['0.png', '1.png'],
}

const sampler = (graph: Graph) => graph['7']!.inputs

describe('the ComfyUI models', () => {
  it.each(cases)('make a graph that ComfyUI accepts: $name', (each) => {
    for (const version of ['old', 'new'] as const) {
      const verdict = validate(filled(graphOf(each)), { version, files })
      expect(verdict).toEqual({ nodeErrors: {}, outputs: ['9'] })
    }
  })

  it.each(cases)('make a valid graph at both ends of every range: $name', (each) => {
    const { params: ranges, sizes, count } = each.route.takes
    for (const end of ['min', 'max'] as const) {
      const params = Object.fromEntries(
        Object.entries(ranges).map(([name, range]) => [name, name === 'seed' ? String(range[end]) : range[end]]),
      )
      const size = sizes && { width: sizes[end], height: sizes[end] }
      const graph = filled(graphOf(each, { ...params, ...size, count: end === 'min' ? 1 : count }))
      expect(validate(graph, { version: 'new', files })).toEqual({ nodeErrors: {}, outputs: ['9'] })
    }
  })

  it.each(cases)('put every parameter into the graph: $name', (each) => {
    const values = { seed: '9007199254740991', steps: 33, guidance: 7.25, strength: 0.55 }
    const names = Object.keys(each.route.takes.params) as (keyof typeof values)[]
    const without = JSON.stringify(graphOf(each))
    for (const name of names) {
      const graph = JSON.stringify(graphOf(each, { [name]: values[name] }))
      expect(graph).toContain(String(values[name]))
      expect(without).not.toContain(String(values[name]))
    }
  })

  it('use only nodes that ComfyUI has', () => {
    const names = new Set(cases.flatMap((each) => Object.values(graphOf(each)).map(({ class_type: name }) => name)))
    for (const name of names) expect(Object.keys(objectInfo(name, files, true))).toEqual([name])
    expect(names).toContain('KSampler')
  })

  it('use the defaults of each FLUX variant for parameters that are not set', () => {
    const dev = graphOf(caseOf('flux-dev'))
    expect(dev['4']).toMatchObject({ class_type: 'CLIPTextEncodeFlux', inputs: { guidance: 3.5 } })
    expect(sampler(dev)).toMatchObject({ steps: 20, cfg: 1, denoise: 1, seed: { $seed: true } })
    expect(sampler(dev)).toMatchObject({ sampler_name: 'euler', scheduler: 'simple', negative: ['5', 0] })
    const schnell = graphOf(caseOf('flux-schnell'))
    expect(sampler(schnell)).toMatchObject({ steps: 4, cfg: 1, denoise: 1 })
    expect(JSON.stringify(schnell)).not.toContain('guidance')
    const kontext = graphOf(caseOf('flux-kontext', 1))
    expect(kontext['16']).toMatchObject({ class_type: 'FluxGuidance', inputs: { guidance: 2.5 } })
    expect(sampler(kontext)).toMatchObject({ steps: 20, cfg: 1, denoise: 1 })
    expect(sampler(graphOf(caseOf('flux-dev-image', 1)))).toMatchObject({ denoise: 0.75 })
    expect(sampler(graphOf(caseOf('flux-schnell-image', 1)))).toMatchObject({ denoise: 0.75 })
  })

  it('round sizes to multiples of 16', () => {
    const { inputs } = graphOf(caseOf('flux-dev'), { width: 1001, height: 65 })['6']!
    expect(inputs).toMatchObject({ width: 1008, height: 64 })
    const scaled = graphOf(caseOf('flux-schnell-image', 1), { width: 1001, height: 65 })['13']!
    expect(scaled).toMatchObject({ class_type: 'ImageScale', inputs: { width: 1008, height: 64, crop: 'center' } })
  })

  it('draw several pictures in one batch', () => {
    expect(graphOf(caseOf('flux-dev'), { count: 3 })['6']?.inputs.batch_size).toBe(3)
    const fromPicture = graphOf(caseOf('flux-dev-image', 1), { count: 3 })['6']
    expect(fromPicture).toMatchObject({ class_type: 'RepeatLatentBatch', inputs: { amount: 3 } })
  })

  it('place two pictures side by side for Kontext', () => {
    const one = graphOf(caseOf('flux-kontext', 1))
    expect(one['13']?.inputs.image).toEqual(['10', 0])
    expect(one['12']).toBeUndefined()
    const two = graphOf(caseOf('flux-kontext', 2))
    expect(two['13']?.inputs.image).toEqual(['12', 0])
    expect(two['12']?.inputs).toMatchObject({ image1: ['10', 0], image2: ['11', 0] })
    expect([two['10'], two['11']].map((node) => node?.inputs.image)).toEqual([{ $image: 0 }, { $image: 1 }])
  })

  it('enlarge a picture to the exact size, for model files of any factor', () => {
    const route = upscale.routes.find(({ provider }) => provider === 'comfyui')!
    for (const [scale, width, height] of [
      [2, 1200, 800],
      [4, 16_384, 400],
    ] as const) {
      const request = { prompt: '', model: 'upscale', aspect: 'auto', width, height, count: 1, images: 1, scale }
      const graph = filled(route.input(request, [{ $image: 0 }]) as unknown as Graph)
      expect(graph['4']?.inputs).toMatchObject({ width, height, crop: 'disabled' })
      const installed = { ...files, upscale_models: [String(graph['2']?.inputs.model_name)] }
      for (const version of ['old', 'new'] as const) {
        expect(validate(graph, { version, files: installed })).toEqual({ nodeErrors: {}, outputs: ['9'] })
      }
    }
  })

  it('offer the documented ids and ratios', () => {
    expect(comfyuiModels.map(({ id }) => id)).toEqual(['comfy-dev', 'comfy-schnell', 'comfy-kontext', 'comfy-fill'])
    const [dev] = comfyuiModels
    expect(dev?.routes[0]?.takes.aspects).toMatchObject({
      '1:1': [1024, 1024],
      '1:2': [512, 1024],
      '3:2': [768, 512],
      '3:4': [768, 1024],
      '16:9': [1024, 576],
      '9:16': [576, 1024],
    })
    expect(Object.keys(dev?.routes[0]?.takes.aspects ?? {})).toEqual(
      expect.arrayContaining(['4:3', '2:3', '21:9', '9:21']),
    )
  })
})
