/** FLUX.1 [dev] and its Redux variant on fal. */
import type { Model } from '../core/ports/models.ts'
import { perMegapixel } from './routes/costs.ts'
import {
  endpointModel,
  endpointModels,
  falRoute,
  guidance,
  imageSize,
  safetyChecker,
  seed,
  seedOf,
  stepsAndGuidance,
} from './routes/fal.ts'
import { aspects, likeInput, oneImage, steps, strength, textOnly } from './routes/takes.ts'

const sizes = { min: 64, max: 2048 }

const text = falRoute(
  'fal-ai/flux-1/dev',
  { images: textOnly, count: 4, aspects, sizes, params: { seed, steps: steps(50), guidance } },
  (request) => ({
    prompt: request.prompt,
    ...imageSize(request),
    ...stepsAndGuidance(request),
    ...seedOf(request),
    num_images: request.count,
    ...safetyChecker(request),
  }),
  perMegapixel(0.025),
)

const imageToImage = falRoute(
  'fal-ai/flux-1/dev/image-to-image',
  {
    images: oneImage,
    count: 4,
    aspects: likeInput,
    params: { seed, steps: steps(50, 10), guidance, strength },
  },
  (request, [image]) => ({
    prompt: request.prompt,
    image_url: image,
    strength: request.strength,
    ...stepsAndGuidance(request),
    ...seedOf(request),
    num_images: request.count,
    ...safetyChecker(request),
  }),
)

const redux = falRoute(
  'fal-ai/flux-1/dev/redux',
  {
    images: oneImage,
    prompt: 'none',
    count: 4,
    aspects,
    sizes,
    params: { seed, steps: steps(50), guidance },
  },
  (request, [image]) => ({
    image_url: image,
    ...imageSize(request),
    ...stepsAndGuidance(request),
    ...seedOf(request),
    num_images: request.count,
    ...safetyChecker(request),
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
  // a page keeps the name of the model when it changes from words to a picture
  endpointModel(fluxDev, text.endpoint, [text, imageToImage]),
  endpointModel(fluxDev, imageToImage.endpoint, [imageToImage]),
  ...endpointModels(fluxDevRedux, [redux]),
]
