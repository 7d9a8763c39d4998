/** What pages may send to draw and to look back, and what they are answered: for checks, and for the OpenAPI document. */

import { z } from 'zod'
import { optional } from '../../server/validation.ts'
import { address, mostPictures, pixels, promptText, seed, source, sources, webhookAddress, word } from '../fields.ts'

export const tags = ['Web UI']

/** 'aspectRatio' → 'aspect_ratio', 'baseURL' → 'base_url'. */
function asWritten(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body
  return Object.fromEntries(Object.entries(body).map(([name, value]) => [withUnderscores(name), value]))
}

const withUnderscores = (name: string) => name.replace(/([a-z0-9])([A-Z]+)/g, '$1_$2').toLowerCase()

/** A body whose names may be written in either way. */
export const inEitherCase = <T extends z.ZodType>(schema: T) => z.preprocess(asWritten, schema)

const count = optional(z.int().min(1).max(10))
const steps = optional(z.int().min(1).max(1_000))
const guidance = optional(z.number().min(0).max(1_000))
const edge = optional(z.int().min(16).max(9_999))
const addresses = optional(z.union([address, z.array(address).max(mostPictures)]))

export const generateBody = inEitherCase(
  z.looseObject({
    prompt: optional(promptText).describe('What to draw, or what to change.'),
    model: optional(word).describe('A model’s id. Absent: the default.'),
    aspect_ratio: optional(word).describe("A ratio such as '16:9', or an exact '1024x576'. 'auto': the model’s own."),
    ratio: optional(word).describe('The same as `aspect_ratio`.'),
    size: optional(word).describe('The same as `aspect_ratio`.'),
    width: edge.describe('Pixels, together with `height`; counts when no ratio is given.'),
    height: edge.describe('Pixels, together with `width`.'),
    n: count.describe('How many pictures, within what the model takes.'),
    count: count.describe('The same as `n`.'),
    num_images: count.describe('The same as `n`.'),
    seed: optional(seed).describe('The same seed, the same picture. −1: any.'),
    steps,
    num_inference_steps: steps.describe('The same as `steps`.'),
    guidance,
    guidance_scale: guidance.describe('The same as `guidance`.'),
    strength: optional(z.number().min(0).max(1)).describe('How far to go from the picture that was sent.'),
    negative_prompt: optional(promptText).describe('What must not be in the picture.'),
    enhance: optional(z.boolean()).describe('Whether the prompt is made better first.'),
    image: addresses.describe(
      'Pictures to start from: https addresses, data URLs, or keys of pictures that were sent ahead.',
    ),
    image_url: addresses.describe('The same as `image`.'),
    images: addresses.describe('The same as `image`.'),
    webhook_url: optional(webhookAddress).describe('Told when it is over.'),
    wait: optional(z.boolean()).describe('false: answered at once with 202; ask `/api/history/{id}` how far it is.'),
  }),
).meta({
  id: 'WebUiGenerate',
  description: 'Draws pictures. Unknown keys are ignored.',
  examples: [{ prompt: 'a cute cat', aspect_ratio: '16:9' }],
})

export type GenerateBody = z.output<typeof generateBody>

const picture = z.object({ url: z.string().describe('Expires.'), width: z.int(), height: z.int() })

export const statuses = ['queued', 'running', 'completed', 'failed', 'cancelled'] as const

const itemFields = {
  id: z.string(),
  status: z.enum(statuses),
  images: z.array(picture),
  image_url: z.string().nullable().describe('The first of `images`.'),
  image_urls: z.array(z.string()).describe('All of `images`.'),
  timestamp: z.iso.datetime().describe('The same as `created_at`.'),
  parameters: z.record(z.string(), z.union([z.string(), z.number(), z.null()])).describe('What it was drawn with.'),
  prompt: z.string(),
  enhanced_prompt: z.string().nullable().describe('What was drawn, where it is not the sender’s own prompt.'),
  negative_prompt: z.string().nullable(),
  model: z.string(),
  provider: z.string(),
  source: z.string().describe(`Where it was asked for: ${sources.join(', ')}.`),
  aspect_ratio: z.string(),
  width: pixels,
  height: pixels,
  n: z.int(),
  seed: z.union([z.int(), z.string()]).nullable().describe('As text beyond 2^53.'),
  steps: z.number().nullable(),
  guidance: z.number().nullable(),
  strength: z.number().nullable(),
  credits: z.int().describe('What it cost; 0 while it is under way.'),
  position: z.int().nullable().describe('Place in the queue, from 1.'),
  percent: z.number().nullable().describe('null: not known.'),
  created_at: z.iso.datetime(),
  ended_at: z.iso.datetime().nullable(),
  duration_ms: z.int().nullable().describe('From asked to ended.'),
  error: z.string().nullable().describe('Why it failed.'),
  code: z.string().nullable(),
}

export type Item = z.output<typeof item>
const item = z.object(itemFields).meta({ id: 'WebUiItem' })

const success = z.literal(true)

export const itemAnswer = z.object({ success, ...itemFields }).meta({ id: 'WebUiGenerated' })

export const historyQuery = z.object({
  page: z.coerce.number().int().min(1).max(1_000).default(1),
  before: z.uuid().optional().describe('Only what is older than this one: to go far back, better than `page`.'),
  limit: z.coerce.number().int().min(1).max(100).default(20).describe('Items on a page.'),
  source,
})

export const historyAnswer = z
  .object({ success, items: z.array(item), page: z.int(), limit: z.int(), has_more: z.boolean() })
  .meta({ id: 'WebUiHistory' })

export const idParams = z.object({ id: z.string().max(100) })

export const erasedAnswer = z.object({ success, id: z.string() }).meta({ id: 'WebUiErased' })

export const clearedAnswer = z
  .object({
    success,
    deleted: z.int(),
    remaining: z.int().describe('Requests that have not ended: they stay.'),
  })
  .meta({ id: 'WebUiCleared' })

export type Refusal = z.output<typeof refusal>
const refusal = z
  .object({
    success: z.literal(false),
    error: z.string().describe('In the language of `Accept-Language`.'),
    code: z.string(),
    details: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'WebUiError' })

/** Of every route. */
export const refused = { '4xx': refusal, '5xx': refusal }
