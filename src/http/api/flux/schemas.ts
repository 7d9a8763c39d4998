/** Request schemas, for validation and for the OpenAPI document. Unknown fields pass validation. */
import { z } from 'zod'
import { examplePicture, optional } from '../../server/validation.ts'
import { expandField, maskField, maskFile } from '../areas.ts'
import {
  address,
  edge,
  maxPictures,
  type PresetSize,
  presetSizes,
  promptText,
  scale,
  seed,
  webhookAddress,
  withoutEffect,
  word,
} from '../fields.ts'
import { lorasField } from '../loras.ts'
import { withAliases } from './names.ts'
import { generatorOrSource } from './sources.ts'

export const tags = ['Flux']

const shared = {
  model: optional(word).describe('A model id, or the id of the model at fal. Absent: the default model.'),
  num_images: optional(z.int()).describe('Number of images. Aliases: `n`, `count`.'),
  aspect_ratio: optional(word).describe(
    "A ratio such as '16:9', a size such as '1024x576' if the model accepts exact sizes, or 'auto'. Aliases: `ratio`, `size`.",
  ),
  image_size: optional(
    z.union(
      [z.enum(Object.keys(presetSizes) as [PresetSize, ...PresetSize[]]), z.object({ width: edge, height: edge })],
      {
        error: `it must be one of ${Object.keys(presetSizes).join(', ')}, or { width, height } in pixels`,
      },
    ),
  ).describe('A size by name, or a width and height in pixels. A ratio in `aspect_ratio` takes precedence.'),
  width: optional(edge).describe('Pixels. Requires `height`. A ratio in `aspect_ratio` takes precedence.'),
  height: optional(edge).describe('Pixels. Requires `width`.'),
  seed: optional(seed).describe('The same seed gives the same image. −1: a random seed.'),
  guidance_scale: optional(z.number()).describe('How closely the image follows the prompt. Alias: `guidance`.'),
  strength: optional(z.number()).describe('How far the result may depart from the input image.'),
  num_inference_steps: optional(z.int()).describe('Alias: `steps`.'),
  scale: optional(scale),
  loras: lorasField,
  negative_prompt: optional(promptText).describe('What the image must not show.'),
  enhance: optional(z.boolean()).describe('Whether a language model improves the prompt first.'),
  webhook_url: optional(webhookAddress).describe(
    'Address that receives a webhook when the task has ended. See `GET /v1/webhooks/secret`. Alias: `callback_url`.',
  ),
  sync_mode: optional(z.boolean()).describe(
    'Whether to respond when the task has ended instead of at once. Aliases: `sync`, `wait`.',
  ),
  safety_tolerance: optional(z.unknown()).describe(
    "How much the provider's content filter allows: 1 is the strictest, 6 the most tolerant.",
  ),
  enable_safety_checker: withoutEffect,
  output_format: withoutEffect.describe('Accepted and ignored. `content_type` in the response is the actual format.'),
}

const picture = z.union([address, z.looseObject({ url: address }).transform(({ url }) => url)])
const pictures = z.union([picture.transform((one) => [one]), z.array(picture).max(maxPictures)], {
  error: `it must be an address, or a list of at most ${maxPictures} addresses`,
})

const accepted = 'https URLs, data URLs, links from responses, or keys of uploaded images.'

export const textBody = withAliases(z.looseObject({ prompt: promptText.describe('What to draw.'), ...shared })).meta({
  id: 'FluxTextToImage',
  examples: [{ prompt: 'a cute cat', aspect_ratio: '16:9' }],
  description:
    'Unknown fields are ignored. Names may also be in camel case, such as `aspectRatio`. The response lists in `ignored` the ' +
    'parameters that the model does not accept, and in `adjusted` the numbers that were moved into its range.',
})

const imageFields = {
  ...shared,
  prompt: optional(promptText).describe('What to change. Some models need no prompt.'),
  image_url: optional(pictures).describe(`The input image: ${accepted} Aliases: \`image\`, \`input_image_url\`.`),
  image_urls: optional(pictures).describe(`The input images: ${accepted} Alias: \`images\`.`),
  mask_url: maskField,
  expand: expandField,
}

export const imageBody = withAliases(z.looseObject(imageFields)).meta({
  id: 'FluxImageToImage',
  examples: [{ prompt: 'make it night', image_url: examplePicture }],
  description: 'Requires one input image in `image_url`.',
})

export const imagesBody = withAliases(z.looseObject(imageFields)).meta({
  id: 'FluxMultiImageEdit',
  examples: [{ prompt: 'put them side by side', image_urls: [examplePicture, examplePicture] }],
  description: `Requires 2 to ${maxPictures} input images in \`image_urls\`.`,
})

const file = z.file()

/** Forms are described here and read by server/form.ts. */
export const imageForm = z
  .looseObject({
    ...imageFields,
    image: file.optional().describe('A PNG, JPEG or WebP file. Alias: `file`.'),
    mask: maskFile,
  })
  .meta({ id: 'FluxImageToImageForm' })

export const imagesForm = z
  .looseObject({
    ...imageFields,
    images: z.array(file).optional().describe('PNG, JPEG or WebP files. Alias: `files`.'),
    mask: maskFile,
  })
  .meta({ id: 'FluxMultiImageEditForm' })

export const uploadForm = z
  .object({ file: file.describe('PNG, JPEG or WebP, at most 10 MB.') })
  .meta({ id: 'FluxUpload' })

export const uploadsForm = z
  .object({ files: z.array(file).min(1).max(maxPictures).describe('PNG, JPEG or WebP, at most 10 MB each.') })
  .meta({ id: 'FluxUploads' })

/** `wait`: 'true', or seconds. */
export const drawQuery = z.object({
  wait: z
    .string()
    .regex(/^(true|false|\d{1,3})$/, "it must be 'true', 'false' or a number of seconds")
    .optional()
    .describe("'true': respond when the task has ended. A number: respond after that many seconds at the latest."),
})

export const drawHeaders = z.object({
  'idempotency-key': z
    .string()
    .max(255)
    .optional()
    .describe('Repeating a request with the same key returns the same task and charges it once.'),
  prefer: z.string().optional().describe('`wait` or `wait=30`: same as the query parameter `wait`.'),
})

export const taskParams = z.object({ id: z.string().max(100).describe('Id of the task.') })

export const pageQuery = z.object({
  page: z.coerce.number().int().min(1).max(1_000).default(1),
  before: z
    .uuid()
    .optional()
    .describe('Returns only tasks older than the task with this id. Faster than `page` for long histories.'),
  limit: z.coerce.number().int().min(1).max(100).default(20).describe('Tasks in a page.'),
})

export const unifiedQuery = pageQuery.extend({
  source: generatorOrSource,
})

export type TextBody = z.output<typeof textBody>
export type ImagesBody = z.output<typeof imagesBody>
export type DrawQuery = z.output<typeof drawQuery>
