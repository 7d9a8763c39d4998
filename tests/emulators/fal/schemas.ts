/** The input schema of each endpoint. Unknown fields are refused like values out of range. Defaults are fal's. */
import { z } from 'zod'
import { Seed } from './exact.ts'

const side = (min: number, max: number) => z.int().min(min).max(max)
const presets = ['square_hd', 'square', 'portrait_4_3', 'portrait_16_9', 'landscape_4_3', 'landscape_16_9'] as const
const size = (min: number, max: number, names: readonly string[] = presets) =>
  z.union([z.enum(names as [string, ...string[]]), z.strictObject({ width: side(min, max), height: side(min, max) })])
const anySize = size(1, 14_142).default('landscape_4_3')
const largeSize = size(512, 2048).default('landscape_4_3')

const prompt = z.string().min(1)
const link = z.string().regex(/^(https?:\/\/|data:image\/(png|jpeg|webp);base64,)/, 'must be a URL or a data URI')
const steps = (max: number, usual: number, min = 1) => z.int().min(min).max(max).default(usual)
const guidance = (usual: number) => z.number().min(1).max(20).default(usual)
const count = z.int().min(1).max(4).default(1)
const common = { seed: Seed.optional(), sync_mode: z.boolean().default(false) }
const format = z.enum(['jpeg', 'png']).default('jpeg')
const open = {
  ...common,
  num_images: count,
  enable_safety_checker: z.boolean().default(true),
  output_format: format,
  acceleration: z.enum(['none', 'regular', 'high']).default('regular'),
}

const kontext = {
  ...common,
  prompt,
  guidance_scale: guidance(3.5),
  num_images: count,
  output_format: format,
  safety_tolerance: z.enum(['1', '2', '3', '4', '5', '6']).default('2'),
  enhance_prompt: z.boolean().default(false),
}
const ratio = z.enum(['21:9', '16:9', '4:3', '3:2', '1:1', '2:3', '3:4', '9:16', '9:21'])
const kontextText = z.strictObject({ ...kontext, aspect_ratio: ratio.default('1:1') })
const kontextEdit = z.strictObject({ ...kontext, image_url: link, aspect_ratio: ratio.optional() })
const kontextMulti = z.strictObject({
  ...kontext,
  image_urls: z.array(link).min(1).max(4),
  aspect_ratio: ratio.optional(),
})

const flux2 = {
  ...open,
  prompt,
  num_inference_steps: steps(50, 28, 4),
  guidance_scale: guidance(2.5),
  enable_prompt_expansion: z.boolean().default(false),
  output_format: z.enum(['jpeg', 'png', 'webp']).default('png'),
}
const large = {
  ...common,
  prompt,
  safety_tolerance: z.enum(['1', '2', '3', '4', '5']).default('2'),
  enable_safety_checker: z.boolean().default(true),
  output_format: format,
}
const largeEdit = z.strictObject({
  ...large,
  image_urls: z.array(link).min(1).max(4),
  image_size: size(512, 2048, [...presets, 'auto']).default('auto'),
})
const largeText = z.strictObject({ ...large, image_size: largeSize })

export const schemas = {
  'fal-ai/flux-1/dev': z.strictObject({
    ...open,
    prompt,
    image_size: anySize,
    num_inference_steps: steps(50, 28),
    guidance_scale: guidance(3.5),
  }),
  'fal-ai/flux-1/dev/image-to-image': z.strictObject({
    ...open,
    prompt,
    image_url: link,
    strength: z.number().min(0.01).max(1).default(0.95),
    num_inference_steps: steps(50, 40, 10),
    guidance_scale: guidance(3.5),
  }),
  'fal-ai/flux-1/dev/redux': z.strictObject({
    ...open,
    image_url: link,
    image_size: anySize,
    num_inference_steps: steps(50, 28),
    guidance_scale: guidance(3.5),
  }),
  'fal-ai/flux-1/schnell': z.strictObject({
    ...open,
    prompt,
    image_size: anySize,
    num_inference_steps: steps(12, 4),
    guidance_scale: guidance(3.5),
  }),
  'fal-ai/flux-1/schnell/redux': z.strictObject({
    ...open,
    image_url: link,
    image_size: anySize,
    num_inference_steps: steps(12, 4),
  }),
  'fal-ai/flux-pro/kontext/text-to-image': kontextText,
  'fal-ai/flux-pro/kontext': kontextEdit,
  'fal-ai/flux-pro/kontext/multi': kontextMulti,
  'fal-ai/flux-pro/kontext/max/text-to-image': kontextText,
  'fal-ai/flux-pro/kontext/max': kontextEdit,
  'fal-ai/flux-pro/kontext/max/multi': kontextMulti,
  'fal-ai/flux-2': z.strictObject({ ...flux2, image_size: largeSize }),
  'fal-ai/flux-2/edit': z.strictObject({
    ...flux2,
    image_urls: z.array(link).min(1).max(4),
    image_size: size(512, 2048).optional(),
  }),
  'fal-ai/flux-2-pro': largeText,
  'fal-ai/flux-2-pro/edit': largeEdit,
  'fal-ai/flux-2-max': largeText,
  'fal-ai/flux-2-max/edit': largeEdit,
  'fal-ai/clarity-upscaler': z.strictObject({
    image_url: link,
    prompt: z.string().default('masterpiece, best quality, highres'),
    negative_prompt: z.string().default('(worst quality, low quality, normal quality:2)'),
    upscale_factor: z.number().min(1).max(4).default(2),
    creativity: z.number().min(0).max(1).default(0.35),
    resemblance: z.number().min(0).max(1).default(0.6),
    guidance_scale: z.number().min(0).max(20).default(4),
    num_inference_steps: z.int().min(4).max(50).default(18),
    seed: Seed.optional(),
    enable_safety_checker: z.boolean().default(true),
  }),
  // its factor is 4, the only one, whose field the client and the documentation name differently
  'fal-ai/aura-sr': z.strictObject({
    image_url: link,
    overlapping_tiles: z.boolean().default(false),
    checkpoint: z.enum(['v1', 'v2']).default('v1'),
  }),
} as const satisfies Record<string, z.ZodType>

export type FalEndpoint = keyof typeof schemas

/** The fields of all endpoints; those that an endpoint does not have are absent. */
export interface FalInput {
  prompt?: string
  image_url?: string
  image_urls?: string[]
  image_size?: string | { width: number; height: number }
  aspect_ratio?: string
  num_images?: number
  upscale_factor?: number
  num_inference_steps?: number
  output_format?: 'jpeg' | 'png' | 'webp'
  seed?: number | string
  sync_mode?: boolean
}
