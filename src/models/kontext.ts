import type { Model, PictureRequest, Route, Takes } from '../core/ports/models.ts'
import {
  endpointModels,
  guidance,
  likeInput,
  oneImage,
  onFal,
  seed,
  seeded,
  severalImages,
  textOnly,
  tolerant,
} from './parts/fal.ts'

/** It is asked for a ratio and chooses among its own sizes of about a million pixels: these. */
const ratios = {
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

const params = { seed, guidance }
const edit = { count: 4, aspects: { ...likeInput, ...ratios }, params }

/** Without a ratio it keeps the shape of the input picture. */
const common = (request: PictureRequest) => ({
  prompt: request.prompt,
  aspect_ratio: request.aspect === 'auto' ? undefined : request.aspect,
  guidance_scale: request.guidance,
  ...seeded(request),
  num_images: request.count,
  ...tolerant,
})

function routesOf(endpoint: string): Route[] {
  return [
    onFal(`${endpoint}/text-to-image`, { images: textOnly, count: 4, aspects: ratios, params }, common),
    onFal(endpoint, { images: oneImage, ...edit }, (request, [image]) => ({ ...common(request), image_url: image })),
    onFal(`${endpoint}/multi`, { images: severalImages, ...edit }, (request, images) => ({
      ...common(request),
      image_urls: [...images],
    })),
  ]
}

export const fluxPro: Model = {
  id: 'flux-pro',
  aliases: ['pro', 'kontext'],
  title: 'FLUX.1 Kontext [pro]',
  price: 4,
  routes: routesOf('fal-ai/flux-pro/kontext'),
}

export const fluxMax: Model = {
  id: 'flux-max',
  aliases: ['max'],
  title: 'FLUX.1 Kontext [max]',
  price: 8,
  routes: routesOf('fal-ai/flux-pro/kontext/max'),
}

export const kontextEndpoints: readonly Model[] = [fluxPro, fluxMax].flatMap((model) =>
  endpointModels(model, model.routes),
)
