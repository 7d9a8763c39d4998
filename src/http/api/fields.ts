/** What the bodies of all families are made of, and its limits; and what answers have in common. */
import { z } from 'zod'
import { promptLimit } from '../../core/request/parse.ts'
import { optional } from '../server/validation.ts'
import { megabyte } from './parts.ts'

/** Names of the surfaces, set up here or not. */
export const sources = ['api', 'discord', 'telegram', 'web'] as const

/** More than is ever drawn from, so that it is refused in better words. */
export const longestPrompt = 32_000
/** Of one request: no model takes more. */
export const mostPictures = 14
/** Also of data URLs. */
export const longestAddress = 16 * megabyte

export const word = z.string().max(200)
/** The document tells what is drawn from. */
export const promptText = z.string().max(longestPrompt).meta({ maxLength: promptLimit })
export const address = z.string().min(1).max(longestAddress)
export const seed = z.union([z.int(), z.string().regex(/^(-1|\d{1,20})$/)], { error: 'it must be a whole number' })
/** For what other services heed and we do not: whatever it is, it is let pass. */
export const withoutEffect = optional(z.unknown()).describe('Accepted, without effect.')
export const webhookAddress = z.url({ protocol: /^https?$/ }).max(2_000)
/** Of a list. What pages send for everything is as good as absent. */
export const source = z
  .preprocess(
    (value) => (value === '' || value === 'all' ? undefined : value),
    z.enum(sources, `it must be one of ${sources.join(', ')}, or all`).optional(),
  )
  .optional()
  .describe('Only those asked for there. `all`, or nothing: wherever it was.')

/** Of an answer. */
export const pixels = z
  .int()
  .nullable()
  .describe('Of the first picture once it is drawn, before that as asked for. null: its shape is not known yet.')
