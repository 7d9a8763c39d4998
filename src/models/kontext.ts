/** FLUX.1 Kontext on fal, in [pro] and [max]. */
import type { Cost, Model, PictureRequest, Route, Takes } from '../core/ports/models.ts'
import { perPicture } from './routes/costs.ts'
import { endpointModel, falRoute, guidance, safetyTolerance, safetyUpTo, seed, seedOf } from './routes/fal.ts'
import { likeInput, oneImage, textOnly } from './routes/takes.ts'

/** The request names a ratio; these are the sizes of about one megapixel that Kontext draws for it. */
const aspects = {
  '1:1': [1024, 1024],
  '3:2': [1248, 832],
  '3:4': [880, 1184],
  '16:9': [1392, 752],
  '9:16': [752, 1392],
  '4:3': [1184, 880],
  '2:3': [832, 1248],
  '21:9': [1568, 672],
  '9:21': [672, 1568],
} as const satisfies Takes['aspects']

const params = { seed, guidance, safety: safetyUpTo(6) }
/** Kontext's own service takes four pictures at most. */
const severalImages = { min: 2, max: 4 }
const edit = { count: 4, aspects: { ...likeInput, ...aspects }, params }

/** Without a ratio, Kontext keeps the shape of the input picture. */
const common = (request: PictureRequest) => ({
  prompt: request.prompt,
  aspect_ratio: request.aspect === 'auto' ? undefined : request.aspect,
  guidance_scale: request.guidance,
  ...seedOf(request),
  num_images: request.count,
  ...safetyTolerance(request),
})

function routesOf(endpoint: string, cost: Cost): Route[] {
  return [
    falRoute(`${endpoint}/text-to-image`, { images: textOnly, count: 4, aspects, params }, common, cost),
    falRoute(
      endpoint,
      { images: oneImage, ...edit },
      (request, [image]) => ({ ...common(request), image_url: image }),
      cost,
    ),
    falRoute(
      `${endpoint}/multi`,
      { images: severalImages, ...edit },
      (request, images) => ({ ...common(request), image_urls: [...images] }),
      cost,
    ),
  ]
}

export const fluxPro: Model = {
  id: 'flux-pro',
  aliases: ['pro', 'kontext'],
  title: 'FLUX.1 Kontext [pro]',
  price: 4,
  routes: routesOf('fal-ai/flux-pro/kontext', perPicture(0.04)),
}

export const fluxMax: Model = {
  id: 'flux-max',
  aliases: ['max'],
  title: 'FLUX.1 Kontext [max]',
  price: 8,
  routes: routesOf('fal-ai/flux-pro/kontext/max', perPicture(0.08)),
}

/** Without a picture, the name of the endpoint that edits stands for the one that draws from words. */
export const kontextEndpoints: readonly Model[] = [fluxPro, fluxMax].flatMap((model) => {
  const [words, edit] = model.routes
  return model.routes.map((route) => endpointModel(model, route.endpoint, route === edit ? [words!, edit] : [route]))
})
