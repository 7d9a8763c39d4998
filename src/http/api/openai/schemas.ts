/** What may be sent, and what is answered: for checks, and for the OpenAPI document. Keys nobody knows are let pass. */
import { z } from 'zod'
import { examplePicture, optional } from '../../server/validation.ts'
import { address, mostPictures, promptText, seed, webhookAddress, withoutEffect, word } from '../fields.ts'

const shared = {
  model: optional(word).describe(
    'A model’s id. OpenAI’s common names stand for the default model. Absent: the default, or the first that takes the pictures.',
  ),
  n: optional(z.int().min(1).max(10)).describe('How many pictures, within what the model takes.'),
  size: optional(word).describe(
    "A ratio such as '16:9', 'auto', or an exact '1024x1024' where the model takes sizes or knows that ratio. OpenAI’s " +
      'own sizes are drawn in the nearest shape that the model knows; `size` in the answer tells.',
  ),
  response_format: optional(z.enum(['url', 'b64_json'])).describe(
    "Default 'url'; 'b64_json' for the gpt-image and chatgpt-image names. Links expire.",
  ),
  seed: optional(seed).describe('The same seed, the same picture. −1: any.'),
  steps: optional(z.int().min(1).max(1_000)),
  guidance: optional(z.number().min(0).max(1_000)),
  strength: optional(z.number().min(0).max(1)).describe('How far to go from the picture that was sent.'),
  negative_prompt: optional(promptText).describe('What must not be in the picture.'),
  enhance: optional(z.boolean()).describe('Whether the prompt is made better first.'),
  stream: optional(z.boolean()).describe('Server-sent events instead of one answer.'),
  partial_images: optional(z.int().min(0).max(3)).describe('With `stream`: at most so many previews.'),
  webhook_url: optional(webhookAddress).describe('Told when it is over.'),
  quality: withoutEffect,
  style: withoutEffect,
  background: withoutEffect,
  moderation: withoutEffect,
  output_format: withoutEffect.describe('Accepted, without effect: answers say what came.'),
  user: withoutEffect,
}

export const generationsBody = z.looseObject({ prompt: promptText.describe('What to draw.'), ...shared }).meta({
  id: 'CreateImageRequest',
  description: 'Draws pictures from words.',
  examples: [{ prompt: 'a cute cat', size: '16:9' }],
})

const addressed = z.union([
  address,
  z.looseObject({ image_url: z.union([address, z.looseObject({ url: address })]) }),
  z.looseObject({ url: address }),
])

/** In a form, files named `image`, `image[]` or `image[0]` take the place of `image`. */
export const editsBody = z
  .looseObject({
    prompt: optional(promptText).describe('What to change.'),
    image: optional(z.union([addressed, z.array(addressed).max(mostPictures)])).describe(
      'In JSON: https addresses, data URLs, or keys of pictures that were sent ahead. In a form: files, named `image`, `image[]` or `image[0]`.',
    ),
    images: optional(z.array(addressed).max(mostPictures)).describe('The same: `[{ "image_url": "…" }]`.'),
    ...shared,
  })
  .meta({
    id: 'CreateImageEditRequest',
    description: 'Draws pictures from pictures and words.',
    examples: [{ prompt: 'make it night', image: examplePicture }],
  })

/** The same as a form: everything is text but the files. */
export const editsForm = z
  .looseObject({
    prompt: promptText.describe('What to change.'),
    image: z.array(z.file()).max(mostPictures).describe('Files, named `image`, `image[]` or `image[0]`.'),
    ...shared,
  })
  .meta({ id: 'CreateImageEditForm', description: 'Draws pictures from files and words.' })

/** Of requests for pictures. */
export const headersOfOrders = z.object({
  'idempotency-key': z.string().max(255).optional().describe('The same key, the same pictures, paid for once.'),
})

export const headersOfImages = headersOfOrders.extend({
  prefer: z.string().optional().describe("'respond-async': 202 at once, and a job to look at."),
})

const part = z.union([
  z.looseObject({ type: z.enum(['text', 'input_text']), text: promptText }),
  z.looseObject({
    type: z.enum(['image_url', 'input_image']),
    image_url: z.union([address, z.looseObject({ url: address })]),
  }),
])

/** Those who are not asked may say anything: only the last message of the user is read. */
const message = z.looseObject({ role: word, content: z.unknown() })

export const userContent = z
  .union([promptText, z.array(part).max(100)])
  .meta({ id: 'ChatContent', description: 'Words, with an optional ratio and flags at the end, and pictures.' })

export const chatBody = z
  .looseObject({
    model: shared.model,
    messages: z
      .array(message)
      .min(1)
      .max(10_000)
      .describe('The last one of the user is the prompt; no context is kept.'),
    stream: shared.stream,
    stream_options: optional(z.looseObject({ include_usage: optional(z.boolean()) })),
    n: shared.n,
    seed: shared.seed,
    size: shared.size,
  })
  .meta({
    id: 'CreateChatCompletionRequest',
    description: 'The answer is markdown with the pictures in it.',
    examples: [{ messages: [{ role: 'user', content: 'a cute cat 16:9' }] }],
  })

export type GenerationsBody = z.output<typeof generationsBody>
export type EditsBody = z.output<typeof editsBody>
export type ChatBody = z.output<typeof chatBody>
