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
  // it loads none: an address gives the picture a tint of its own
  loras: { max: 3, range: { min: 0, max: 2 }, names: ['cold', 'warm'], hosts: ['*'] },
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
      input: ({ prompt, width, height, count, seed, steps, guidance, strength, negative, loras: named }, _, mask) => {
        const loras = named?.map(({ path, scale = 1 }) => ({ path, scale }))
        return defined({ prompt, width, height, count, seed, steps, guidance, strength, negative, mask, loras })
      },
      cost: free,
    },
  ],
}
