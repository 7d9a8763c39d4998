/**
 * What a request costs: the same for buttons, forms, commands, the page and programs. What is quoted is held, and what is held is
 * charged, except for what did not arrive.
 *
 * Size classes, by the pixels of one picture (a megapixel has 1,000,000):
 *
 *   small     up to 0.3 megapixels: one tile of 512 × 512, as Cloudflare counts
 *   standard  up to 1.2: 1024 × 1024 and all ratios of about one megapixel; `Model.price` is for this class
 *   large     up to 2.5: 1920 × 1080, 1536 × 1536; twice the price, because fal charges by megapixels, rounded up
 *   huge      above, such as 2048 × 2048; four times the price
 *
 * A picture that keeps the shape of an input picture has no size before it is drawn. It counts as standard: models draw it with
 * about one megapixel. On routes with `Takes.kept`, a request with a mask or new sides has the size of its input picture and these sides.
 */
import type { Candidate, Core } from '../core.ts'
import { AppError } from '../errors.ts'
import {
  type Model,
  type Note,
  type PictureRequest,
  type PricedPart,
  type Quote,
  type QuotedPart,
  type Range,
  type RequestParams,
  type SizeClass,
  sizeClasses,
  type Takes,
} from '../ports/models.ts'
import { type ChosenModel, checkParams, keepsSize, nearestAspect } from '../request/check.ts'
import { enlarged } from '../request/enlarge.ts'
import { grown } from '../request/grow.ts'

const megapixel = 1_000_000
/** The greatest picture of each class, in megapixels. */
const upTo: Readonly<Record<SizeClass, number>> = {
  small: 0.3,
  standard: 1.2,
  large: 2.5,
  huge: Number.POSITIVE_INFINITY,
}
/** fal rounds a small picture up to one megapixel. */
const usualFactors: Readonly<Record<SizeClass, number>> = { small: 1, standard: 1, large: 2, huge: 4 }
/** The scale that `Model.price` is for. */
const pricedScale = 2

/** Parts that are charged for each picture: one that does not arrive gives its price back. */
export const picturePartNames = ['small', 'standard', 'large', 'huge', 'upscale'] as const satisfies PricedPart[]

export interface Size {
  width: number
  height: number
}

export interface Composed {
  chosen: ChosenModel
  params: RequestParams
  /** Number of input pictures. */
  images: number
  /** Size of the first one. Absent: not read yet. */
  input?: Size
}

type Quoted = Pick<Candidate, 'request' | 'quote' | 'price'>

/** A request as its model takes it, and what it costs. Throws AppError for what the model does not take. */
export function quote(core: Pick<Core, 'enhancer' | 'enhanceByDefault'>, composed: Composed): Quoted {
  const { chosen, images, input, params: asked } = composed
  const params: RequestParams = { ...asked, enhance: enhanceWanted(core, asked, chosen.takes) }
  // an edited picture keeps its shape unless the person asks for another
  const { takes } = chosen
  const aspect = params.aspect ?? (input && !keepsSize(takes, params) ? nearestAspect(takes, input) : undefined)
  const checked = enlarged(checkParams(chosen, { ...params, aspect }, images), input)
  const request = grown(checked, { takes, expand: params.expand, input })
  const parts = quoteOf(chosen.model, request)
  return { request, quote: parts, price: parts.total }
}

/** Throws AppError enhancer_missing when the request itself asks for it. */
function enhanceWanted(
  core: Pick<Core, 'enhancer' | 'enhanceByDefault'>,
  { enhance, prompt }: RequestParams,
  takes: Takes,
): boolean | undefined {
  if (enhance && !core.enhancer) throw new AppError('enhancer_missing', { name: 'enhance' })
  const wanted = enhance ?? (core.enhanceByDefault && core.enhancer !== undefined)
  return wanted && prompt !== '' && takes.prompt !== 'none' ? true : undefined
}

type Priced = Pick<PictureRequest, 'width' | 'height' | 'count' | 'images' | 'enhance' | 'scale'>

/** The price if all pictures arrive. */
export function quoteOf(model: Model, { count, images, enhance = false, scale, ...size }: Priced): Quote {
  const line = (part: PricedPart, count: number, each = priceOfPart(model, part)): QuotedPart[] =>
    count * each > 0 ? [{ part, model: model.id, count, each, credits: count * each }] : []
  const pictures =
    scale === undefined
      ? line(sizeClassOf(size), count)
      : line('upscale', count, Math.ceil((priceOfPart(model, 'upscale') * scale) / pricedScale))
  const parts = [...pictures, ...line('input', images), ...line('enhance', enhance ? 1 : 0)]
  return { total: parts.reduce((sum, { credits }) => sum + credits, 0), parts }
}

/** Credits for one. An enlargement: at a scale of 2. */
export function priceOfPart({ price, prices, sizeFactors }: Model, part: PricedPart): number {
  const own = prices?.[part]
  if (own !== undefined) return own
  if (part === 'upscale') return price
  if (part === 'input' || part === 'enhance') return 0
  return Math.ceil(price * (sizeFactors?.[part] ?? usualFactors[part]))
}

/** The part that `Model.price` is for. */
export const mainPart = (model: Model): 'standard' | 'upscale' => (enlarges(model) ? 'upscale' : 'standard')

const enlarges = ({ routes }: Model) => routes.some(({ takes }) => takes.scales !== undefined)

/** The parts that requests for this model may have, in order. The first is the one that `Model.price` is for. */
export function partsOf(model: Model): PricedPart[] {
  const takes = model.routes.map((route) => route.takes)
  const sizes = enlarges(model) ? [] : sizeClasses.filter((each) => each !== 'standard' && canBe(takes, each))
  return [
    mainPart(model),
    ...sizes,
    ...(takes.some(({ images }) => images.max > 0) ? (['input'] as const) : []),
    ...(takes.some(({ prompt }) => prompt !== 'none') ? (['enhance'] as const) : []),
  ]
}

/** Whether a request may ask for a picture of this class. */
function canBe(takes: readonly Takes[], size: SizeClass): boolean {
  const asked = takes.flatMap(({ aspects, sizes, kept }) => [
    ...Object.values(aspects).map(([width, height]) => sizeClassOf({ width, height })),
    ...(sizes ? classesWithin(sizes) : []),
    ...(kept ? classesWithin({ min: 1, max: kept.side }) : []),
  ])
  return asked.includes(size)
}

function classesWithin({ min, max }: Range): SizeClass[] {
  const [first, last] = [min, max].map((side) => sizeClasses.indexOf(sizeClassOf({ width: side, height: side })))
  return sizeClasses.slice(first, (last ?? 0) + 1)
}

/** The megapixels up to which a small picture goes, and above which a large or huge one begins. undefined: not a size. */
export function boundOf(part: PricedPart): number | undefined {
  const bounds: Partial<Record<PricedPart, number>> = { small: upTo.small, large: upTo.standard, huge: upTo.large }
  return bounds[part]
}

export function sizeClassOf({ width, height }: Size): SizeClass {
  if (width === 0 || height === 0) return 'standard'
  return sizeClasses.find((each) => width * height <= upTo[each] * megapixel) ?? 'huge'
}

interface Held {
  /** Credits on hold. */
  price: number
  /** null: an older row. All of its price is for pictures. */
  quote: Quote | null
  request: Pick<PictureRequest, 'count'>
  notes: readonly Note[] | null
}

/** Credits that are charged if this many pictures arrived. `resolution` in ledger.ts computes the same in SQL. */
export function chargedFor({ price, quote, request, notes }: Held, pictures: number): number {
  if (!quote) return Math.floor((price * pictures) / request.count)
  if (pictures === 0) return 0
  const back = quote.parts.map(({ part, count, each, credits }) => {
    if (part === 'enhance') return notes?.some(({ kind }) => kind === 'not_enhanced') ? credits : 0
    return part === 'input' ? 0 : each * Math.max(0, count - pictures)
  })
  return price - back.reduce((sum, credits) => sum + credits, 0)
}
