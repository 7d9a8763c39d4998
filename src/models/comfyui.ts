import type { Model, Range, Route, Takes } from '../core/ports/models.ts'
import { devGraph, kontextGraph, schnellGraph } from './parts/graphs.ts'

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

const sizes: Range = { min: 64, max: 2048 }
const seed: Range = { min: 0, max: Number.MAX_SAFE_INTEGER, integer: true }
const steps: Range = { min: 1, max: 50, integer: true }
const guidance: Range = { min: 0, max: 20 }
const strength: Range = { min: 0.01, max: 1 }

const words = { min: 0, max: 0 }
const picture = { min: 1, max: 1 }
const count = 4

function route(endpoint: string, takes: Takes, input: Route['input']): Route {
  return { provider: 'comfyui', endpoint, takes, input }
}

const sized = { count, aspects, sizes }

const dev: Model = {
  id: 'comfy-dev',
  aliases: [],
  title: 'FLUX.1 dev (ComfyUI)',
  price: 1,
  routes: [
    route('flux-dev', { images: words, ...sized, params: { seed, steps, guidance } }, devGraph),
    route('flux-dev-image', { images: picture, ...sized, params: { seed, steps, guidance, strength } }, devGraph),
  ],
}

const schnell: Model = {
  id: 'comfy-schnell',
  aliases: [],
  title: 'FLUX.1 schnell (ComfyUI)',
  price: 1,
  routes: [
    route('flux-schnell', { images: words, ...sized, params: { seed, steps } }, schnellGraph),
    route('flux-schnell-image', { images: picture, ...sized, params: { seed, steps, strength } }, schnellGraph),
  ],
}

const kontext: Model = {
  id: 'comfy-kontext',
  aliases: [],
  title: 'FLUX.1 Kontext (ComfyUI)',
  price: 1,
  routes: [
    route(
      'flux-kontext',
      { images: { min: 1, max: 2 }, count, aspects: { auto: [0, 0] }, params: { seed, steps, guidance } },
      kontextGraph,
    ),
  ],
}

export const comfyuiModels: readonly Model[] = [dev, schnell, kontext]
