/** Doubao Seedream on Ark. */
import type { ImageRef, Model, PictureRequest, Route } from '../core/ports/models.ts'
import type { Json } from '../db/json.ts'
import { onePrice, perPicture } from './routes/costs.ts'
import { defined } from './routes/input.ts'

/** The 2K sizes that Ark recommends; each is within the pixel limits of all three models. */
const aspects = {
  '1:1': [2048, 2048],
  '1:2': [1440, 2880],
  '3:2': [2496, 1664],
  '3:4': [1728, 2304],
  '16:9': [2848, 1600],
  '9:16': [1600, 2848],
  '4:3': [2304, 1728],
  '2:3': [1664, 2496],
  '21:9': [3136, 1344],
} as const

/** Ark allows 15 pictures per request, input and output together. */
const imageLimits = [
  { images: { min: 0, max: 11 }, count: 4 },
  { images: { min: 12, max: 12 }, count: 3 },
  { images: { min: 13, max: 13 }, count: 2 },
  { images: { min: 14, max: 14 }, count: 1 },
]

function input({ prompt, width, height, count }: PictureRequest, images: readonly ImageRef[]): Json {
  return defined({
    // the prompt decides how many pictures are drawn; `max_images` is only a limit
    prompt: count > 1 ? `${prompt}\n\nGenerate ${count} images.` : prompt,
    image: images.length > 1 ? [...images] : images[0],
    size: `${width}x${height}`,
    sequential_image_generation: count > 1 ? 'auto' : 'disabled',
    sequential_image_generation_options: count > 1 ? { max_images: count } : undefined,
    response_format: 'url',
    watermark: false,
  })
}

const routes = (endpoint: string, dollars: number): Route[] =>
  imageLimits.map((limits) => ({
    provider: 'ark',
    endpoint,
    takes: { ...limits, aspects, params: {} },
    input,
    cost: perPicture(dollars),
  }))

export const seedream: Model = {
  id: 'seedream',
  aliases: ['doubao', 'doubao-seedream-5-0-lite-260128'],
  title: 'Doubao Seedream 5.0 lite',
  price: 3,
  sizeFactors: onePrice,
  routes: routes('doubao-seedream-5-0-lite-260128', 0.035),
}

export const seedream45: Model = {
  id: 'seedream-4-5',
  aliases: ['doubao-seedream-4-5-251128'],
  title: 'Doubao Seedream 4.5',
  price: 3,
  sizeFactors: onePrice,
  routes: routes('doubao-seedream-4-5-251128', 0.04),
}

export const seedream40: Model = {
  id: 'seedream-4-0',
  aliases: ['doubao-seedream-4-0-250828'],
  title: 'Doubao Seedream 4.0',
  price: 3,
  sizeFactors: onePrice,
  routes: routes('doubao-seedream-4-0-250828', 0.03),
}
