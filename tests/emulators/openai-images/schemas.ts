/** The parameters of the images API, checked strictly: unknown ones are refused, as OpenAI refuses them. */
import { z } from 'zod'

/** gpt-image-2: any size in steps of 16 pixels within these limits. */
const limits = { step: 16, side: 3840, ratio: 3, least: 655_360, most: 8_294_400 }

const size = z.string().refine((text) => text === 'auto' || fits(text), {
  error: 'Invalid size. Use auto, or WIDTHxHEIGHT within the limits.',
})

function fits(text: string): boolean {
  const [, width = 0, height = 0] = (/^(\d+)x(\d+)$/.exec(text) ?? []).map(Number)
  const pixels = width * height
  return (
    width % limits.step === 0 &&
    height % limits.step === 0 &&
    Math.max(width, height) <= limits.side &&
    Math.max(width / height, height / width) <= limits.ratio &&
    pixels >= limits.least &&
    pixels <= limits.most
  )
}

const common = {
  model: z.string(),
  prompt: z.string().min(1).max(32_000),
  n: z.int().min(1).max(10).default(1),
  size: size.default('auto'),
  quality: z.enum(['auto', 'low', 'medium', 'high']).default('auto'),
  background: z.enum(['auto', 'opaque']).default('auto'),
  output_format: z.enum(['png', 'jpeg', 'webp']).default('png'),
  output_compression: z.int().min(0).max(100).optional(),
  stream: z.boolean().default(false),
  partial_images: z.int().min(0).max(3).default(0),
  user: z.string().optional(),
}

export const generationShape = z.strictObject({ ...common, moderation: z.enum(['auto', 'low']).default('auto') })

export const imageLimit = 16
const file = z.custom<Buffer>((value) => Buffer.isBuffer(value))
export const editShape = z.strictObject({
  ...common,
  images: z.array(file).min(1).max(imageLimit),
  mask: file.optional(),
})

export type ImageBody = z.infer<typeof generationShape> | z.infer<typeof editShape>

const part = z.union([
  z.strictObject({ type: z.literal('text'), text: z.string() }),
  z.strictObject({ type: z.literal('image_url'), image_url: z.strictObject({ url: z.string() }) }),
])
export const chatShape = z.strictObject({
  model: z.string(),
  messages: z
    .array(z.strictObject({ role: z.enum(['system', 'user']), content: z.union([z.string(), z.array(part)]) }))
    .min(1),
  modalities: z.array(z.enum(['image', 'text'])).optional(),
  image_config: z.strictObject({ aspect_ratio: z.string().optional(), image_size: z.string().optional() }).optional(),
  stream: z.literal(false).optional(),
})
export type ChatBody = z.infer<typeof chatShape>
