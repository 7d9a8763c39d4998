/** What the routes of several models take: aspect ratios, numbers of input pictures, ranges. */
import type { Range, Takes } from '../../core/ports/models.ts'

/** The six presets and four more. Every side is a multiple of 16, at least 512 and at most 1344. */
export const aspects = {
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

/** The result has the shape of the input picture. */
export const likeInput = { auto: [0, 0] } as const satisfies Takes['aspects']

export const textOnly = { min: 0, max: 0 }
export const oneImage = { min: 1, max: 1 }

/** Seeds that JavaScript and JSON hold exactly. */
export const safeSeed: Range = { min: 0, max: Number.MAX_SAFE_INTEGER, integer: true }

export const steps = (max: number, min = 1): Range => ({ min, max, integer: true })

/** A strength of 0 would return the input picture. */
export const strength: Range = { min: 0.01, max: 1 }
