/** Request schemas, for validation and for the OpenAPI document. Unknown fields pass validation. Clients show the messages. */
import { z } from 'zod'
import { promptLimit } from '../../../core/request/parse.ts'
import { widthParam } from '../../pictures/stored.ts'
import { optional } from '../../server/validation.ts'
import { expandField } from '../areas.ts'
import { maxAddressLength, maxPictures, maxPromptLength } from '../fields.ts'
import { lorasField } from '../loras.ts'

export const tags = ['ComfyUI']

/** Limits of the services whose API this is. */
export const limits = {
  side: { min: 64, max: 2048 },
  steps: { min: 1, max: 50 },
  guidance: { min: 0, max: 20 },
  count: { min: 1, max: 10 },
} as const

interface Range {
  min: number
  max: number
}

const wholeNumber = ({ min, max }: Range) => {
  const message = `must be a whole number between ${min} and ${max}`
  return optional(z.int(message).min(min, message).max(max, message))
}

const number = ({ min, max }: Range) => {
  const message = `must be a number between ${min} and ${max}`
  return optional(z.number(message).min(min, message).max(max, message))
}

const text = (most: number) => z.string('must be text').max(most, `must be at most ${most} characters`)

/** The document shows the limit of the core. */
const promptText = text(maxPromptLength).meta({ maxLength: promptLimit })

const seedRule = 'must be a whole number from 0, or -1 for a random seed'
const seed = z.union([z.int().min(-1, seedRule), z.string().regex(/^(-1|\d{1,20})$/, seedRule)], seedRule)

const pictureRule = `must be an https address, a data URL or base64, or a list of at most ${maxPictures} of these`
const picture = z.string(pictureRule).min(1, pictureRule).max(maxAddressLength, 'must be at most 10 MB each')
const pictures = optional(z.union([picture, z.array(picture).max(maxPictures)], pictureRule))

const flag = optional(z.boolean('must be true or false'))
const strength = number({ min: 0, max: 1 })

export const generateBody = z
  .looseObject(
    {
      prompt: optional(promptText).describe('What to draw. Required without an input image.'),
      negative_prompt: optional(promptText).describe('What the image must not show.'),
      width: wholeNumber(limits.side).describe('Pixels. Default: 1024, or the ratio of the input image.'),
      height: wholeNumber(limits.side).describe('Pixels. Default: 1024, or the ratio of the input image.'),
      steps: wholeNumber(limits.steps).describe(
        'Default 20 if the model accepts guidance and 20 steps, or else the default of the model.',
      ),
      guidance_scale: number(limits.guidance).describe('Default 3.5 if the model accepts it.'),
      num_images: wholeNumber(limits.count).describe('Number of images. The model may allow fewer than 10. Default 1.'),
      n: wholeNumber(limits.count).describe('Same as `num_images`.'),
      seed: optional(seed).describe(
        'The same seed gives the same image. −1: a random seed, which the response contains.',
      ),
      model: optional(text(200)).describe(
        'A model id. Absent: the first ComfyUI model that accepts the request, or else the default model.',
      ),
      image: pictures.describe(
        'Input images: https URLs, data URLs, base64, links from responses, or keys of uploaded images.',
      ),
      images: pictures.describe('Same as `image`.'),
      mask: optional(picture).describe(
        'An image with the size of the first input image. The image is redrawn only where the mask is transparent or, if opaque, white.',
      ),
      expand: expandField,
      loras: lorasField,
      strength: strength.describe('How far the result may depart from the input image.'),
      denoise: strength.describe('Same as `strength`.'),
      return_base64: flag.describe('Whether the response contains the first image, as PNG in base64.'),
      wait: flag.describe('false: respond at once with 202. `/image/{task_id}` returns the image once it is finished.'),
      webhook_url: optional(
        z.url({ protocol: /^https?$/, error: 'must be an http or https address' }).max(2_000, 'is too long'),
      ).describe('Address that receives a webhook when the request has ended. See `GET /v1/webhooks/secret`.'),
    },
    'must be a JSON object',
  )
  // reported together with the other issues
  .refine(hasPromptOrImage, { path: ['prompt'], message: 'is required', when: () => true })
  .meta({
    id: 'ComfyGenerate',
    description: 'Creates one image, or several from the same prompt.',
    examples: [{ prompt: 'a cute cat', width: 1024, height: 1024, seed: -1 }],
  })

export type GenerateBody = z.output<typeof generateBody>

/** True for a body that is not an object, which the schema reports by itself. */
function hasPromptOrImage(body: unknown): boolean {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return true
  const { prompt, image, images } = body as Record<string, unknown>
  if (typeof prompt === 'string' ? prompt.trim() !== '' : (prompt ?? undefined) !== undefined) return true
  return [image, images].some((each) => (Array.isArray(each) ? each.length > 0 : (each ?? undefined) !== undefined))
}

export const generateQuery = z.object({
  base64: z.enum(['0', '1', 'false', 'true'], 'must be 0 or 1').optional().describe('1: same as `return_base64`.'),
})

export const imageParams = z.object({ task_id: z.string().max(100) })

export const imageQuery = z.object({
  expires: z.string().max(20).optional().describe('From `image_url`. Replaces a key, together with `signature`.'),
  signature: z.string().max(200).optional(),
  n: z.coerce
    .number('must be a whole number from 0')
    .int('must be a whole number from 0')
    .min(0, 'must be a whole number from 0')
    .max(99, 'must be at most 99')
    .default(0)
    .describe('Position of the image in the task, from 0.'),
  w: widthParam,
})
