/** FLUX.1 [schnell] on fal, or on Cloudflare for what that serves identically, and its Redux variant on fal. */
import type { Model } from '../core/ports/models.ts'
import { schnellOnCloudflare } from './cloudflare.ts'
import { perMegapixel } from './routes/costs.ts'
import {
  endpointModels,
  falRoute,
  guidance,
  imageSize,
  safetyChecker,
  seed,
  seedOf,
  stepsAndGuidance,
} from './routes/fal.ts'
import { aspects, oneImage, steps, textOnly } from './routes/takes.ts'

const sizes = { min: 64, max: 2048 }

const text = falRoute(
  'fal-ai/flux-1/schnell',
  { images: textOnly, count: 4, aspects, sizes, params: { seed, steps: steps(12), guidance } },
  (request) => ({
    prompt: request.prompt,
    ...imageSize(request),
    ...stepsAndGuidance(request),
    ...seedOf(request),
    num_images: request.count,
    ...safetyChecker(request),
  }),
  perMegapixel(0.003),
)

const redux = falRoute(
  'fal-ai/flux-1/schnell/redux',
  { images: oneImage, prompt: 'none', count: 4, aspects, sizes, params: { seed, steps: steps(12) } },
  (request, [image]) => ({
    image_url: image,
    ...imageSize(request),
    num_inference_steps: request.steps,
    ...seedOf(request),
    num_images: request.count,
    ...safetyChecker(request),
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
