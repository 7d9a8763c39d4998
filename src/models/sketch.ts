/** The built-in model: draws a labelled picture without a key or a network, and takes every parameter. */
import type { Model, Takes } from '../core/ports/models.ts'
import { free } from './routes/costs.ts'
import { defined } from './routes/input.ts'
import { aspects, safeSeed, steps } from './routes/takes.ts'

const takes: Takes = {
  images: { min: 0, max: 14 },
  count: 4,
  aspects,
  sizes: { min: 64, max: 2048 },
  params: {
    seed: safeSeed,
    steps: steps(50),
    guidance: { min: 0, max: 20 },
    strength: { min: 0, max: 1 },
  },
  negative: true,
  mask: { marks: 'white' },
  expand: { max: 1024, byMask: true },
  kept: { side: 2048 },
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
      input: ({ prompt, width, height, count, seed, steps, guidance, strength, negative }, _, mask) =>
        defined({ prompt, width, height, count, seed, steps, guidance, strength, negative, mask }),
      cost: free,
    },
  ],
}
