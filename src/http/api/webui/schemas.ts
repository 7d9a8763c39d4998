/** Request and response schemas, for validation and for the OpenAPI document. Unknown fields pass validation. */

import { z } from 'zod'
import { optional } from '../../server/validation.ts'
import { expandField, maskField } from '../areas.ts'
import { address, maxPictures, pixels, promptText, seed, source, sources, webhookAddress, word } from '../fields.ts'
import { lorasField } from '../loras.ts'

export const tags = ['Web UI']

/** Changes the names of fields: 'aspectRatio' → 'aspect_ratio', 'baseURL' → 'base_url'. */
function toSnakeCase(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body
  return Object.fromEntries(Object.entries(body).map(([name, value]) => [snakeCase(name), value]))
}

const snakeCase = (name: string) => name.replace(/([a-z0-9])([A-Z]+)/g, '$1_$2').toLowerCase()

/** A body whose field names may be in snake case or camel case. */
export const inAnyCase = <T extends z.ZodType>(schema: T) => z.preprocess(toSnakeCase, schema)

const count = optional(z.int().min(1).max(10))
const steps = optional(z.int().min(1).max(1_000))
const guidance = optional(z.number().min(0).max(1_000))
const edge = optional(z.int().min(16).max(9_999))
const addresses = optional(z.union([address, z.array(address).max(maxPictures)]))

export const generateBody = inAnyCase(
  z.looseObject({
    prompt: optional(promptText).describe('What to draw, or what to change in the input images.'),
    model: optional(word).describe(
      'A model id. Absent: the default model, or the first model that accepts the input images.',
    ),
    aspect_ratio: optional(word).describe(
      "A ratio such as '16:9', or a size such as '1024x576' if the model accepts exact sizes. 'auto': the default of the model.",
    ),
    ratio: optional(word).describe('Same as `aspect_ratio`.'),
    size: optional(word).describe('Same as `aspect_ratio`.'),
    width: edge.describe('Pixels. Requires `height`. A ratio in `aspect_ratio` takes precedence.'),
    height: edge.describe('Pixels. Requires `width`.'),
    n: count.describe('Number of images. The model may allow fewer than 10.'),
    count: count.describe('Same as `n`.'),
    num_images: count.describe('Same as `n`.'),
    seed: optional(seed).describe('The same seed gives the same image. −1: a random seed.'),
    steps,
    num_inference_steps: steps.describe('Same as `steps`.'),
    guidance,
    guidance_scale: guidance.describe('Same as `guidance`.'),
    strength: optional(z.number().min(0).max(1)).describe('How far the result may depart from the input image.'),
    negative_prompt: optional(promptText).describe('What the image must not show.'),
    enhance: optional(z.boolean()).describe('Whether a language model improves the prompt first.'),
    image: addresses.describe('Input images: https URLs, data URLs, links from responses, or keys of uploaded images.'),
    image_url: addresses.describe('Same as `image`.'),
    images: addresses.describe('Same as `image`.'),
    mask: maskField,
    mask_url: maskField.describe('Same as `mask`.'),
    expand: expandField,
    loras: lorasField,
    webhook_url: optional(webhookAddress).describe(
      'Address that receives a webhook when the request has ended. See `GET /v1/webhooks/secret`.',
    ),
    wait: optional(z.boolean()).describe('false: respond at once with 202. Poll `/api/history/{id}`.'),
  }),
).meta({
  id: 'WebUiGenerate',
  description: 'Creates images. Unknown fields are ignored. Names may also be in camel case, such as `aspectRatio`.',
  examples: [{ prompt: 'a cute cat', aspect_ratio: '16:9' }],
})

export type GenerateBody = z.output<typeof generateBody>

const picture = z.object({ url: z.string().describe('A signed URL, which expires.'), width: z.int(), height: z.int() })

export const statuses = ['queued', 'running', 'completed', 'failed', 'cancelled'] as const

const itemFields = {
  id: z.string(),
  status: z.enum(statuses),
  images: z.array(picture),
  image_url: z.string().nullable().describe('URL of the first of `images`.'),
  image_urls: z.array(z.string()).describe('URLs of `images`.'),
  timestamp: z.iso.datetime().describe('Same as `created_at`.'),
  parameters: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))
    .describe('Parameters of the request.'),
  prompt: z.string(),
  enhanced_prompt: z.string().nullable().describe('The enhanced prompt. null: the prompt was used as sent.'),
  negative_prompt: z.string().nullable(),
  model: z.string(),
  provider: z.string(),
  source: z.string().describe(`Where the request was made: ${sources.join(', ')}.`),
  aspect_ratio: z.string(),
  width: pixels,
  height: pixels,
  n: z.int(),
  seed: z.union([z.int(), z.string()]).nullable().describe('A string if it is above 2^53.'),
  steps: z.number().nullable(),
  guidance: z.number().nullable(),
  strength: z.number().nullable(),
  masked: z.boolean().describe('Whether a mask marked the area that was drawn.'),
  expand: z.string().nullable().describe("By how many pixels the input image grew, such as 'left:256'."),
  loras: z.string().nullable().describe("The LoRAs, such as 'name:0.8 https://…'."),
  credits: z.int().describe('Credits charged. 0 until the request has succeeded.'),
  position: z.int().nullable().describe('Position in the queue, from 1. null: not in the queue.'),
  percent: z.number().nullable().describe('Progress in percent. null: unknown.'),
  created_at: z.iso.datetime(),
  ended_at: z.iso.datetime().nullable(),
  duration_ms: z.int().nullable().describe('Milliseconds from `created_at` to `ended_at`.'),
  error: z.string().nullable().describe('The message of the failure. null: the request has not failed.'),
  code: z.string().nullable(),
}

export type Item = z.output<typeof item>
const item = z.object(itemFields).meta({ id: 'WebUiItem' })

const success = z.literal(true)

export const itemResponse = z.object({ success, ...itemFields }).meta({ id: 'WebUiGenerated' })

export const historyQuery = z.object({
  page: z.coerce.number().int().min(1).max(1_000).default(1),
  before: z
    .uuid()
    .optional()
    .describe('Returns only requests older than the request with this id. Faster than `page` for long histories.'),
  limit: z.coerce.number().int().min(1).max(100).default(20).describe('Items in a page.'),
  source,
})

export const historyResponse = z
  .object({ success, items: z.array(item), page: z.int(), limit: z.int(), has_more: z.boolean() })
  .meta({ id: 'WebUiHistory' })

export const idParams = z.object({ id: z.string().max(100) })

export const erasedResponse = z.object({ success, id: z.string() }).meta({ id: 'WebUiErased' })

export const clearedResponse = z
  .object({
    success,
    deleted: z.int(),
    remaining: z.int().describe('Unfinished requests, which are not erased.'),
  })
  .meta({ id: 'WebUiCleared' })

export type ErrorBody = z.output<typeof errorResponse>
const errorResponse = z
  .object({
    success: z.literal(false),
    error: z.string().describe('The message, in the language of `Accept-Language`.'),
    code: z.string(),
    details: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'WebUiError' })

/** Part of every route's responses. */
export const errorResponses = { '4xx': errorResponse, '5xx': errorResponse }
