/** Jimeng's models. A task draws one picture. */
import type { ImageRef, Model, PictureRequest, Route } from '../core/ports/models.ts'
import type { Json } from '../db/json.ts'
import { onePrice } from './routes/costs.ts'
import { defined, seedNumber } from './routes/input.ts'
import { oneImage, textOnly } from './routes/takes.ts'

const promptLimit = 800
/** Jimeng's default, -1, is any seed. */
const seed = { min: 0, max: 2 ** 31 - 1, integer: true }

/** Sizes of about four megapixels, as Jimeng 4.0 recommends them. */
const aspects40 = {
  '1:1': [2048, 2048],
  '3:2': [2496, 1664],
  '3:4': [1728, 2304],
  '16:9': [2560, 1440],
  '9:16': [1440, 2560],
  '4:3': [2304, 1728],
  '2:3': [1664, 2496],
  '21:9': [3024, 1296],
} as const

const aspects31 = {
  '1:1': [1328, 1328],
  '3:2': [1584, 1056],
  '3:4': [1104, 1472],
  '16:9': [1664, 936],
  '9:16': [936, 1664],
  '4:3': [1472, 1104],
  '2:3': [1056, 1584],
  '21:9': [2016, 864],
} as const

/** No side may be longer than 1536. */
const aspectsOfEdits = {
  '1:1': [1328, 1328],
  '3:2': [1536, 1024],
  '3:4': [1104, 1472],
  '16:9': [1536, 864],
  '9:16': [864, 1536],
  '4:3': [1472, 1104],
  '2:3': [1024, 1536],
  '21:9': [1536, 656],
} as const

/** Jimeng 4.0 may draw, and charge for, several pictures of its own accord. */
const text40: Route = {
  provider: 'jimeng',
  endpoint: 'jimeng_t2i_v40',
  takes: { images: textOnly, count: 1, aspects: aspects40, params: {}, promptLimit },
  input: ({ prompt, width, height }): Json => ({ prompt, width, height, force_single: true }),
}

/** Jimeng would rewrite short prompts by itself (`use_pre_llm`); people choose `enhance` for that. */
const text31: Route = {
  provider: 'jimeng',
  endpoint: 'jimeng_t2i_v31',
  takes: {
    images: textOnly,
    count: 1,
    aspects: aspects31,
    sizes: { min: 512, max: 2048 },
    params: { seed },
    promptLimit,
  },
  input: (request): Json => ({ ...common(request), use_pre_llm: false }),
}

/** Jimeng 4.0 reads pictures from public links alone; this one takes the file. */
const edit: Route = {
  provider: 'jimeng',
  endpoint: 'jimeng_i2i_v30',
  takes: {
    images: oneImage,
    count: 1,
    aspects: aspectsOfEdits,
    sizes: { min: 512, max: 1536 },
    params: { seed },
    promptLimit,
  },
  input: (request, images: readonly ImageRef[]): Json => ({ ...common(request), binary_data_base64: [...images] }),
}

const common = ({ prompt, width, height, seed: wanted }: PictureRequest) =>
  defined({ prompt, width, height, seed: seedNumber(wanted) })

export const jimeng40: Model = {
  id: 'jimeng',
  aliases: ['jimeng_t2i_v40', 'jimeng-4-0'],
  title: 'Jimeng 4.0',
  price: 3,
  sizeFactors: onePrice,
  routes: [text40, edit],
}

export const jimeng31: Model = {
  id: 'jimeng-3-1',
  aliases: ['jimeng_t2i_v31'],
  title: 'Jimeng 3.1',
  price: 3,
  sizeFactors: onePrice,
  routes: [text31, edit],
}
