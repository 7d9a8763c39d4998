/** Qwen Image and Wan on DashScope. */
import type { ImageRef, Model, NumberParam, PictureRequest, Range, Takes } from '../core/ports/models.ts'
import type { Json } from '../db/json.ts'
import { onePrice, perPicture } from './routes/costs.ts'
import { defined, seedNumber } from './routes/input.ts'
import { likeInput, textOnly } from './routes/takes.ts'

const seed = { min: 0, max: 2_147_483_647, integer: true } satisfies Range
const params = { seed } satisfies Partial<Record<NumberParam, Range>>
const textToImage = { images: textOnly, promptLimit: 800, params } satisfies Partial<Takes>

const negativePrompt = { negative: true, negativeLimit: 500 } satisfies Partial<Takes>

const message = (prompt: string, images: readonly ImageRef[]): Json => ({
  messages: [{ role: 'user', content: [...images.map((image) => ({ image })), { text: prompt }] }],
})

function parameters({ width, height, count, negative, seed }: PictureRequest): Record<string, Json> {
  return defined({
    // absent for 'auto': the result then has the shape of the input pictures
    size: width > 0 ? `${width}*${height}` : undefined,
    n: count,
    negative_prompt: negative,
    seed: seedNumber(seed),
    prompt_extend: false,
    watermark: false,
  })
}

const qwen = (request: PictureRequest, images: readonly ImageRef[]): Json => ({
  input: message(request.prompt, images),
  parameters: parameters(request),
})

/** Wan 2.7 refuses `negative_prompt` and `prompt_extend`. */
function wan27(request: PictureRequest, images: readonly ImageRef[]): Json {
  const { negative_prompt: _negative, prompt_extend: _extend, ...rest } = parameters(request)
  return { input: message(request.prompt, images), parameters: rest }
}

/** Sizes of one megapixel or more, for the models that accept any size. */
const aspects = {
  '1:1': [1328, 1328],
  '1:2': [928, 1856],
  '3:2': [1536, 1024],
  '3:4': [1104, 1472],
  '16:9': [1792, 1008],
  '9:16': [1008, 1792],
  '4:3': [1472, 1104],
  '2:3': [1024, 1536],
  '21:9': [2016, 864],
} as const

export const qwenImage: Model = {
  id: 'qwen-image',
  aliases: ['qwen', 'qwen-image-plus', 'qwen-image-edit-plus'],
  title: 'Qwen Image',
  price: 2,
  sizeFactors: onePrice,
  routes: [
    {
      provider: 'dashscope',
      endpoint: 'qwen-image-plus',
      takes: {
        ...textToImage,
        count: 1,
        // the only five sizes that it accepts
        aspects: {
          '1:1': [1328, 1328],
          '16:9': [1664, 928],
          '4:3': [1472, 1104],
          '3:4': [1104, 1472],
          '9:16': [928, 1664],
        },
        ...negativePrompt,
      },
      input: qwen,
      cost: perPicture(0.03),
    },
    {
      provider: 'dashscope',
      endpoint: 'qwen-image-edit-plus',
      takes: {
        images: { min: 1, max: 3 },
        promptLimit: 800,
        params,
        count: 6,
        aspects: { ...likeInput, ...aspects },
        sizes: { min: 512, max: 2048 },
        ...negativePrompt,
      },
      input: qwen,
      cost: perPicture(0.03),
    },
  ],
}

export const qwenImage2: Model = {
  id: 'qwen-image-2',
  aliases: ['qwen-image-2.0'],
  title: 'Qwen Image 2.0',
  price: 2,
  sizeFactors: onePrice,
  routes: [
    {
      provider: 'dashscope',
      endpoint: 'qwen-image-2.0',
      takes: { ...textToImage, count: 6, aspects, sizes: { min: 512, max: 2048 }, ...negativePrompt },
      input: qwen,
      cost: perPicture(0.035),
    },
  ],
}

export const wan: Model = {
  id: 'wan',
  aliases: ['wan2.7-image'],
  title: 'Wan 2.7',
  price: 2,
  sizeFactors: onePrice,
  routes: [
    {
      provider: 'dashscope',
      endpoint: 'wan2.7-image',
      takes: { ...textToImage, count: 4, aspects, sizes: { min: 768, max: 2048 } },
      input: wan27,
      cost: perPicture(0.03),
    },
  ],
}
