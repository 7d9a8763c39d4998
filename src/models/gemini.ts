/** Google's image models. Each picture is a call of its own. */
import type { Cost, ImageRef, Model, PictureRequest, Route, Takes } from '../core/ports/models.ts'
import type { Json } from '../db/json.ts'
import { onePrice, perPicture } from './routes/costs.ts'
import { defined, seedNumber } from './routes/input.ts'
import { likeInput, textOnly } from './routes/takes.ts'

/** The sizes that the models draw for a ratio at 1K. The request names the ratio alone. */
const aspects = {
  '1:1': [1024, 1024],
  '3:2': [1264, 848],
  '3:4': [896, 1200],
  '16:9': [1376, 768],
  '9:16': [768, 1376],
  '4:3': [1200, 896],
  '2:3': [848, 1264],
  '4:5': [928, 1152],
  '5:4': [1152, 928],
  '21:9': [1584, 672],
} as const satisfies Takes['aspects']

/** As `aspects`, at 2K. */
const largeAspects: Takes['aspects'] = Object.fromEntries(
  Object.entries(aspects).map(([ratio, [width, height]]) => [ratio, [width * 2, height * 2]]),
)

/** As `aspects`, of Gemini 2.5. */
const aspectsOf25 = {
  '1:1': [1024, 1024],
  '3:2': [1248, 832],
  '3:4': [864, 1184],
  '16:9': [1344, 768],
  '9:16': [768, 1344],
  '4:3': [1184, 864],
  '2:3': [832, 1248],
  '4:5': [896, 1152],
  '5:4': [1152, 896],
  '21:9': [1536, 672],
} as const satisfies Takes['aspects']

/** The API says "seed" is an int32. */
const params = { seed: { min: 0, max: 2 ** 31 - 1, integer: true } }

/** `tier`: the size's name in the API. Absent: the model has one size. */
const inputFor =
  (tier?: '1K' | '2K') =>
  ({ prompt, aspect, seed }: PictureRequest, images: readonly ImageRef[]): Json => ({
    contents: [{ role: 'user', parts: [...images.map((inlineData) => ({ inlineData })), { text: prompt }] }],
    generationConfig: defined({
      responseModalities: ['IMAGE'],
      // without a ratio, an edit keeps the shape of the input picture
      imageConfig: defined({ aspectRatio: aspect === 'auto' ? undefined : aspect, imageSize: tier }),
      seed: seedNumber(seed),
    }),
  })

interface Endpoint {
  endpoint: string
  aspects: Takes['aspects']
  tier?: '1K' | '2K'
  /** Input pictures. */
  maxImages: number
  cost: Cost
}

function routesOf({ endpoint, aspects, tier, maxImages, cost }: Endpoint): Route[] {
  const common = { provider: 'gemini', endpoint, input: inputFor(tier), cost }
  return [
    { ...common, takes: { images: textOnly, count: 4, aspects, params } },
    {
      ...common,
      takes: { images: { min: 1, max: maxImages }, count: 4, aspects: { ...likeInput, ...aspects }, params },
    },
  ]
}

export const geminiImage: Model = {
  id: 'gemini-image',
  aliases: ['gemini-nano-banana-2.1'],
  spareAliases: ['nano-banana', 'nano-banana-2'],
  title: 'Gemini Nano Banana 2.1',
  price: 4,
  sizeFactors: onePrice,
  routes: routesOf({
    endpoint: 'gemini-nano-banana-2.1',
    aspects,
    tier: '1K',
    maxImages: 14,
    cost: perPicture(0.0336),
  }),
}

export const geminiImagePro: Model = {
  id: 'gemini-image-pro',
  aliases: ['gemini-3-pro-image'],
  spareAliases: ['nano-banana-pro'],
  title: 'Gemini 3 Pro Image',
  price: 14,
  sizeFactors: onePrice,
  routes: routesOf({
    endpoint: 'gemini-3-pro-image',
    aspects: largeAspects,
    tier: '2K',
    maxImages: 14,
    cost: perPicture(0.134),
  }),
}

/** Google has announced different dates for its end; its three input pictures are what Google advises at most. */
export const geminiImage25: Model = {
  id: 'gemini-image-2-5',
  aliases: ['gemini-2.5-flash-image'],
  title: 'Gemini 2.5 Flash Image',
  price: 4,
  sizeFactors: onePrice,
  routes: routesOf({
    endpoint: 'gemini-2.5-flash-image',
    aspects: aspectsOf25,
    maxImages: 3,
    cost: perPicture(0.039),
  }),
}
