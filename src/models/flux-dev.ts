import type { Model } from '../core/ports/models.ts'
import {
  checked,
  endpointModels,
  guidance,
  likeInput,
  oneImage,
  onFal,
  ratios,
  seed,
  seeded,
  sized,
  steps,
  textOnly,
  tuned,
} from './parts/fal.ts'

const sizes = { min: 64, max: 2048 }

const text = onFal(
  'fal-ai/flux-1/dev',
  { images: textOnly, count: 4, aspects: ratios, sizes, params: { seed, steps: steps(50), guidance } },
  (request) => ({
    prompt: request.prompt,
    ...sized(request),
    ...tuned(request),
    ...seeded(request),
    num_images: request.count,
    ...checked,
  }),
)

const imageToImage = onFal(
  'fal-ai/flux-1/dev/image-to-image',
  {
    images: oneImage,
    count: 4,
    aspects: likeInput,
    params: { seed, steps: steps(50, 10), guidance, strength: { min: 0.01, max: 1 } },
  },
  (request, [image]) => ({
    prompt: request.prompt,
    image_url: image,
    strength: request.strength,
    ...tuned(request),
    ...seeded(request),
    num_images: request.count,
    ...checked,
  }),
)

const redux = onFal(
  'fal-ai/flux-1/dev/redux',
  {
    images: oneImage,
    prompt: 'none',
    count: 4,
    aspects: ratios,
    sizes,
    params: { seed, steps: steps(50), guidance },
  },
  (request, [image]) => ({
    image_url: image,
    ...sized(request),
    ...tuned(request),
    ...seeded(request),
    num_images: request.count,
    ...checked,
  }),
)

export const fluxDev: Model = {
  id: 'flux-dev',
  aliases: ['dev'],
  title: 'FLUX.1 [dev]',
  price: 2,
  routes: [text, imageToImage],
}

export const fluxDevRedux: Model = {
  id: 'flux-dev-redux',
  aliases: [],
  title: 'FLUX.1 [dev] Redux',
  price: 2,
  routes: [redux],
}

export const fluxDevEndpoints: readonly Model[] = [
  ...endpointModels(fluxDev, [text, imageToImage]),
  ...endpointModels(fluxDevRedux, [redux]),
]
