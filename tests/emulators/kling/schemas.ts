/** The parameters of Kling's image tasks, checked strictly. */
import { z } from 'zod'

const ratios = ['16:9', '9:16', '1:1', '4:3', '3:4', '3:2', '2:3', '21:9'] as const

/** Kling refuses the beginning of a data: URL. */
const image = z.string().refine((text) => /^https?:\/\//.test(text) || /^[A-Za-z0-9+/]+={0,2}$/.test(text), {
  error: 'image must be a URL or raw base64',
})

const common = {
  n: z.int().min(1).max(9).default(1),
  callback_url: z.string().optional(),
  external_task_id: z.string().max(256).optional(),
}
const prompt = z.string().min(1).max(2_500)

const generations = z
  .strictObject({
    ...common,
    model_name: z.enum(['kling-v1', 'kling-v1-5', 'kling-v2', 'kling-v2-1', 'kling-v3']).default('kling-v1'),
    prompt,
    negative_prompt: z.string().max(2_500).optional(),
    image: image.optional(),
    resolution: z.enum(['1k', '2k']).default('1k'),
    aspect_ratio: z.enum(ratios).default('16:9'),
  })
  .refine((body) => body.image === undefined || body.negative_prompt === undefined, {
    error: 'negative_prompt is not supported with image',
  })

const several = z.strictObject({
  ...common,
  model_name: z.enum(['kling-v2', 'kling-v2-1']),
  prompt: prompt.optional(),
  subject_image_list: z
    .array(z.strictObject({ subject_image: image }))
    .min(1)
    .max(4),
  scene_image: image.optional(),
  style_image: image.optional(),
  aspect_ratio: z.enum(ratios).default('16:9'),
})

const omni = z.strictObject({
  ...common,
  model_name: z.enum(['kling-image-o1', 'kling-v3-omni']),
  prompt,
  image_list: z.array(z.strictObject({ image })).max(10).optional(),
  resolution: z.enum(['1k', '2k', '4k']).default('1k'),
  result_type: z.enum(['single', 'series']).optional(),
  aspect_ratio: z.enum([...ratios, 'auto']).default('auto'),
})

/** Kind of task, as in its path → its parameters. */
export const taskShapes = { generations, 'multi-image2image': several, 'omni-image': omni }
export type TaskKind = keyof typeof taskShapes
export type KlingBody = z.infer<(typeof taskShapes)[TaskKind]>
