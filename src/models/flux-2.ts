import type { Model, Route } from '../core/ports/models.ts'
import {
  checked,
  guidance,
  likeInput,
  onFal,
  ratios,
  seed,
  seeded,
  sized,
  steps,
  textOnly,
  tolerant,
  tuned,
  upToFourImages,
} from './parts/fal.ts'

const sizes = { min: 512, max: 2048 }
/** An edit keeps the shape of its first picture unless asked otherwise. */
const editAspects = { ...likeInput, ...ratios }

const params = { seed, steps: steps(50, 4), guidance }

const text = onFal('fal-ai/flux-2', { images: textOnly, count: 4, aspects: ratios, sizes, params }, (request) => ({
  prompt: request.prompt,
  ...sized(request),
  ...tuned(request),
  ...seeded(request),
  num_images: request.count,
  ...checked,
}))

const edit = onFal(
  'fal-ai/flux-2/edit',
  { images: upToFourImages, count: 4, aspects: editAspects, sizes, params },
  (request, images) => ({
    prompt: request.prompt,
    image_urls: [...images],
    ...sized(request),
    ...tuned(request),
    ...seeded(request),
    num_images: request.count,
    ...checked,
  }),
)

/** One picture at a time, and nothing to tune. */
function largeRoutes(endpoint: string): Route[] {
  const large = { count: 1, sizes, params: { seed } }
  return [
    onFal(endpoint, { images: textOnly, aspects: ratios, ...large }, (request) => ({
      prompt: request.prompt,
      ...sized(request),
      ...seeded(request),
      ...checked,
      ...tolerant,
    })),
    onFal(`${endpoint}/edit`, { images: upToFourImages, aspects: editAspects, ...large }, (request, images) => ({
      prompt: request.prompt,
      image_urls: [...images],
      ...sized(request),
      ...seeded(request),
      ...checked,
      ...tolerant,
    })),
  ]
}

export const flux2: Model = { id: 'flux-2', aliases: [], title: 'FLUX.2 [dev]', price: 2, routes: [text, edit] }

export const flux2Pro: Model = {
  id: 'flux-2-pro',
  aliases: [],
  title: 'FLUX.2 [pro]',
  price: 4,
  routes: largeRoutes('fal-ai/flux-2-pro'),
}

export const flux2Max: Model = {
  id: 'flux-2-max',
  aliases: [],
  title: 'FLUX.2 [max]',
  price: 7,
  routes: largeRoutes('fal-ai/flux-2-max'),
}
