import { describe, expect, it } from 'vitest'
import type { PictureRequest, Route } from '../../src/core/ports/models.ts'
import { drawing, drawsFromWords, listed } from '../../src/core/request/choose-model.ts'
import { models } from '../../src/models/index.ts'
import { readBuiltInPacks } from '../../src/models/packs/built-in.ts'
import { providerKinds } from '../../src/providers/index.ts'
import { placeImages, toJson } from '../../src/providers/input.ts'
import { parseMarked } from '../emulators/fal/exact.ts'
import { type AnyEndpoint, allSchemas } from '../emulators/fal/pack-schemas.ts'
import { editShape, generationShape } from '../emulators/openai-images/schemas.ts'

const packs = await readBuiltInPacks()
const routes = packs.flatMap((pack) => pack.routes.map((route) => [`${pack.id}: ${route.endpoint}`, route] as const))

/** The body that the service receives, after its own validation. */
function bodyOf(route: Route, params: Partial<PictureRequest> = {}): Record<string, unknown> {
  const { takes, endpoint, provider } = route
  const aspect = params.aspect ?? Object.keys(takes.aspects)[0] ?? ''
  const [width, height] = takes.aspects[aspect] ?? [0, 0]
  const images = params.images ?? takes.images.min
  const prompt = takes.prompt === 'none' ? '' : 'a cute cat'
  const request = { prompt, model: 'any', aspect, width, height, count: 1, images, ...params }
  const refs = Array.from({ length: images }, (_, at) => ({ $image: at }))
  const input = route.input(request, refs, takes.mask && { $image: images })
  if (provider === 'openai') {
    const { 'image[]': files, mask: _, ...body } = input as Record<string, unknown>
    const isEdit = endpoint.startsWith('edits/')
    const pictures = ((files as unknown[]) ?? []).map(() => Buffer.alloc(1))
    const verdict = isEdit ? editShape.safeParse({ ...body, images: pictures }) : generationShape.safeParse(body)
    expect(verdict.error?.issues).toBeUndefined()
    return { ...body, ...(isEdit && { image_urls: pictures }) }
  }
  const text = toJson(placeImages(input, (at) => `https://pictures.example/${at}.png`))
  const verdict = allSchemas[endpoint as AnyEndpoint].safeParse(parseMarked(text))
  expect(verdict.error?.issues).toBeUndefined()
  return JSON.parse(text) as Record<string, unknown>
}

describe('the packs that come with fluxbot', () => {
  it('have names of their own, prices and providers', () => {
    const names = [...models, ...packs].flatMap(({ id, aliases }) => [id, ...aliases])
    expect(new Set(names).size).toBe(names.length)
    for (const { id, title, price } of packs) {
      expect(price, id).toBeGreaterThan(0)
      expect(title).not.toBe('')
    }
    const known = providerKinds.map(({ name }) => name)
    for (const [name, { provider }] of routes) expect(known, name).toContain(provider)
  })

  it('do not make the models of one service that draw from words more than Discord’s limit of choices', () => {
    for (const { name } of providerKinds) {
      const own = [...models, ...packs].filter(({ routes }) =>
        routes.some(({ provider }) => [name, 'sketch', 'lanczos'].includes(provider)),
      )
      expect(drawing(own).filter(drawsFromWords).length, name).toBeLessThanOrEqual(25)
    }
  })

  it.each(routes)('%s accepts each of its ratios and sizes', (_, route) => {
    for (const aspect of Object.keys(route.takes.aspects)) bodyOf(route, { aspect })
    const { min = 0, max = 0 } = route.takes.sizes ?? {}
    if (!route.takes.sizes) return
    for (const [width, height] of [
      [min, max],
      [max, min],
    ] as const) {
      expect(bodyOf(route, { aspect: `${width}x${height}`, width, height }).image_size).toEqual({ width, height })
    }
  })

  it.each(routes)('%s accepts both ends of each range, and most pictures', (_, route) => {
    const { takes } = route
    const plain = JSON.stringify(bodyOf(route))
    for (const [name, { min, max }] of Object.entries(takes.params)) {
      for (const value of [min, max]) {
        const body = bodyOf(route, { [name]: name === 'seed' ? String(value) : value })
        expect(Object.values(body).map(String), name).toContain(String(value))
      }
    }
    if (takes.count > 1) expect(JSON.stringify(bodyOf(route, { count: takes.count }))).not.toBe(plain)
    for (const images of [takes.images.min, takes.images.max]) {
      const { image_url: one, image_urls: several } = bodyOf(route, { images })
      expect([one ?? several ?? []].flat()).toHaveLength(images)
    }
    if (takes.loras) {
      const { max, range, hosts } = takes.loras
      const loras = Array.from({ length: max }, (_, at) => ({
        path: `https://${hosts[0]}/${at}.safetensors`,
        scale: at % 2 === 0 ? range.min : range.max,
      }))
      expect(bodyOf(route, { loras }).loras).toEqual(loras)
      expect(bodyOf(route)).not.toHaveProperty('loras')
    }
    if (takes.negative) expect(bodyOf(route, { negative: 'text' }).negative_prompt).toBe('text')
  })

  it('serve every endpoint that the emulator knows for them exactly once', () => {
    const own = routes.filter(([, { provider }]) => provider === 'fal').map(([, { endpoint }]) => endpoint)
    expect(new Set(own).size).toBe(own.length)
    for (const endpoint of own) expect(Object.keys(allSchemas)).toContain(endpoint)
  })

  it('ask for a larger tier by its pixels', () => {
    const [words, edit] = packs.find(({ id }) => id === 'nano-banana-pro')?.routes ?? []
    expect(bodyOf(words!, { aspect: '16:9' })).toMatchObject({ aspect_ratio: '16:9', resolution: '1K' })
    expect(bodyOf(words!, { aspect: '2752x1536' })).toMatchObject({ aspect_ratio: '16:9', resolution: '2K' })
    expect(bodyOf(edit!, { aspect: 'auto' })).toMatchObject({ aspect_ratio: 'auto' })
  })

  it('switch the checker off only where flagged pictures may be shown', () => {
    const [route] = packs.find(({ id }) => id === 'z-image')?.routes ?? []
    expect(bodyOf(route!).enable_safety_checker).toBe(true)
    expect(bodyOf(route!, { adult: true }).enable_safety_checker).toBe(false)
  })

  it('are listed, and the one that removes backgrounds draws for no other request', () => {
    expect(listed(packs)).toHaveLength(packs.length)
    expect(drawing(packs).map(({ id }) => id)).not.toContain('remove-background')
  })
})
