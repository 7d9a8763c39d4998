/** The parameters of each model on DashScope, and a strict parser for its requests. */
import { z } from 'zod'

export type ProtocolName = 'text2image' | 'multimodal' | 'image-generation'

type Size = readonly [width: number, height: number]

export interface DashscopeModel {
  protocols: readonly ProtocolName[]
  images: readonly [min: number, max: number]
  /** Number of pictures; `absent` is the default. */
  n: readonly [max: number, absent: number]
  size: {
    /** Absent: the model takes no size. */
    allowed?: (width: number, height: number) => boolean
    /** The rule for error messages. */
    words: string
    tiers?: readonly string[]
    absent: Size
  }
  negative?: boolean
  /** Takes prompt_extend. */
  rewrites?: boolean
}

const total = (min: number, max: number) => (width: number, height: number) =>
  width * height >= min ** 2 && width * height <= max ** 2
const sides = (min: number, max: number) => (width: number, height: number) =>
  Math.min(width, height) >= min && Math.max(width, height) <= max

const fixed = ['1664*928', '1472*1104', '1328*1328', '1104*1472', '928*1664']
const plus: DashscopeModel = {
  protocols: ['multimodal', 'text2image'],
  images: [0, 0],
  n: [1, 1],
  size: {
    allowed: (width, height) => fixed.includes(`${width}*${height}`),
    words: `one of ${fixed.join(', ')}`,
    absent: [1664, 928],
  },
  negative: true,
  rewrites: true,
}
const edit: DashscopeModel = {
  protocols: ['multimodal'],
  images: [1, 3],
  n: [6, 1],
  size: { allowed: sides(512, 2048), words: 'each side between 512 and 2048', absent: [1024, 1024] },
  negative: true,
  rewrites: true,
}
const wanx: DashscopeModel = {
  protocols: ['text2image'],
  images: [0, 0],
  n: [4, 4],
  size: { allowed: sides(512, 1440), words: 'each side between 512 and 1440', absent: [1024, 1024] },
  negative: true,
  rewrites: true,
}

export const dashscopeModels: Readonly<Record<string, DashscopeModel>> = {
  'qwen-image': plus,
  'qwen-image-plus': plus,
  'qwen-image-max': { ...plus, protocols: ['multimodal'] },
  'qwen-image-2.0': {
    ...plus,
    protocols: ['multimodal'],
    n: [6, 1],
    size: { allowed: total(512, 2048), words: 'total pixels between 512*512 and 2048*2048', absent: [2048, 2048] },
  },
  'qwen-image-edit': { ...edit, n: [1, 1], images: [1, 1], size: { words: 'no size', absent: [1024, 1024] } },
  'qwen-image-edit-plus': edit,
  'qwen-image-edit-max': edit,
  'wanx2.1-t2i-turbo': wanx,
  'wan2.2-t2i-flash': wanx,
  'wan2.6-t2i': {
    ...wanx,
    protocols: ['multimodal', 'image-generation'],
    size: { allowed: total(1280, 1440), words: 'total pixels between 1280*1280 and 1440*1440', absent: [1280, 1280] },
  },
  'wan2.7-image': {
    protocols: ['multimodal', 'image-generation'],
    images: [0, 9],
    n: [4, 4],
    size: {
      allowed: total(768, 2048),
      words: 'total pixels between 768*768 and 2048*2048',
      tiers: ['1K', '2K'],
      absent: [2048, 2048],
    },
  },
}

const picture = z.string().refine((text) => {
  if (!text.startsWith('data:')) return /^https?:\/\/\S+$/.test(text)
  return /^data:image\/(jpeg|png|webp|bmp|tiff|gif);base64,[A-Za-z0-9+/]+=*$/.test(text)
}, 'the image must be a link or data:image/<format>;base64,…')

function size({ allowed, words, tiers = [] }: DashscopeModel['size']) {
  return z.string().refine((text) => {
    if (tiers.includes(text)) return true
    const match = /^(\d+)\*(\d+)$/.exec(text)
    return match !== null && (allowed?.(Number(match[1]), Number(match[2])) ?? false)
  }, `Expected format: '<width>*<height>', ${words}`)
}

function parametersOf(model: DashscopeModel, old: boolean) {
  return z.strictObject({
    n: z.number().int().min(1).max(model.n[0]).default(model.n[1]),
    seed: z.number().int().min(0).max(2_147_483_647).optional(),
    watermark: z.boolean().default(false),
    ...(model.size.allowed && { size: size(model.size).optional() }),
    ...(model.negative && !old && { negative_prompt: negative }),
    ...(model.rewrites && { prompt_extend: z.boolean().default(true) }),
  })
}

const words = z.string().min(1).max(800)
const negative = z.string().max(500).optional()

function messagesOf({ images: [min, max] }: DashscopeModel) {
  const part = z.union([z.strictObject({ text: words }), z.strictObject({ image: picture })])
  const content = z
    .array(part)
    .refine((parts) => parts.filter((each) => 'text' in each).length === 1, 'exactly one text is needed')
    .refine(
      (parts) => parts.length - 1 >= min && parts.length - 1 <= max,
      `the number of images must be between ${min} and ${max}`,
    )
  const message = z.strictObject({ role: z.literal('user'), content })
  return z.strictObject({ messages: z.array(message).length(1, 'exactly one message is needed') })
}

/** The schema of a request for this model and protocol; like the real service, it refuses unknown fields. */
export function dashscopeSchema(model: DashscopeModel, protocol: ProtocolName) {
  const old = protocol === 'text2image'
  const input = old
    ? z.strictObject({
        prompt: words,
        ref_img: picture.optional(),
        ...(model.negative && { negative_prompt: negative }),
      })
    : messagesOf(model)
  return z.strictObject({
    model: z.string(),
    input,
    parameters: parametersOf(model, old).prefault({}),
  })
}

/** A parsed request, with defaults filled in. */
export interface DashscopePlan {
  model: string
  prompt: string
  images: number
  negative?: string
  size: Size
  n: number
  seed?: number
  watermark: boolean
  rewrites: boolean
}

export type ParsedDashscope = { plan: DashscopePlan } | { message: string }

export function parseDashscope(model: DashscopeModel, protocol: ProtocolName, raw: unknown): ParsedDashscope {
  const parsed = dashscopeSchema(model, protocol).safeParse(raw)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const unknown = issue?.code === 'unrecognized_keys' ? [issue.keys[0]] : []
    return { message: `${[...(issue?.path ?? []), ...unknown].join('.')}: ${issue?.message}` }
  }
  const { input, parameters, model: id } = parsed.data
  const parts = 'messages' in input ? (input.messages[0]?.content ?? []) : []
  const text = 'prompt' in input ? input.prompt : parts.flatMap((part) => ('text' in part ? [part.text] : [])).join()
  const negative = 'prompt' in input ? input.negative_prompt : parameters.negative_prompt
  const plan: DashscopePlan = {
    model: id,
    prompt: String(text),
    images: parts.length === 0 ? 0 : parts.length - 1,
    size: sizeOf(model, parameters.size),
    n: parameters.n,
    watermark: parameters.watermark,
    rewrites: parameters.prompt_extend === true,
    ...(typeof negative === 'string' && { negative }),
    ...(parameters.seed !== undefined && { seed: parameters.seed }),
  }
  return { plan }
}

function sizeOf(model: DashscopeModel, size: unknown): Size {
  if (typeof size !== 'string') return model.size.absent
  if (size === '1K') return [1024, 1024]
  if (size === '2K') return [2048, 2048]
  const [width = 1024, height = 1024] = size.split('*').map(Number)
  return [width, height]
}
