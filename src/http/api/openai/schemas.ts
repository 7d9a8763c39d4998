/** Request schemas, for validation and for the OpenAPI document. Unknown fields pass validation. */
import { z } from 'zod'
import { examplePicture, optional } from '../../server/validation.ts'
import { expandField, maskField, maskFile } from '../areas.ts'
import { address, edge, maxPictures, promptText, scale, seed, webhookAddress, withoutEffect, word } from '../fields.ts'
import { lorasField } from '../loras.ts'

const imageSize = z.union([word, z.object({ width: edge, height: edge })], {
  error: "it must be a size such as '1024x576', or { width, height } in pixels",
})

/** Fields that several routes have in common. */
export const shared = {
  model: optional(word).describe(
    'A model id. OpenAI’s model names, such as `gpt-image-1` and `dall-e-3`, stand for the default model. Absent: the ' +
      'default model, or the first model that accepts the input images.',
  ),
  n: optional(z.int().min(1).max(10)).describe('Number of images. The model may allow fewer than 10.'),
  size: optional(word).describe(
    "A ratio such as '16:9', 'auto', or a size such as '1024x1024' if the model accepts exact sizes or has that ratio. " +
      'For one of OpenAI’s own sizes the nearest shape of the model is used; `size` in the response is the actual size.',
  ),
  aspect_ratio: optional(word).describe("In place of `size`: a ratio such as '16:9'."),
  image_size: optional(imageSize).describe(
    "In place of `size`: '1024x576', `{ width, height }`, or a shape's name at fal.",
  ),
  width: optional(edge).describe('In place of `size`, together with `height`: pixels.'),
  height: optional(edge).describe('In place of `size`, together with `width`: pixels.'),
  image_config: optional(z.strictObject({ aspect_ratio: optional(word), image_size: optional(imageSize) })).describe(
    'In place of `size`: `aspect_ratio` or `image_size` in an object.',
  ),
  num_images: optional(z.int().min(1).max(10)).describe('In place of `n`.'),
  response_format: optional(z.enum(['url', 'b64_json'])).describe(
    "Default: 'b64_json' for edits and for the `gpt-image` and `chatgpt-image` names, otherwise 'url'. URLs expire.",
  ),
  seed: optional(seed).describe('The same seed gives the same image. −1: a random seed.'),
  steps: optional(z.int().min(1).max(1_000)),
  guidance: optional(z.number().min(0).max(1_000)),
  strength: optional(z.number().min(0).max(1)).describe('How far the result may depart from the input image.'),
  scale: optional(scale),
  loras: lorasField,
  negative_prompt: optional(promptText).describe('What the image must not show.'),
  enhance: optional(z.boolean()).describe('Whether a language model improves the prompt first.'),
  stream: optional(z.boolean()).describe('Whether to send server-sent events instead of one response.'),
  partial_images: optional(z.int().min(0).max(3)).describe('With `stream`: maximum number of previews. Default 0.'),
  webhook_url: optional(webhookAddress).describe(
    'Address that receives a webhook when the request has ended. See `GET /v1/webhooks/secret`.',
  ),
  quality: withoutEffect,
  style: withoutEffect,
  background: withoutEffect,
  moderation: withoutEffect,
  output_format: withoutEffect.describe('Accepted and ignored. `output_format` in the response is the actual format.'),
  user: withoutEffect,
}

export const generationsBody = z.looseObject({ prompt: promptText.describe('What to draw.'), ...shared }).meta({
  id: 'CreateImageRequest',
  description: 'Creates images from a text prompt.',
  examples: [{ prompt: 'a cute cat', size: '16:9' }],
})

const imageReference = z.union([
  address,
  z.looseObject({ image_url: z.union([address, z.looseObject({ url: address })]) }),
  z.looseObject({ url: address }),
])

export const editsBody = z
  .looseObject({
    prompt: optional(promptText).describe('What to change.'),
    image: optional(z.union([imageReference, z.array(imageReference).max(maxPictures)])).describe(
      'In JSON: https URLs, data URLs, or keys of uploaded images. In a form: files named `image`, `image[]` or `image[0]`.',
    ),
    images: optional(z.array(imageReference).max(maxPictures)).describe(
      'Same as `image`, as a list: `[{ "image_url": "…" }]`.',
    ),
    mask: maskField,
    expand: expandField,
    ...shared,
  })
  .meta({
    id: 'CreateImageEditRequest',
    description: 'Creates images from input images and a text prompt.',
    examples: [{ prompt: 'make it night', image: examplePicture }],
  })

export const editsForm = z
  .looseObject({
    prompt: promptText.describe('What to change.'),
    image: z.array(z.file()).max(maxPictures).describe('Files named `image`, `image[]` or `image[0]`.'),
    mask: maskFile,
    expand: expandField,
    ...shared,
  })
  .meta({ id: 'CreateImageEditForm', description: 'Creates images from input files and a text prompt.' })

export const idempotencyHeaders = z.object({
  'idempotency-key': z
    .string()
    .max(255)
    .optional()
    .describe('Repeating a request with the same key returns the same images and charges them once.'),
})

export const imageHeaders = idempotencyHeaders.extend({
  prefer: z.string().optional().describe("'respond-async': respond at once with 202 and a job."),
})

const part = z.union([
  z.looseObject({ type: z.enum(['text', 'input_text']), text: promptText }),
  z.looseObject({
    type: z.enum(['image_url', 'input_image']),
    image_url: z.union([address, z.looseObject({ url: address })]),
  }),
])

/** The content is not checked here, because only the last user message is used: see `userContent`. */
const message = z.looseObject({ role: word, content: z.unknown().optional() })

export const userContent = z.union([promptText, z.array(part).max(100)]).meta({
  id: 'ChatContent',
  description: 'A prompt with an optional ratio and optional flags at its end, and input images.',
})

export const chatBody = z
  .looseObject({
    model: shared.model,
    messages: z
      .array(message)
      .min(1)
      .max(10_000)
      .describe('The last user message is the prompt. Earlier messages are ignored.'),
    stream: shared.stream,
    stream_options: optional(z.looseObject({ include_usage: optional(z.boolean()) })),
    n: shared.n,
    seed: shared.seed,
    size: shared.size,
    aspect_ratio: shared.aspect_ratio,
    image_size: shared.image_size,
    width: shared.width,
    height: shared.height,
    image_config: shared.image_config,
    num_images: shared.num_images,
  })
  .meta({
    id: 'CreateChatCompletionRequest',
    description: 'The completion is Markdown that links to the images.',
    examples: [{ messages: [{ role: 'user', content: 'a cute cat 16:9' }] }],
  })

export type GenerationsBody = z.output<typeof generationsBody>
export type EditsBody = z.output<typeof editsBody>
export type ChatBody = z.output<typeof chatBody>
