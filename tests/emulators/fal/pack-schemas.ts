/**
 * The input schemas of the endpoints that come as packs, in `models`. Fields, values and defaults are those of fal's official
 * client; ranges that it does not state are those of fal's pages, or wider.
 */
import { z } from 'zod'
import { Seed } from './exact.ts'
import { type FalInput, schemas } from './schemas.ts'

const prompt = z.string().min(1)
const link = z.string().regex(/^(https?:\/\/|data:image\/(png|jpeg|webp);base64,)/, 'must be a URL or a data URI')
const links = (max: number) => z.array(link).min(1).max(max)
const count = (max = 4) => z.int().min(1).max(max).default(1)
const common = { prompt, seed: Seed.optional(), sync_mode: z.boolean().default(false) }
const checker = { enable_safety_checker: z.boolean().default(true) }
const accelerated = { ...checker, acceleration: z.enum(['none', 'regular', 'high']).default('none') }
const format = z.enum(['jpeg', 'png', 'webp']).default('png')
const jpegOrPng = z.enum(['jpeg', 'png']).default('jpeg')

const presets = ['square_hd', 'square', 'portrait_4_3', 'portrait_16_9', 'landscape_4_3', 'landscape_16_9'] as const
const side = z.int().min(64).max(14_142)
const size = (...more: string[]) =>
  z.union([z.enum([...presets, ...more] as [string, ...string[]]), z.strictObject({ width: side, height: side })])
const largeSize = (least: number, ...more: string[]) =>
  size(...more).refine(
    (value) =>
      typeof value === 'string' || (value.width * value.height >= least && value.width * value.height <= 4096 ** 2),
    'the number of pixels is out of range',
  )

const ratios = ['21:9', '16:9', '3:2', '4:3', '5:4', '1:1', '4:5', '3:4', '2:3', '9:16'] as const
const banana = {
  ...common,
  num_images: count(),
  output_format: format,
  safety_tolerance: z.enum(['1', '2', '3', '4', '5', '6']).default('4'),
  limit_generations: z.boolean().optional(),
}
const ratio = (...more: string[]) => z.enum([...ratios, ...more] as [string, ...string[]])
const wide = ['4:1', '1:4', '8:1', '1:8', 'auto']
const searching = { enable_web_search: z.boolean().optional() }
const pro = { ...banana, ...searching, resolution: z.enum(['1K', '2K', '4K']).default('1K') }
const second = {
  ...banana,
  ...searching,
  aspect_ratio: ratio(...wide).default('auto'),
  resolution: z.enum(['0.5K', '1K', '2K', '4K']).default('1K'),
  thinking_level: z.enum(['minimal', 'high']).optional(),
}

const seedream = { ...common, ...checker, num_images: count(6), max_images: count(6) }
const seedream4 = {
  ...seedream,
  image_size: largeSize(960 ** 2, 'auto', 'auto_2K', 'auto_4K').optional(),
  enhance_prompt_mode: z.enum(['standard', 'fast']).optional(),
}
const seedream45 = { ...seedream, image_size: largeSize(3_686_400, 'auto_2K', 'auto_4K').optional() }

const loras = z.array(z.strictObject({ path: z.string(), scale: z.number().min(0).max(4).default(1) }))

const qwen = {
  ...common,
  ...accelerated,
  negative_prompt: z.string().default(' '),
  image_size: size().optional(),
  num_images: count(),
  num_inference_steps: z.int().min(2).max(250).default(30),
  guidance_scale: z.number().min(0).max(20).default(2.5),
}

const ideogram = {
  ...common,
  expand_prompt: z.boolean().default(true),
  negative_prompt: z.string().default(''),
  num_images: count(8),
  image_size: size().default('square_hd'),
  rendering_speed: z.enum(['TURBO', 'BALANCED', 'QUALITY']).default('BALANCED'),
  style: z.enum(['AUTO', 'GENERAL', 'REALISTIC', 'DESIGN']).optional(),
  image_urls: z.array(link).optional(),
}

const zImage = {
  ...common,
  ...accelerated,
  enable_prompt_expansion: z.boolean().optional(),
  num_images: count(),
  num_inference_steps: z.int().min(1).max(8).default(8),
  output_format: format,
}
const klein = {
  ...common,
  ...checker,
  image_size: size().optional(),
  num_images: count(),
  num_inference_steps: z.int().min(4).max(8).default(4),
}
const turbo = {
  ...common,
  ...checker,
  enable_prompt_expansion: z.boolean().optional(),
  guidance_scale: z.number().min(0).max(20).default(2.5),
  image_size: size().optional(),
  num_images: count(),
  output_format: format,
}
const flex = {
  ...common,
  ...checker,
  guidance_scale: z.number().min(1.5).max(10).default(3.5),
  num_inference_steps: z.int().min(2).max(50).default(28),
  safety_tolerance: z.enum(['1', '2', '3', '4', '5']).default('2'),
  output_format: jpegOrPng,
}
const fluxLora = {
  ...common,
  ...checker,
  acceleration: z.enum(['none', 'regular']).default('none'),
  num_images: count(),
  num_inference_steps: z.int().min(1).max(50).default(28),
  guidance_scale: z.number().min(0).max(35).default(3.5),
  output_format: jpegOrPng,
  loras: loras.default([]),
}
const fromPicture = {
  image_url: link,
  image_size: size().optional(),
  strength: z.number().min(0.01).max(1).default(0.85),
}
const { seed: _, ...unseeded } = common
const gptImage = {
  ...unseeded,
  num_images: count(),
  quality: z.enum(['auto', 'low', 'medium', 'high']).default('high'),
  output_format: format,
  image_size: size('auto').optional(),
}
const style = z.string().regex(/^(any|(realistic_image|digital_illustration|vector_illustration)(\/\w+)?)$/)
const recraft = { ...unseeded, prompt: prompt.max(1000), style: style.default('realistic_image') }

const packSchemas = {
  'fal-ai/nano-banana': z.strictObject({ ...banana, aspect_ratio: ratio().default('1:1') }),
  'fal-ai/nano-banana/edit': z.strictObject({
    ...banana,
    image_urls: links(10),
    aspect_ratio: ratio('auto').default('auto'),
  }),
  'fal-ai/nano-banana-pro': z.strictObject({ ...pro, aspect_ratio: ratio('auto').default('1:1') }),
  'fal-ai/nano-banana-pro/edit': z.strictObject({
    ...pro,
    image_urls: links(14),
    aspect_ratio: ratio('auto').default('auto'),
  }),
  'fal-ai/nano-banana-2': z.strictObject(second),
  'fal-ai/nano-banana-2/edit': z.strictObject({ ...second, image_urls: links(14) }),
  'fal-ai/bytedance/seedream/v4/text-to-image': z.strictObject(seedream4),
  'fal-ai/bytedance/seedream/v4/edit': z.strictObject({ ...seedream4, image_urls: links(10) }),
  'fal-ai/bytedance/seedream/v4.5/text-to-image': z.strictObject(seedream45),
  'fal-ai/bytedance/seedream/v4.5/edit': z.strictObject({ ...seedream45, image_urls: links(10) }),
  'fal-ai/qwen-image': z.strictObject({
    ...qwen,
    output_format: jpegOrPng,
    use_turbo: z.boolean().optional(),
    loras: loras.max(3).default([]),
  }),
  'fal-ai/qwen-image-edit-2511': z.strictObject({ ...qwen, output_format: format, image_urls: links(3) }),
  'fal-ai/ideogram/v3': z.strictObject(ideogram),
  'fal-ai/ideogram/v3/remix': z.strictObject({
    ...ideogram,
    image_url: link,
    strength: z.number().min(0.01).max(1).default(0.8),
  }),
  'fal-ai/recraft/v3/text-to-image': z.strictObject({
    ...recraft,
    ...checker,
    image_size: size().default('square_hd'),
  }),
  'fal-ai/recraft/v3/image-to-image': z.strictObject({
    ...recraft,
    image_url: link,
    negative_prompt: z.string().optional(),
    strength: z.number().min(0).max(1).default(0.5),
  }),
  'openai/gpt-image-2': z.strictObject(gptImage),
  'openai/gpt-image-2/edit': z.strictObject({ ...gptImage, image_urls: links(16), mask_url: link.optional() }),
  'fal-ai/z-image/turbo': z.strictObject({ ...zImage, image_size: size().default('landscape_4_3') }),
  'fal-ai/z-image/turbo/image-to-image': z.strictObject({
    ...zImage,
    image_url: link,
    image_size: size('auto').default('auto'),
    strength: z.number().min(0.01).max(1).default(0.6),
  }),
  'fal-ai/flux-2/klein/9b': z.strictObject({ ...klein, output_format: jpegOrPng }),
  'fal-ai/flux-2/klein/9b/edit': z.strictObject({ ...klein, output_format: format, image_urls: links(4) }),
  'fal-ai/flux-2/turbo': z.strictObject(turbo),
  'fal-ai/flux-2/turbo/edit': z.strictObject({ ...turbo, image_urls: links(4) }),
  'fal-ai/flux-2-flex': z.strictObject({ ...flex, image_size: size().default('landscape_4_3') }),
  'fal-ai/flux-2-flex/edit': z.strictObject({
    ...flex,
    image_urls: links(10),
    image_size: size('auto').default('auto'),
  }),
  'fal-ai/flux-pro/v1/fill': z.strictObject({
    ...common,
    image_url: link,
    mask_url: link,
    num_images: count(),
    output_format: jpegOrPng,
    safety_tolerance: z.enum(['1', '2', '3', '4', '5', '6']).default('2'),
    enhance_prompt: z.boolean().optional(),
  }),
  'fal-ai/flux-2-pro/outpaint': z.strictObject({
    image_url: link,
    expand_left: z.int().min(0).max(2048).default(0),
    expand_right: z.int().min(0).max(2048).default(0),
    expand_top: z.int().min(0).max(2048).default(0),
    expand_bottom: z.int().min(0).max(2048).default(0),
    auto_crop: z.boolean().optional(),
    mode: z.enum(['high', 'fast']).default('high'),
  }),
  'fal-ai/bria/background/remove': z.strictObject({ image_url: link, sync_mode: z.boolean().optional() }),
  'fal-ai/flux-lora': z.strictObject({ ...fluxLora, image_size: size().default('landscape_4_3') }),
  'fal-ai/flux-lora/image-to-image': z.strictObject({ ...fluxLora, ...fromPicture }),
  'fal-ai/flux-lora/inpainting': z.strictObject({ ...fluxLora, ...fromPicture, mask_url: link }),
} as const satisfies Record<string, z.ZodType>

export const allSchemas = { ...schemas, ...packSchemas }
export type AnyEndpoint = keyof typeof allSchemas

/** Endpoints that return no seed. */
export const withoutSeed = /^(fal-ai\/(nano-banana|recraft|bytedance\/seedream\/v4\.5\/edit)|openai\/)/
/** Endpoints that say which pictures they flag. */
export const flags = /^fal-ai\/(flux-1|flux-2(\/|$)|qwen-image|z-image|flux-lora|flux-pro)/

export type AnyInput = FalInput
