/** Model packs: models of fal and of images APIs that an operator describes in JSON (docs/model-packs.md). */
import { sizeClassOf } from '../../core/billing/quote.ts'
import type { Cost, ImageRef, Model, PictureRequest, Range, Route, Takes } from '../../core/ports/models.ts'
import type { Json } from '../../db/json.ts'
import { perMegapixel, perPicture } from '../routes/costs.ts'
import { seedNumber } from '../routes/input.ts'
import { likeInput } from '../routes/takes.ts'
import { areasTaken, putAreas } from './area-fields.ts'
import { lorasSent, lorasTaken } from './lora-fields.ts'
import { modelMistakes, providerOf } from './model-check.ts'
import { type ModelPack, modelPackShape, type PackRoute } from './model-shape.ts'
import { PackError } from './pack-error.ts'

/** Throws PackError. */
export function parseModelPack(file: object): Model {
  const parsed = modelPackShape.safeParse(file)
  if (!parsed.success) {
    throw new PackError(parsed.error.issues.map(({ path, message }) => `${placeOf(path)}${message}`))
  }
  const pack = parsed.data
  const mistakes = modelMistakes(pack)
  if (mistakes.length > 0) throw new PackError(mistakes)
  const { id, aliases, title, hidden, tool, price } = pack
  const { standard, ...prices } = price
  return {
    id,
    aliases,
    title,
    hidden,
    tool,
    price: standard,
    prices,
    routes: pack.routes.map((each) => routeOf(pack, each)),
  }
}

/** 'routes[0].size.name: ' */
function placeOf(path: readonly PropertyKey[]): string {
  const place = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('')
  return place === '' ? '' : `${place.replace(/^\./, '')}: `
}

function routeOf(pack: ModelPack, route: PackRoute): Route {
  const provider = providerOf(pack, route)
  const sizes = sizesOf(route)
  return {
    provider,
    endpoint: provider === 'fal' ? (route.endpoint ?? '') : `${route.call}/${route.model}`,
    takes: takesOf(route, sizes),
    input: (request, images, mask) => inputFor(route, { sizes, request, images, mask }),
    result: route.result,
    cost: costOf(route.cost),
  }
}

/** A size that a request may ask for, and the ratio and tier that are sent for it. */
interface OfferedSize {
  pixels: readonly [width: number, height: number]
  ratio: string
  tier?: string
}
type Sizes = Readonly<Record<string, OfferedSize>>

/** In the order in which lists show them. A larger tier of a ratio is asked for by its pixels. */
function sizesOf({ size }: PackRoute): Sizes {
  const aspects = Object.entries(size?.aspects ?? {})
  const tiers = size?.as === 'ratio' ? Object.entries(size.tiers?.factors ?? {}) : []
  if (tiers.length === 0) {
    return Object.fromEntries(aspects.map(([ratio, pixels]) => [ratio, { pixels, ratio }]))
  }
  return Object.fromEntries(
    tiers.flatMap(([tier, factor], at) =>
      aspects.map(([ratio, [width, height]]) => {
        const pixels = [Math.round(width * factor), Math.round(height * factor)] as const
        return [at === 0 ? ratio : pixels.join('x'), { pixels, ratio, tier }]
      }),
    ),
  )
}

const whole = ['seed', 'steps', 'safety']

function takesOf(route: PackRoute, sizes: Sizes): Takes {
  const { images, prompt, promptLimit, negative, size, count, params } = route
  const isAuto = size === undefined || ('auto' in size && size.auto !== undefined)
  const ranges = Object.entries(params).map(([name, { min, max }]): [string, Range] => [
    name,
    { min, max, ...(whole.includes(name) && { integer: true }) },
  ])
  return {
    images: { min: images?.min ?? 0, max: images?.max ?? 0 },
    prompt: prompt === 'required' ? undefined : prompt,
    promptLimit,
    count: count?.max ?? 1,
    aspects: {
      ...(isAuto && likeInput),
      ...Object.fromEntries(Object.entries(sizes).map(([name, { pixels }]) => [name, pixels])),
    },
    sizes: size && 'sizes' in size ? size.sizes : undefined,
    params: Object.fromEntries(ranges),
    negative: negative !== undefined || undefined,
    negativeLimit: negative?.limit,
    ...areasTaken(route),
    loras: lorasTaken(route.loras),
  }
}

interface Filling {
  sizes: Sizes
  request: PictureRequest
  images: readonly ImageRef[]
  mask?: ImageRef
}

type Fields = { [name: string]: Json }

function inputFor(route: PackRoute, { sizes, request, images, mask }: Filling): Json {
  const { call, model, promptName, prompt, negative, loras, count, params, checker, previews } = route
  const body: Fields = { ...(model !== undefined && { model }), ...structuredClone(route.body) }
  const put = (name: string, value: Json | undefined) => value !== undefined && setField(body, name.split('.'), value)
  if (call === 'chat') put('messages', messagesFor(request.prompt, images))
  else {
    if (prompt !== 'none' && request.prompt !== '') put(promptName, request.prompt)
    putImages(route, images, put)
    putAreas(route, { request, mask }, put)
  }
  if (negative) put(negative.name, request.negative)
  if (loras) put(loras.name, lorasSent(loras, request.loras))
  if (count) put(count.name, request.count)
  if (checker !== undefined) put(checker, request.adult !== true)
  putSize(route, { sizes, request }, put)
  const { seed, ...numbers } = params
  if (seed) put(seed.name, seed.as === 'text' ? request.seed : seedNumber(request.seed))
  for (const [name, { name: field, default: usual, as }] of Object.entries(numbers)) {
    const value = request[name as keyof typeof numbers] ?? usual
    put(field, as === 'text' && value !== undefined ? String(value) : value)
  }
  if (previews !== undefined) Object.assign(body, { stream: true, partial_images: previews })
  return body
}

type Put = (name: string, value: Json | undefined) => void

function putImages({ images: given }: PackRoute, images: readonly ImageRef[], put: Put): void {
  if (given?.name === undefined || images.length === 0) return
  put(given.name, given.as === 'one' ? images[0] : [...images])
}

function putSize({ size }: PackRoute, { sizes, request }: Pick<Filling, 'sizes' | 'request'>, put: Put): void {
  const { aspect, width, height } = request
  if (size === undefined || size.as === 'none') return
  const name = size.as === 'sides' ? undefined : size.name
  if (aspect === 'auto') {
    if (name !== undefined && typeof size.auto === 'string') put(name, size.auto)
    return
  }
  const { ratio = aspect, tier } = sizes[aspect] ?? {}
  if (size.as === 'ratio' && size.tiers) put(size.tiers.name, tier)
  const value = size.values?.[ratio]
  if (value !== undefined && name !== undefined) {
    put(name, value)
    return
  }
  if (size.as === 'object') put(size.name, { width, height })
  if (size.as === 'text') put(size.name, `${width}${size.between}${height}`)
  if (size.as === 'ratio') put(size.name, ratio)
  if (size.as !== 'sides') return
  put(size.width, width)
  put(size.height, height)
}

function messagesFor(prompt: string, images: readonly ImageRef[]): Json {
  const pictures = images.map((image) => ({ type: 'image_url', image_url: { url: image } }))
  return [{ role: 'user', content: [{ type: 'text', text: prompt }, ...pictures] }]
}

function setField(fields: Fields, [name = '', ...rest]: readonly string[], value: Json): void {
  if (rest.length === 0) {
    fields[name] = value
    return
  }
  const inner = fields[name]
  const nested: Fields = inner !== null && typeof inner === 'object' && !Array.isArray(inner) ? inner : {}
  setField(nested, rest, value)
  fields[name] = nested
}

function costOf(cost: PackRoute['cost']): Cost | undefined {
  if (!cost) return undefined
  const { picture, megapixel, more, ...sizes } = cost
  if (picture !== undefined) return perPicture(picture)
  if (megapixel !== undefined) return perMegapixel(megapixel, more)
  return (size, request) => {
    const dollars = sizes[sizeClassOf(size)]
    return dollars === undefined ? undefined : perPicture(dollars)(size, request)
  }
}
