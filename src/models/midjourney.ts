/** Midjourney. Its parameters are part of the prompt. Its own buttons continue the task that drew a picture. */
import type { ImageRef, Model, PictureRequest, Route } from '../core/ports/models.ts'
import type { Json } from '../db/json.ts'
import { onePrice } from './routes/costs.ts'
import { oneImage, textOnly } from './routes/takes.ts'

/** The size of each of the four pictures. */
const aspects = {
  '1:1': [1024, 1024],
  '1:2': [768, 1536],
  '3:2': [1344, 896],
  '3:4': [928, 1232],
  '16:9': [1456, 816],
  '9:16': [816, 1456],
  '4:3': [1232, 928],
  '2:3': [896, 1344],
  '21:9': [1680, 720],
} as const

/** The shapes of pictures that are blended without words. */
const shapes = { '1:1': [1024, 1024], '2:3': [896, 1344], '3:2': [1344, 896] } as const
const dimensions: Readonly<Record<string, string>> = { '1:1': 'SQUARE', '2:3': 'PORTRAIT', '3:2': 'LANDSCAPE' }

const params = { seed: { min: 0, max: 2 ** 32 - 1, integer: true } }
const grid = { count: 1, picturesEach: 4 }

/** Parameters that change what a task costs, which model draws, or how many tasks there are. */
const ownFlags = [
  ...['turbo', 'fast', 'relax', 'draft', 'hd', 'quality', 'q', 'repeat', 'r', 'video', 'oref', 'cref'],
  ...['version', 'v', 'niji'],
]
const takes = { ...grid, params, negative: true, ownFlags }

/** Those of people are refused before (`ownFlags`). What a language model writes must not become a parameter either. */
const plain = (words: string) => words.replace(/--+|—+/g, ' ')

function promptOf({ prompt, aspect, seed, negative }: PictureRequest): string {
  const exclusions = negative && `--no ${plain(negative)}`
  return [plain(prompt), `--ar ${aspect}`, seed !== undefined && `--seed ${seed}`, exclusions].filter(Boolean).join(' ')
}

const imagine = (request: PictureRequest, images: readonly ImageRef[]): Json => ({
  prompt: promptOf(request),
  ...(images.length > 0 && { base64Array: [...images] }),
})

const blend = ({ aspect }: PictureRequest, images: readonly ImageRef[]): Json => ({
  base64Array: [...images],
  dimensions: dimensions[aspect] ?? 'SQUARE',
})

/** The input comes from the provider, with the result that is continued. */
const continued = ({ continues }: PictureRequest): Json => continues?.input ?? {}
const continuing = { images: textOnly, aspects, params: {}, prompt: 'optional' } as const

/** One path at the proxy takes words, with or without pictures. */
const common = { provider: 'midjourney', endpoint: 'midjourney' }
const routes: readonly Route[] = [
  { ...common, takes: { ...takes, images: textOnly, aspects }, input: imagine },
  { ...common, takes: { ...takes, images: oneImage, aspects }, input: imagine },
  {
    provider: 'midjourney',
    endpoint: 'midjourney/several',
    // what a blend without words has no place for is refused for several pictures with words as well
    takes: { ...grid, images: { min: 2, max: 5 }, aspects: shapes, params: {}, prompt: 'optional', ownFlags },
    input: (request, images) => (request.prompt === '' ? blend(request, images) : imagine(request, images)),
  },
  {
    provider: 'midjourney',
    endpoint: 'midjourney/upscale',
    takes: { ...continuing, count: 1, continues: ['upscale'] },
    input: continued,
  },
  {
    provider: 'midjourney',
    endpoint: 'midjourney/continue',
    takes: {
      ...continuing,
      ...grid,
      continues: ['vary', 'reroll', 'zoomout', 'zoomoutless', 'panleft', 'panright', 'panup', 'pandown'],
    },
    input: continued,
  },
]

export const midjourney: Model = {
  id: 'midjourney',
  aliases: ['mj'],
  title: 'Midjourney',
  price: 3,
  sizeFactors: onePrice,
  routes,
}
