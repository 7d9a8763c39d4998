import type { Model, Takes } from '../core/ports/models.ts'
import { given } from './parts/input.ts'

const takes: Takes = {
  images: { min: 0, max: 14 },
  count: 4,
  aspects: {
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
  },
  sizes: { min: 64, max: 2048 },
  params: {
    seed: { min: 0, max: Number.MAX_SAFE_INTEGER, integer: true },
    steps: { min: 1, max: 50, integer: true },
    guidance: { min: 0, max: 20 },
    strength: { min: 0, max: 1 },
  },
  negative: true,
}

export const sketch: Model = {
  id: 'sketch',
  aliases: [],
  title: 'Sketch (built in)',
  price: 1,
  routes: [
    {
      provider: 'sketch',
      endpoint: 'sketch',
      takes,
      input: ({ prompt, width, height, count, seed, steps, guidance, strength, negative }) =>
        given({ prompt, width, height, count, seed, steps, guidance, strength, negative }),
    },
  ],
}
