/** What may be sent to draw: for checks, and for the OpenAPI document. */
import { z } from 'zod'
import { examplePicture, optional } from '../../server/validation.ts'
import { address, mostPictures, promptText, seed, webhookAddress, withoutEffect, word } from '../fields.ts'
import { named } from './names.ts'
import { generatorOrSource } from './sources.ts'

export const tags = ['Flux']

const edge = z.int().min(16).max(14_142)

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

const shared = {
  model: optional(word).describe("A model's id, or fal's name of it. Absent: the default."),
  num_images: optional(z.int()).describe('How many. Also `n`, `count`.'),
  aspect_ratio: optional(word).describe(
    "A ratio such as '16:9', an exact '1024x576' where the model takes sizes, or 'auto'. Also `ratio`, `size`.",
  ),
  image_size: optional(
    z.union(
      [z.enum(Object.keys(presetSizes) as [PresetSize, ...PresetSize[]]), z.object({ width: edge, height: edge })],
      {
        error: `it must be one of ${Object.keys(presetSizes).join(', ')}, or { width, height } in pixels`,
      },
    ),
  ).describe('In place of `aspect_ratio`: the name of a shape, or pixels.'),
  width: optional(edge).describe('Pixels, together with `height`; counts when no ratio is given.'),
  height: optional(edge).describe('Pixels, together with `width`.'),
  seed: optional(seed).describe('The same seed, the same picture. −1: any.'),
  guidance_scale: optional(z.number()).describe('How closely to follow the words. Also `guidance`.'),
  strength: optional(z.number()).describe('How far to go from the picture that was sent.'),
  num_inference_steps: optional(z.int()).describe('Also `steps`.'),
  negative_prompt: optional(promptText).describe('What must not be in the picture.'),
  enhance: optional(z.boolean()).describe('Whether the prompt is made better first.'),
  webhook_url: optional(webhookAddress).describe('Told when it is over. Also `callback_url`.'),
  sync_mode: optional(z.boolean()).describe('Answered when it is over. Also `sync`, `wait`.'),
  safety_tolerance: optional(z.unknown()).describe(
    'How much the filter of the provider lets through: 1 is the strictest, 6 the most tolerant.',
  ),
  enable_safety_checker: withoutEffect,
  output_format: withoutEffect.describe('Accepted, without effect: answers say what came.'),
}

const picture = z.union([address, z.looseObject({ url: address }).transform(({ url }) => url)])
const pictures = z.union([picture.transform((one) => [one]), z.array(picture).max(mostPictures)], {
  error: `it must be an address, or at most ${mostPictures} of them`,
})

const sent = 'https addresses, data URLs, links that were answered here, or keys of pictures that were sent ahead.'

export const textBody = named(z.looseObject({ prompt: promptText.describe('What to draw.'), ...shared })).meta({
  id: 'FluxTextToImage',
  examples: [{ prompt: 'a cute cat', aspect_ratio: '16:9' }],
  description:
    'Unknown keys are ignored. Names may also be written like `aspectRatio`. Parameters that the model does not take are ' +
    'left out and listed in `ignored`; numbers outside its range are moved to the nearest end and listed in `adjusted`.',
})

const drawnFrom = {
  ...shared,
  prompt: optional(promptText).describe('What to change. Some models work from the picture alone.'),
  image_url: optional(pictures).describe(`One of: ${sent} Also \`image\`, \`input_image_url\`.`),
  image_urls: optional(pictures).describe(`Several: ${sent} Also \`images\`.`),
}

export const imageBody = named(z.looseObject(drawnFrom)).meta({
  id: 'FluxImageToImage',
  examples: [{ prompt: 'make it night', image_url: examplePicture }],
  description: 'With one picture: `image_url`.',
})

export const imagesBody = named(z.looseObject(drawnFrom)).meta({
  id: 'FluxMultiImageEdit',
  examples: [{ prompt: 'put them side by side', image_urls: [examplePicture, examplePicture] }],
  description: `With 2 to ${mostPictures} pictures: \`image_urls\`.`,
})

const file = z.file()

/** Describes forms; form.ts reads them. */
export const imageForm = z
  .looseObject({ ...drawnFrom, image: file.optional().describe('A file: png, jpg or webp. Also `file`.') })
  .meta({ id: 'FluxImageToImageForm' })

export const imagesForm = z
  .looseObject({ ...drawnFrom, images: z.array(file).optional().describe('Files: png, jpg or webp. Also `files`.') })
  .meta({ id: 'FluxMultiImageEditForm' })

export const uploadForm = z
  .object({ file: file.describe('png, jpg or webp, at most 10 MB.') })
  .meta({ id: 'FluxUpload' })

export const uploadsForm = z
  .object({ files: z.array(file).min(1).max(mostPictures).describe('png, jpg or webp, at most 10 MB each.') })
  .meta({ id: 'FluxUploads' })

/** `wait`: 'true', or seconds. */
export const drawQuery = z.object({
  wait: z
    .string()
    .regex(/^(true|false|\d{1,3})$/, "it must be 'true', 'false' or seconds")
    .optional()
    .describe("'true': answered when it is over; a number: after so many seconds at the latest."),
})

export const drawHeaders = z.object({
  'idempotency-key': z.string().max(255).optional().describe('The same key and request again: the same task.'),
  prefer: z.string().optional().describe('`wait`, or `wait=30`: as `wait` in the address.'),
})

export const taskParams = z.object({ id: z.string().max(100).describe('As answered when it was accepted.') })

export const pageQuery = z.object({
  page: z.coerce.number().int().min(1).max(1_000).default(1),
  before: z.uuid().optional().describe('Only what is older than this one: to go far back, better than `page`.'),
  limit: z.coerce.number().int().min(1).max(100).default(20).describe('Tasks on a page.'),
})

export const unifiedQuery = pageQuery.extend({
  source: generatorOrSource,
})

export type TextBody = z.output<typeof textBody>
export type ImagesBody = z.output<typeof imagesBody>
export type DrawQuery = z.output<typeof drawQuery>
