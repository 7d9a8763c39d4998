import type { Model, PictureRequest, Range, Route, Takes } from '../core/ports/models.ts'
import type { Json } from '../db/json.ts'
import { given, seedNumber } from './parts/input.ts'

/** Every side is a multiple of 16: the models floor what is not. */
const aspects = {
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

const textOnly = { min: 0, max: 0 }
const upToFour = { min: 0, max: 4 }
const seed: Range = { min: 0, max: 4_294_967_295, integer: true }
const steps = (max: number): Range => ({ min: 1, max, integer: true })

/** Square only, and it refuses every name but these two. */
export const schnellOnCloudflare: Route = {
  provider: 'cloudflare',
  endpoint: '@cf/black-forest-labs/flux-1-schnell',
  takes: {
    images: textOnly,
    promptLimit: 2048,
    count: 1,
    aspects: { '1:1': [1024, 1024] },
    params: { steps: steps(8) },
  },
  input: (request) => given({ prompt: request.prompt, steps: request.steps }),
}

/** Distilled: its steps are fixed, and it takes a seed without heeding it. */
const klein: Route = {
  provider: 'cloudflare',
  endpoint: '@cf/black-forest-labs/flux-2-klein-4b',
  takes: { images: upToFour, count: 1, aspects, params: {} },
  input: ({ prompt, width, height }, images) => given({ prompt, width, height, ...named(images) }),
}

const dev: Route = {
  provider: 'cloudflare',
  endpoint: '@cf/black-forest-labs/flux-2-dev',
  takes: {
    images: upToFour,
    count: 1,
    aspects,
    sizes: { min: 256, max: 1920 },
    params: { steps: steps(50), guidance: { min: 0, max: 20 }, seed },
  },
  input: ({ prompt, width, height, steps, guidance, seed }, images) =>
    given({ prompt, width, height, steps, guidance, seed: seedNumber(seed), ...named(images) }),
}

const lucid: Route = {
  provider: 'cloudflare',
  endpoint: '@cf/leonardo/lucid-origin',
  takes: {
    images: textOnly,
    count: 1,
    aspects,
    sizes: { min: 64, max: 2048 },
    params: { steps: steps(40), guidance: { min: 0, max: 10 }, seed },
  },
  input: (request) => leonardo(request),
}

const phoenix: Route = {
  provider: 'cloudflare',
  endpoint: '@cf/leonardo/phoenix-1.0',
  takes: {
    images: textOnly,
    count: 1,
    aspects,
    sizes: { min: 64, max: 2048 },
    params: { steps: steps(50), guidance: { min: 2, max: 10 }, seed },
    negative: true,
  },
  input: (request) => given({ ...leonardo(request), negative_prompt: request.negative }),
}

function leonardo({ prompt, width, height, steps, guidance, seed }: PictureRequest) {
  return given({ prompt, width, height, num_steps: steps, guidance, seed: seedNumber(seed) })
}

function named(images: readonly Json[]): Record<string, Json> {
  return Object.fromEntries(images.map((image, at) => [`input_image_${at}`, image]))
}

export const cloudflareModels: readonly Model[] = [
  { id: 'cf-schnell', aliases: [], title: 'FLUX.1 schnell (Cloudflare)', price: 1, routes: [schnellOnCloudflare] },
  { id: 'cf-flux-2-klein', aliases: [], title: 'FLUX.2 klein (Cloudflare)', price: 1, routes: [klein] },
  { id: 'cf-flux-2-dev', aliases: [], title: 'FLUX.2 dev (Cloudflare)', price: 2, routes: [dev] },
  { id: 'cf-lucid', aliases: [], title: 'Leonardo Lucid Origin (Cloudflare)', price: 2, routes: [lucid] },
  { id: 'cf-phoenix', aliases: [], title: 'Leonardo Phoenix 1.0 (Cloudflare)', price: 2, routes: [phoenix] },
]
