/** Kling's image models. They take no seed, no steps and no exact size. */
import type { ImageRef, Model, PictureRequest, Route, Takes } from '../core/ports/models.ts'
import type { Json } from '../db/json.ts'
import { onePrice, perPicture } from './routes/costs.ts'
import { defined } from './routes/input.ts'
import { likeInput, oneImage, textOnly } from './routes/takes.ts'

/** A request names a ratio and about how large the picture is (1k). Kling does not say the sizes; these have about a megapixel. */
const aspects = {
  '1:1': [1024, 1024],
  '3:2': [1248, 832],
  '3:4': [896, 1184],
  '16:9': [1360, 768],
  '9:16': [768, 1360],
  '4:3': [1184, 896],
  '2:3': [832, 1248],
  '21:9': [1568, 672],
} as const satisfies Takes['aspects']

/** Each picture is a task of its own for Kling's limit of parallel tasks. */
const count = 9
const promptLimit = 2_500
/** Leaves room for the names of ten pictures. */
const omniLimit = promptLimit - 200

const common = ({ prompt, aspect, count: n }: PictureRequest) => ({ prompt, aspect_ratio: aspect, n })

/** Kling knows the pictures by such names in the prompt. */
function naming(prompt: string, images: readonly ImageRef[]): string {
  if (prompt.includes('<<<image_')) return prompt
  return `${images.map((_, at) => `<<<image_${at + 1}>>>`).join(' ')} ${prompt}`
}

/** All routes of an endpoint share this mapping, because a worker finds the route of a request by its endpoint. */
const generation = (request: PictureRequest, [image]: readonly ImageRef[]): Json =>
  defined({ ...common(request), resolution: '1k', negative_prompt: request.negative, image })

const text = (model: string, dollars: number): Route => ({
  provider: 'kling',
  endpoint: `generations/${model}`,
  takes: { images: textOnly, count, aspects, params: {}, negative: true, promptLimit },
  input: generation,
  cost: perPicture(dollars),
})

const omni: Route = {
  provider: 'kling',
  endpoint: 'omni-image/kling-v3-omni',
  takes: {
    images: { min: 1, max: 10 },
    count,
    aspects: { ...likeInput, ...aspects },
    params: {},
    promptLimit: omniLimit,
  },
  input: (request, images) => ({
    ...common(request),
    resolution: '1k',
    prompt: naming(request.prompt, images),
    image_list: images.map((image) => ({ image })),
  }),
  cost: perPicture(0.028),
}

const single: Route = {
  provider: 'kling',
  endpoint: 'generations/kling-v2-1',
  takes: { images: oneImage, count, aspects, params: {}, promptLimit },
  input: generation,
  cost: perPicture(0.028),
}

const several: Route = {
  provider: 'kling',
  endpoint: 'multi-image2image/kling-v2-1',
  takes: { images: { min: 2, max: 4 }, count, aspects, params: {}, promptLimit },
  input: (request, images) => ({
    ...common(request),
    subject_image_list: images.map((image) => ({ subject_image: image })),
  }),
  cost: perPicture(0.056),
}

export const kling3: Model = {
  id: 'kling',
  aliases: ['kling-v3', 'kling-v3-omni'],
  title: 'Kling 3.0',
  price: 3,
  sizeFactors: onePrice,
  routes: [text('kling-v3', 0.028), omni],
}

export const kling21: Model = {
  id: 'kling-2-1',
  aliases: ['kling-v2-1'],
  title: 'Kling 2.1',
  price: 2,
  sizeFactors: onePrice,
  prices: { input: 1 },
  routes: [text('kling-v2-1', 0.014), single, several],
}
