/** Fields that requests and responses of all families have in common, and their limits. */
import { z } from 'zod'
import { promptLimit } from '../../core/request/parse.ts'
import { megabyte } from '../server/bodies.ts'
import { optional } from '../server/validation.ts'

/** Characters of a prompt that are parsed. Above `promptLimit`, so that the core refuses longer prompts with a better message. */
export const maxPromptLength = 32_000
/** Input pictures of one request: no model takes more. */
export const maxPictures = 14
/** Characters of an address, also of a data URL. */
export const maxAddressLength = 16 * megabyte

/** Names of the surfaces, for filtering a history by where requests were made. */
export const sources = ['api', 'discord', 'telegram', 'web'] as const

/** fal's names for shapes → ratios. */
export const presetSizes = {
  square_hd: '1:1',
  square: '1:1',
  portrait_4_3: '3:4',
  portrait_16_9: '9:16',
  landscape_4_3: '4:3',
  landscape_16_9: '16:9',
} as const

export type PresetSize = keyof typeof presetSizes

export const word = z.string().max(200)
/** The document shows the limit of the core. */
export const promptText = z.string().max(maxPromptLength).meta({ maxLength: promptLimit })
export const address = z.string().min(1).max(maxAddressLength)
/** Pixels of a requested width or height. */
export const edge = z.int().min(16).max(14_142)
export const seed = z.union([z.int(), z.string().regex(/^(-1|\d{1,20})$/)], { error: 'it must be a whole number' })
export const scale = z
  .int()
  .min(1)
  .max(100)
  .describe('How many times as long each side becomes, for models that enlarge: 2 or 4 with `upscale`.')
/** A field that other services use. Any value is accepted. */
export const withoutEffect = optional(z.unknown()).describe('Accepted, but has no effect.')
export const webhookAddress = z.url({ protocol: /^https?$/ }).max(2_000)
/** A filter of lists. Pages send '' or 'all' for no filter. */
export const source = z
  .preprocess(
    (value) => (value === '' || value === 'all' ? undefined : value),
    z.enum(sources, `it must be one of ${sources.join(', ')}, or all`).optional(),
  )
  .optional()
  .describe('Returns only requests that were made there. `all`, or absent: requests from everywhere.')

/** In responses: a width or height. */
export const pixels = z
  .int()
  .nullable()
  .describe('Pixels of the first image once it is generated, before that as requested. null: not known yet.')
