import { describe, expect, it } from 'vitest'
import type { Model, PictureRequest, Route } from '../../src/core/ports/models.ts'
import { flux2, flux2Max, flux2Pro } from '../../src/models/flux-2.ts'
import { fluxDev, fluxDevRedux } from '../../src/models/flux-dev.ts'
import { fluxSchnell, fluxSchnellRedux } from '../../src/models/flux-schnell.ts'
import { fluxMax, fluxPro } from '../../src/models/kontext.ts'
import { upscale } from '../../src/models/upscale.ts'
import { placeImages, toJson } from '../../src/providers/input.ts'
import { parseMarked } from '../emulators/fal/exact.ts'
import { type FalEndpoint, schemas } from '../emulators/fal/schemas.ts'

const models: Model[] = [
  fluxDev,
  fluxDevRedux,
  fluxSchnell,
  fluxSchnellRedux,
  fluxPro,
  fluxMax,
  flux2,
  flux2Pro,
  flux2Max,
  upscale,
]
const routes = models.flatMap((model) => model.routes).filter((route) => route.provider === 'fal')
const named = routes.map((route) => [route.endpoint as FalEndpoint, route] as const)
const drawing = named.filter(([, { takes }]) => !takes.scales)
const enlarging = named.filter(([, { takes }]) => takes.scales)
const bigSeed = '18446744073709551615'

/** The body that fal receives, after fal's own validation. */
function bodyOf(route: Route, params: Partial<PictureRequest> = {}) {
  const { takes, endpoint } = route
  const aspect = params.aspect ?? Object.keys(takes.aspects)[0] ?? ''
  const [width, height] = takes.aspects[aspect] ?? [0, 0]
  const images = params.images ?? takes.images.min
  const prompt = takes.prompt === 'none' ? '' : 'a cute cat'
  const request = { prompt, model: 'any', aspect, width, height, count: 1, images, ...params }
  const input = route.input(
    request,
    Array.from({ length: images }, (_, at) => ({ $image: at })),
  )
  const text = toJson(placeImages(input, (at) => `https://pictures.example/${at}.png`))
  const verdict = schemas[endpoint as FalEndpoint].safeParse(parseMarked(text))
  expect(verdict.error?.issues).toBeUndefined()
  return JSON.parse(text) as Record<string, unknown>
}

describe('the models on fal', () => {
  it('use every endpoint of the emulator exactly once', () => {
    expect(routes.map((route) => route.endpoint).sort()).toEqual(Object.keys(schemas).sort())
  })

  it.each(named)('%s accepts each of its ratios', (_, route) => {
    for (const aspect of Object.keys(route.takes.aspects)) {
      const { image_size: size, aspect_ratio: ratio } = bodyOf(route, { aspect })
      if (aspect === 'auto') expect([size, ratio]).toEqual([undefined, undefined])
      else if (ratio === undefined) expect(size).toEqual(pair(route.takes.aspects[aspect]))
      else expect(ratio).toBe(aspect)
    }
  })

  it.each(named)('%s accepts both ends of each range', (_, { takes, ...route }) => {
    for (const [name, range] of Object.entries(takes.params)) {
      if (name === 'seed') continue
      for (const value of [range.min, range.max]) {
        const body = bodyOf({ takes, ...route }, { [name]: value })
        expect(Object.values(body), name).toContain(name === 'safety' ? String(value) : value)
      }
    }
  })

  it.each(drawing)('%s accepts seeds of up to 64 bits', (_, route) => {
    for (const seed of ['0', '7', bigSeed]) {
      expect(Number(seed)).toBeLessThanOrEqual(route.takes.params.seed?.max ?? 0)
      expect(bodyOf(route, { seed }).seed).toBe(Number(seed))
    }
  })

  it.each(named)('%s accepts its smallest and largest number of pictures', (_, route) => {
    const { images, count } = route.takes
    for (const number of [images.min, images.max]) {
      const { image_url: one, image_urls: several } = bodyOf(route, { images: number })
      expect([one ?? several ?? []].flat()).toHaveLength(number)
    }
    expect(bodyOf(route, { count }).num_images ?? 1).toBe(count)
  })

  it.each(named.filter(([, { takes }]) => takes.sizes))('%s accepts exact sizes', (_, route) => {
    const { min = 0, max = 0 } = route.takes.sizes ?? {}
    for (const [width, height] of [
      [min, max],
      [max, min],
    ] as const) {
      expect(bodyOf(route, { aspect: `${width}x${height}`, width, height }).image_size).toEqual({ width, height })
    }
  })

  it.each(drawing)('%s sends safety settings and format, and never asks to wait for the picture', (endpoint, route) => {
    const body = bodyOf(route)
    expect(body).toMatchObject({ output_format: 'jpeg' })
    expect(body).not.toHaveProperty('sync_mode')
    const takesChecker = 'enable_safety_checker' in schemas[endpoint].shape
    expect(body.enable_safety_checker).toBe(takesChecker ? true : undefined)
    const takesTolerance = 'safety_tolerance' in schemas[endpoint].shape
    expect(body.safety_tolerance).toBe(takesTolerance ? '2' : undefined)
    expect(body.num_images).toBe('num_images' in schemas[endpoint].shape ? 1 : undefined)
  })

  it.each(enlarging)('%s sends the picture and its scale, and no words', (endpoint, { takes, ...route }) => {
    for (const scale of takes.scales ?? []) {
      const body = bodyOf({ takes, ...route }, { scale })
      expect(body).toMatchObject({ image_url: 'https://pictures.example/0.png' })
      expect(body).not.toHaveProperty('prompt')
      // the factor of aura-sr is fixed
      expect(endpoint === 'fal-ai/aura-sr' ? 4 : body.upscale_factor).toBe(scale)
      for (const wrong of [{ upscaling_factor: 3 }, { upscale_factor: 5 }, { image_url: undefined }, { prompt: 1 }]) {
        expect(schemas[endpoint].safeParse({ ...body, ...wrong }).success, JSON.stringify(wrong)).toBe(false)
      }
    }
  })

  it('are checked against schemas that refuse what fal refuses', () => {
    const schema = schemas['fal-ai/flux-pro/kontext']
    const fine = { prompt: 'a', image_url: 'https://pictures.example/0.png' }
    expect(schema.safeParse(fine).success).toBe(true)
    for (const wrong of [
      { image_size: 'square' },
      { safety_tolerance: 2 },
      { num_inference_steps: 4 },
      { prompt: '' },
    ]) {
      expect(schema.safeParse({ ...fine, ...wrong }).success, JSON.stringify(wrong)).toBe(false)
    }
    expect(schema.safeParse({ prompt: 'a' }).success).toBe(false)
  })
})

function pair(size: readonly [number, number] | undefined) {
  return { width: size?.[0], height: size?.[1] }
}
