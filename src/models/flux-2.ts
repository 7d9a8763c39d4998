/** FLUX.2 on fal. */
import type { Cost, Model, Route } from '../core/ports/models.ts'
import { perMegapixel } from './routes/costs.ts'
import {
  alwaysChecked,
  falRoute,
  guidance,
  imageSize,
  safetyChecker,
  safetyTolerance,
  safetyUpTo,
  seed,
  seedOf,
  stepsAndGuidance,
} from './routes/fal.ts'
import { aspects, likeInput, steps, textOnly } from './routes/takes.ts'

/** fal refuses sides below 512. */
const sizes = { min: 512, max: 2048 }
/** fal ignores a fifth picture without an error. */
const upToFourImages = { min: 1, max: 4 }
/** Without a requested ratio, an edit keeps the shape of its first input picture. */
const editAspects = { ...likeInput, ...aspects }

const params = { seed, steps: steps(50, 4), guidance }

const text = falRoute(
  'fal-ai/flux-2',
  { images: textOnly, count: 4, aspects, sizes, params },
  (request) => ({
    prompt: request.prompt,
    ...imageSize(request),
    ...stepsAndGuidance(request),
    ...seedOf(request),
    num_images: request.count,
    ...safetyChecker(request),
  }),
  perMegapixel(0.012),
)

const edit = falRoute(
  'fal-ai/flux-2/edit',
  { images: upToFourImages, count: 4, aspects: editAspects, sizes, params },
  (request, images) => ({
    prompt: request.prompt,
    image_urls: [...images],
    ...imageSize(request),
    ...stepsAndGuidance(request),
    ...seedOf(request),
    num_images: request.count,
    ...safetyChecker(request),
  }),
)

/** One picture per request, without steps or guidance. */
/** `cost`: of what it draws from words. An edit costs by the size of its input pictures as well. */
function largeRoutes(endpoint: string, cost: Cost): Route[] {
  const large = { count: 1, sizes, params: { seed, safety: safetyUpTo(5) } }
  return [
    falRoute(
      endpoint,
      { images: textOnly, aspects, ...large },
      (request) => ({
        prompt: request.prompt,
        ...imageSize(request),
        ...seedOf(request),
        ...alwaysChecked,
        ...safetyTolerance(request),
      }),
      cost,
    ),
    falRoute(`${endpoint}/edit`, { images: upToFourImages, aspects: editAspects, ...large }, (request, images) => ({
      prompt: request.prompt,
      image_urls: [...images],
      ...imageSize(request),
      ...seedOf(request),
      ...alwaysChecked,
      ...safetyTolerance(request),
    })),
  ]
}

/** Megapixels after the first cost half as much, those of input pictures as well. */
const sizeFactors: Model['sizeFactors'] = { large: 1.5, huge: 2.5 }

/** What the others cost is not known. */
const firstMegapixel: Cost = (size, request) => {
  const isOne = size.width * size.height <= 1024 * 1024
  return isOne ? perMegapixel(0.07)(size, request) : undefined
}

export const flux2: Model = { id: 'flux-2', aliases: [], title: 'FLUX.2 [dev]', price: 2, routes: [text, edit] }

export const flux2Pro: Model = {
  id: 'flux-2-pro',
  aliases: [],
  title: 'FLUX.2 [pro]',
  price: 4,
  sizeFactors,
  prices: { input: 1 },
  routes: largeRoutes('fal-ai/flux-2-pro', perMegapixel(0.03, 0.015)),
}

export const flux2Max: Model = {
  id: 'flux-2-max',
  aliases: [],
  title: 'FLUX.2 [max]',
  price: 7,
  sizeFactors,
  prices: { input: 2 },
  routes: largeRoutes('fal-ai/flux-2-max', firstMegapixel),
}
