/** The parameters of each Seedream model, and a strict parser for its requests. */
import { z } from 'zod'

export interface ArkModel {
  tiers: Readonly<Record<string, number>>
  /** Limits of width × height. */
  pixels: readonly [min: number, max: number]
  /** Most input pictures. */
  images: number
  /** Draws groups, and streams them. */
  groups: boolean
  /** Takes seed and guidance_scale. */
  seeded?: boolean
  /** Takes output_format; other models always draw JPEG. */
  formats?: boolean
  search?: boolean
  layers?: boolean
}

const tiers = { '1K': 1024, '1.5K': 1536, '2K': 2048, '3K': 3072, '4K': 4096 }
const only = (...names: (keyof typeof tiers)[]) => Object.fromEntries(names.map((name) => [name, tiers[name]]))

const lite: ArkModel = {
  tiers: only('2K', '3K', '4K'),
  pixels: [3_686_400, 16_777_216],
  images: 14,
  groups: true,
  formats: true,
  search: true,
}
const pro: ArkModel = {
  tiers: only('1K', '1.5K', '2K'),
  pixels: [921_600, 4_624_220],
  images: 10,
  groups: false,
  formats: true,
  layers: true,
}

export const arkModels: Readonly<Record<string, ArkModel>> = {
  'doubao-seedream-3-0-t2i-250415': { tiers: {}, pixels: [262_144, 4_194_304], images: 0, groups: false, seeded: true },
  'doubao-seedream-4-0-250828': {
    tiers: only('1K', '2K', '4K'),
    pixels: [921_600, 16_777_216],
    images: 14,
    groups: true,
  },
  'doubao-seedream-4-5-251128': { tiers: only('2K', '4K'), pixels: [3_686_400, 16_777_216], images: 14, groups: true },
  'doubao-seedream-5-0-lite-260128': lite,
  'doubao-seedream-5-0-260128': lite,
  'doubao-seedream-5-0-pro-260628': pro,
  'doubao-seedream-5-0-flash-260915': pro,
}

/** Like the real service, it refuses a format in upper case. */
const dataUrl = /^data:image\/(jpeg|jpg|png|webp|bmp|tiff|gif|heic|heif);base64,[A-Za-z0-9+/]+=*$/

const picture = z.string().refine((text) => {
  if (text.startsWith('data:')) return dataUrl.test(text)
  return /^https?:\/\/\S+$/.test(text)
}, 'invalid image: expected a link or data:image/<lower-case format>;base64,…')

function size({ tiers, pixels: [min, max] }: ArkModel) {
  return z.string().superRefine((text, context) => {
    const sides = /^(\d+)x(\d+)$/.exec(text)
    if (!sides) {
      if (!(text in tiers)) context.addIssue(`size must be one of ${Object.keys(tiers).join(', ')} or WIDTHxHEIGHT`)
      return
    }
    const [width, height] = [Number(sides[1]), Number(sides[2])]
    if (width * height < min) context.addIssue(`image size must be at least ${min} pixels.`)
    else if (width * height > max) context.addIssue(`image size must be at most ${max} pixels.`)
    else if (width / height > 16 || height / width > 16) context.addIssue('the ratio must be between 1/16 and 16')
  })
}

/** The schema of a request for this model; like the real service, it refuses unknown fields. */
export function arkSchema(model: ArkModel) {
  const { seeded, formats, search, layers, groups, images } = model
  const group = {
    sequential_image_generation: z.enum(['auto', 'disabled']).default('disabled'),
    sequential_image_generation_options: z
      .strictObject({ max_images: z.number().int().min(1).max(15).default(15) })
      .optional(),
    stream: z.boolean().default(false),
  }
  return z
    .strictObject({
      model: z.string(),
      prompt: z.string().min(1),
      size: size(model).default(seeded ? '1024x1024' : '2048x2048'),
      response_format: z.enum(['url', 'b64_json']).default('url'),
      watermark: z.boolean().default(true),
      optimize_prompt_options: z.strictObject({ mode: z.enum(['standard', 'fast']) }).optional(),
      ...(images > 0 && { image: z.union([picture, z.array(picture).min(1)]).optional() }),
      ...(groups && group),
      ...(seeded && {
        seed: z.number().int().min(-1).max(2_147_483_647).optional(),
        guidance_scale: z.number().min(1).max(10).optional(),
      }),
      ...(formats && { output_format: z.enum(['png', 'jpeg']).default('jpeg') }),
      ...(search && { tools: z.array(z.strictObject({ type: z.literal('web_search') })).optional() }),
      ...(layers && { layer_decomposition: z.boolean().optional(), background: z.literal('transparent').optional() }),
    })
    .superRefine((body, context) => {
      const given = [body.image ?? []].flat().length
      if (given > images) {
        context.addIssue({
          code: 'custom',
          path: ['image'],
          message: `number of reference images cannot exceed ${images}`,
        })
      }
      const most = body.sequential_image_generation === 'auto' ? groupLimit(body as ArkBody) : 1
      if (given + most > 15 && body.sequential_image_generation_options) {
        const path = ['sequential_image_generation_options', 'max_images']
        context.addIssue({ code: 'custom', path, message: 'reference images and generated images cannot exceed 15' })
      }
    })
}

export type ArkBody = {
  model: string
  prompt: string
  size: string
  response_format: 'url' | 'b64_json'
  watermark: boolean
  image?: string | string[]
  sequential_image_generation?: 'auto' | 'disabled'
  sequential_image_generation_options?: { max_images: number }
  stream?: boolean
  output_format?: 'png' | 'jpeg'
}

const groupLimit = (body: { sequential_image_generation_options?: { max_images: number } }) =>
  body.sequential_image_generation_options?.max_images ?? 15

/** The number of pictures that the prompt asks for, up to the limit. 1 if the prompt names no number. */
export function groupSize(body: ArkBody): number {
  if (body.sequential_image_generation !== 'auto') return 1
  const inPrompt = /(\d+)\s*(?:images|pictures|张|幅)/i.exec(body.prompt)
  return Math.max(1, Math.min(groupLimit(body), 15 - [body.image ?? []].flat().length, Number(inPrompt?.[1] ?? 1)))
}

export type ParsedArk = { body: ArkBody } | { param: string; missing: boolean; message: string }

export function parseArk(model: ArkModel, raw: unknown): ParsedArk {
  const parsed = arkSchema(model).safeParse(raw)
  if (parsed.success) return { body: parsed.data as ArkBody }
  const [issue] = parsed.error.issues
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const param = unknown ?? String(issue?.path[0] ?? '')
  const missing = issue?.code === 'invalid_type' && !(param in (raw as object))
  return { param, missing, message: issue?.message ?? '' }
}

export function sizeInPixels(model: ArkModel, size: string): [number, number] {
  const tier = model.tiers[size]
  const [width = 2048, height = 2048] = size.split('x').map(Number)
  return tier ? [tier, tier] : [width, height]
}
