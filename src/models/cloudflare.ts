/** Models on Cloudflare Workers AI. */
import type { Model, PictureRequest, Range, Route } from '../core/ports/models.ts'
import type { Json } from '../db/json.ts'
import { byTiles, perTile } from './routes/costs.ts'
import { defined, seedNumber } from './routes/input.ts'
import { aspects, steps, textOnly } from './routes/takes.ts'

const upToFourImages = { min: 0, max: 4 }
/** US dollars. */
const neuron = 0.011 / 1000
const seed: Range = { min: 0, max: 4_294_967_295, integer: true }

/** Draws squares only, and refuses every parameter but these two. */
export const schnellOnCloudflare: Route = {
  provider: 'cloudflare',
  endpoint: '@cf/black-forest-labs/flux-1-schnell',
  takes: {
    images: textOnly,
    promptLimit: 2048,
    count: 1,
    aspects: { '1:1': aspects['1:1'] },
    params: { steps: steps(8) },
  },
  input: (request) => defined({ prompt: request.prompt, steps: request.steps }),
  cost: perTile({ tile: 4.8 * neuron, step: 9.6 * neuron }, 4),
}

/** A distilled model: its number of steps is fixed, and it accepts a seed but ignores it. */
const klein: Route = {
  provider: 'cloudflare',
  endpoint: '@cf/black-forest-labs/flux-2-klein-4b',
  takes: { images: upToFourImages, count: 1, aspects, params: {} },
  input: ({ prompt, width, height }, images) => defined({ prompt, width, height, ...inputImages(images) }),
  cost: perTile({ tile: 0.000287, input: 0.000059 }),
}

const dev: Route = {
  provider: 'cloudflare',
  endpoint: '@cf/black-forest-labs/flux-2-dev',
  takes: {
    images: upToFourImages,
    count: 1,
    aspects,
    sizes: { min: 256, max: 1920 },
    params: { steps: steps(50), guidance: { min: 0, max: 20 }, seed },
  },
  input: ({ prompt, width, height, steps, guidance, seed }, images) =>
    defined({ prompt, width, height, steps, guidance, seed: seedNumber(seed), ...inputImages(images) }),
  cost: perTile({ tileStep: 0.00041, inputStep: 0.00021 }),
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
  cost: perTile({ tile: 0.007, step: 0.000132 }),
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
  input: (request) => defined({ ...leonardo(request), negative_prompt: request.negative }),
  cost: perTile({ tile: 0.0058, step: 0.00011 }, 25),
}

function leonardo({ prompt, width, height, steps, guidance, seed }: PictureRequest) {
  return defined({ prompt, width, height, num_steps: steps, guidance, seed: seedNumber(seed) })
}

function inputImages(images: readonly Json[]): Record<string, Json> {
  return Object.fromEntries(images.map((image, at) => [`input_image_${at}`, image]))
}

export const cloudflareModels: readonly Model[] = [
  {
    id: 'cf-schnell',
    aliases: [schnellOnCloudflare.endpoint],
    title: 'FLUX.1 schnell (Cloudflare)',
    price: 1,
    routes: [schnellOnCloudflare],
  },
  { id: 'cf-flux-2-klein', aliases: [klein.endpoint], title: 'FLUX.2 klein (Cloudflare)', price: 1, routes: [klein] },
  {
    id: 'cf-flux-2-dev',
    aliases: [dev.endpoint],
    title: 'FLUX.2 dev (Cloudflare)',
    price: 2,
    sizeFactors: byTiles,
    routes: [dev],
  },
  {
    id: 'cf-lucid',
    aliases: [lucid.endpoint],
    title: 'Leonardo Lucid Origin (Cloudflare)',
    price: 2,
    sizeFactors: byTiles,
    routes: [lucid],
  },
  {
    id: 'cf-phoenix',
    aliases: [phoenix.endpoint],
    title: 'Leonardo Phoenix 1.0 (Cloudflare)',
    price: 2,
    sizeFactors: byTiles,
    routes: [phoenix],
  },
]
