/** The parameters of Jimeng's models, checked strictly. */
import { z } from 'zod'

const side = (min: number, max: number) => z.int().min(min).max(max)
const prompt = z.string().min(1).max(800)
const seed = z
  .int()
  .min(-1)
  .max(2 ** 31 - 1)
  .default(-1)
const both = (body: { width?: number; height?: number }) => (body.width === undefined) === (body.height === undefined)
const together = { error: 'width and height must be given together' }

const t2i31 = z
  .strictObject({
    req_key: z.enum(['jimeng_t2i_v30', 'jimeng_t2i_v31']),
    prompt,
    use_pre_llm: z.boolean().default(true),
    seed,
    width: side(512, 2048).optional(),
    height: side(512, 2048).optional(),
  })
  .refine(both, together)

const i2i30 = z
  .strictObject({
    req_key: z.literal('jimeng_i2i_v30'),
    prompt,
    image_urls: z.array(z.url()).length(1).optional(),
    binary_data_base64: z.array(z.base64()).length(1).optional(),
    seed,
    scale: z.number().min(0).max(1).default(0.5),
    width: side(512, 1536).optional(),
    height: side(512, 1536).optional(),
  })
  .refine(both, together)
  .refine((body) => (body.image_urls === undefined) !== (body.binary_data_base64 === undefined), {
    error: 'one picture is required',
  })

const least = 1024 * 1024
const most = 4096 * 4096
const t2i40 = z
  .strictObject({
    req_key: z.literal('jimeng_t2i_v40'),
    prompt,
    image_urls: z.array(z.url()).max(10).optional(),
    size: z.int().min(least).max(most).optional(),
    width: side(1, 4096 * 3).optional(),
    height: side(1, 4096 * 3).optional(),
    scale: z.number().min(0).max(1).default(0.5),
    force_single: z.boolean().default(false),
    min_ratio: z.number().optional(),
    max_ratio: z.number().optional(),
  })
  .refine(both, together)
  .refine(({ width = 2048, height = 2048 }) => width * height >= least && width * height <= most, {
    error: 'the area is out of range',
  })

export const bodyShape = z.union([t2i31, i2i30, t2i40])
export type JimengBody = z.infer<typeof bodyShape>
