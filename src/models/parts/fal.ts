import type { ImageRef, Model, PictureRequest, Range, Route, Takes } from '../../core/ports/models.ts'
import type { Json } from '../../db/json.ts'
import { given, seedNumber } from './input.ts'

export const textOnly = { min: 0, max: 0 }
export const oneImage = { min: 1, max: 1 }
/** More would be ignored without a word (flux-2), and kontext's own service takes four. */
export const severalImages = { min: 2, max: 4 }
export const upToFourImages = { min: 1, max: 4 }

/** fal hands out seeds of 64 bits and takes them back. */
export const seed: Range = { min: 0, max: 2 ** 64, integer: true }
export const guidance: Range = { min: 1, max: 20 }
export const steps = (max: number, min = 1): Range => ({ min, max, integer: true })

/** Every side is a multiple of 16 and at least 512: below, flux-2 refuses. */
export const ratios = {
  '1:1': [1024, 1024],
  '1:2': [512, 1024],
  '3:2': [768, 512],
  '3:4': [768, 1024],
  '16:9': [1024, 576],
  '9:16': [576, 1024],
  '4:3': [1024, 768],
  '2:3': [512, 768],
  '21:9': [1344, 576],
  '9:21': [576, 1344],
} as const satisfies Takes['aspects']

export const likeInput = { auto: [0, 0] } as const satisfies Takes['aspects']

/** JPEG, also where the default is PNG: ten times less to carry for a difference that nobody sees. */
const format = { output_format: 'jpeg' }
export const checked = { ...format, enable_safety_checker: true }
/** Strings: the numbers are names of levels. */
export const tolerant = { ...format, safety_tolerance: '2' }

export const seeded = ({ seed }: PictureRequest) => ({ seed: seedNumber(seed) })

/** Nothing where the shape is the input picture's. */
export function sized({ aspect, width, height }: PictureRequest): { image_size?: Json } {
  return aspect === 'auto' ? {} : { image_size: { width, height } }
}

export const tuned = ({ steps, guidance }: PictureRequest) => ({ num_inference_steps: steps, guidance_scale: guidance })

type Input = (request: PictureRequest, images: readonly ImageRef[]) => Readonly<Record<string, Json | undefined>>

export function onFal(endpoint: string, takes: Takes, input: Input): Route {
  return { provider: 'fal', endpoint, takes, input: (request, images) => given(input(request, images)) }
}

/** Endpoints by their own names: each a model with this one route, so that nothing but this endpoint serves it. */
export function endpointModels({ title, price }: Model, routes: readonly Route[]): Model[] {
  return routes.map((route) => ({
    id: route.endpoint,
    aliases: [],
    title: `${title} (${route.endpoint})`,
    hidden: true,
    price,
    routes: [route],
  }))
}
