import type { Model } from '../core/ports/models.ts'
import { schnellOnCloudflare } from './cloudflare.ts'
import {
  checked,
  endpointModels,
  guidance,
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
  'fal-ai/flux-1/schnell',
  { images: textOnly, count: 4, aspects: ratios, sizes, params: { seed, steps: steps(12), guidance } },
  (request) => ({
    prompt: request.prompt,
    ...sized(request),
    ...tuned(request),
    ...seeded(request),
    num_images: request.count,
    ...checked,
  }),
)

const redux = onFal(
  'fal-ai/flux-1/schnell/redux',
  { images: oneImage, prompt: 'none', count: 4, aspects: ratios, sizes, params: { seed, steps: steps(12) } },
  (request, [image]) => ({
    image_url: image,
    ...sized(request),
    num_inference_steps: request.steps,
    ...seeded(request),
    num_images: request.count,
    ...checked,
  }),
)

export const fluxSchnell: Model = {
  id: 'flux-schnell',
  aliases: ['schnell'],
  title: 'FLUX.1 [schnell]',
  price: 1,
  routes: [text, schnellOnCloudflare],
}

export const fluxSchnellRedux: Model = {
  id: 'flux-schnell-redux',
  aliases: [],
  title: 'FLUX.1 [schnell] Redux',
  price: 1,
  routes: [redux],
}

export const fluxSchnellEndpoints: readonly Model[] = [
  ...endpointModels(fluxSchnell, [text]),
  ...endpointModels(fluxSchnellRedux, [redux]),
]
