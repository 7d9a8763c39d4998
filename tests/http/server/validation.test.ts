import { expect, it } from 'vitest'
import { z } from 'zod'
import { optional, parseWith } from '../../../src/http/server/validation.ts'

const schema = z.object({
  n: optional(z.int().min(1).max(10)),
  strength: optional(z.number().max(1)),
  cost: optional(z.number().positive()),
  name: optional(z.string().max(3)),
  list: optional(z.array(z.object({ weight: z.number().min(0).max(2) })).max(2)),
})

it.each([
  [{ n: 11 }, 'n: use 1 to 10'],
  [{ n: 0 }, 'n: use 1 to 10'],
  [{ strength: 2 }, 'strength: use 1 or less'],
  [{ cost: 0 }, 'cost: use more than 0'],
  [{ name: 'long' }, 'name: use at most 3 characters'],
  [{ list: [{ weight: 1 }, { weight: 3 }] }, 'list.1.weight: use 0 to 2'],
  [{ list: [{ weight: 1 }, { weight: 1 }, { weight: 1 }] }, 'list: send at most 2'],
])('says what to send in place of %j', (body, message) => {
  expect(() => parseWith(schema, body)).toThrow(message)
})
