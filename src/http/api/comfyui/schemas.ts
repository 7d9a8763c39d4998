/** What may be sent: for checks, whose words clients show to people, and for the OpenAPI document. Unknown keys are let pass. */
import { z } from 'zod'
import { promptLimit } from '../../../core/request/parse.ts'
import { widthParam } from '../../pictures/stored.ts'
import { optional } from '../../server/validation.ts'
import { longestAddress, longestPrompt, mostPictures } from '../fields.ts'

export const tags = ['ComfyUI']

/** As the services did that this one stands in for. */
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

/** The document tells what is drawn from. */
const words = text(longestPrompt).meta({ maxLength: promptLimit })

const seedWords = 'must be a whole number from 0, or -1 for any'
const seed = z.union([z.int().min(-1, seedWords), z.string().regex(/^(-1|\d{1,20})$/, seedWords)], seedWords)

const pictureWords = `must be an https address, a data URL or base64, or a list of at most ${mostPictures} of these`
const picture = z.string(pictureWords).min(1, pictureWords).max(longestAddress, 'must be at most 10 MB each')
const pictures = optional(z.union([picture, z.array(picture).max(mostPictures)], pictureWords))

const flag = optional(z.boolean('must be true or false'))
const strength = number({ min: 0, max: 1 })

export const generateBody = z
  .looseObject(
    {
      prompt: optional(words).describe('What to draw. Needed unless a picture comes with it.'),
      negative_prompt: optional(words).describe('What must not be in the picture.'),
      width: wholeNumber(limits.side).describe('Pixels. Default 1024; with a picture, its shape.'),
      height: wholeNumber(limits.side).describe('Pixels. Default 1024; with a picture, its shape.'),
      steps: wholeNumber(limits.steps).describe(
        'Default 20 where the model takes guidance and 20 steps; else its own.',
      ),
      guidance_scale: number(limits.guidance).describe('Default 3.5 where the model takes it.'),
      num_images: wholeNumber(limits.count).describe('How many pictures, within what the model takes. Default 1.'),
      n: wholeNumber(limits.count).describe('The same as `num_images`.'),
      seed: optional(seed).describe('The same seed, the same picture. −1: any, which the answer tells.'),
      model: optional(text(200)).describe('A model’s id. Absent: ComfyUI’s first, else the default.'),
      image: pictures.describe(
        'Pictures to start from: https addresses, data URLs, base64, or keys of pictures that were sent ahead.',
      ),
      images: pictures.describe('The same as `image`.'),
      strength: strength.describe('How far to go from the picture that was sent.'),
      denoise: strength.describe('The same as `strength`.'),
      return_base64: flag.describe(
        'Whether the picture itself is in the answer, as PNG in base64: the first of several.',
      ),
      wait: flag.describe('false: answered at once with 202; `/image/{task_id}` has the picture later.'),
      webhook_url: optional(
        z.url({ protocol: /^https?$/, error: 'must be an http or https address' }).max(2_000, 'is too long'),
      ).describe('Told when it is over.'),
    },
    'must be a JSON object',
  )
  // said together with whatever else is wrong
  .refine(saysWhat, { path: ['prompt'], message: 'is required', when: () => true })
  .meta({
    id: 'ComfyGenerate',
    description: 'Draws one picture, or several of the same words.',
    examples: [{ prompt: 'a cute cat', width: 1024, height: 1024, seed: -1 }],
  })

export type GenerateBody = z.output<typeof generateBody>

/** Also of what is no such body. */
function saysWhat(body: unknown): boolean {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return true
  const { prompt, image, images } = body as Record<string, unknown>
  if (typeof prompt === 'string' ? prompt.trim() !== '' : (prompt ?? undefined) !== undefined) return true
  return [image, images].some((each) => (Array.isArray(each) ? each.length > 0 : (each ?? undefined) !== undefined))
}

export const generateQuery = z.object({
  base64: z.enum(['0', '1', 'false', 'true'], 'must be 0 or 1').optional().describe('1: as `return_base64`.'),
})

export const imageParams = z.object({ task_id: z.string().max(100) })

export const imageQuery = z.object({
  expires: z.string().max(20).optional().describe('With `signature`, in place of a key: as in `image_url`.'),
  signature: z.string().max(200).optional(),
  n: z.coerce
    .number('must be a whole number from 0')
    .int('must be a whole number from 0')
    .min(0, 'must be a whole number from 0')
    .max(99, 'must be at most 99')
    .default(0)
    .describe('Which of several pictures, from 0.'),
  w: widthParam,
})
