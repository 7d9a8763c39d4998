/** Response schemas, for the OpenAPI document and for tests that check real responses. */

import { z } from 'zod'
import { pixels, sources } from '../fields.ts'

export const states = ['PENDING', 'IN_QUEUE', 'IN_PROGRESS', 'SUCCESS', 'FAILED'] as const
const taskTypes = ['text_to_image', 'image_to_image', 'multi_image_edit'] as const

const success = z.literal(true)
const time = z.iso.datetime()

const picture = z
  .object({
    url: z.string().describe('A signed URL, which expires.'),
    width: z.int(),
    height: z.int(),
    content_type: z.enum(['image/png', 'image/jpeg', 'image/webp']),
  })
  .meta({ id: 'FluxPicture' })

const taskFields = {
  id: z.string(),
  task_id: z.string().describe('Same as `id`.'),
  status: z
    .enum(states)
    .describe(
      'PENDING: accepted; only in responses to POST. IN_QUEUE: waiting in the queue. IN_PROGRESS: being generated or ' +
        'stored. SUCCESS: the images are available. FAILED: failed or cancelled; nothing was charged.',
    ),
  task_type: z.enum(taskTypes),
  source: z
    .string()
    .describe(`Where the request was made: ${sources.join(', ')}. In unified histories the same as \`generator\`.`),
  surface: z.string().describe('Where the request was made.'),
  generator: z
    .string()
    .describe(
      "The family of the model, whichever service runs it: 'flux', 'doubao', 'qwen', 'gemini', 'openai', 'jimeng', 'kling', " +
        "'midjourney', 'ideogram', 'recraft', 'z-image', 'upscale', or else the name of the provider.",
    ),
  request_id: z.string().describe('Same as `id`.'),
  user_id: z.string(),
  model: z.string(),
  prompt: z.string(),
  enhanced_prompt: z.string().nullable().describe('The enhanced prompt. null: the prompt was used as sent.'),
  negative_prompt: z.string().nullable(),
  aspect_ratio: z.string(),
  width: pixels,
  height: pixels,
  num_images: z.int(),
  guidance_scale: z.number().nullable(),
  num_inference_steps: z.number().nullable(),
  strength: z.number().nullable(),
  masked: z.boolean().describe('Whether a mask marked the area that was drawn.'),
  expand: z.string().nullable().describe("By how many pixels the input image grew, such as 'left:256'."),
  loras: z.string().nullable().describe("The LoRAs, such as 'name:0.8 https://…'."),
  seed: z.union([z.int(), z.string()]).nullable().describe('A string if it is above 2^53.'),
  safety_tolerance: z.string().nullable().describe('null: the default of the provider.'),
  ignored: z.array(z.string()).describe('Parameters that the model does not accept. They had no effect.'),
  adjusted: z
    .array(z.string())
    .describe('Parameters outside the range of the model. The nearest valid value was used.'),
  input_image_url: z.string().nullable().describe('URL of the first input image. null: there is none.'),
  input_image_urls: z.array(z.string()).describe('Signed URLs of all input images.'),
  uploaded_image_url: z.string().nullable().describe('Same as `input_image_url`.'),
  images: z.array(picture),
  image_url: z.string().nullable().describe('URL of the first of `images`.'),
  cloud_image_url: z.string().nullable().describe('Same as `image_url`.'),
  progress: z.number().nullable().describe('Progress in percent. null: unknown.'),
  queue_position: z.int().nullable().describe('Position in the queue, from 1. null: not in the queue.'),
  credits: z.int().describe('Credits charged. 0 until the task has succeeded.'),
  error: z
    .object({ code: z.string().describe("'cancelled', or the kind of the error."), message: z.string() })
    .nullable(),
  error_message: z.string().nullable().describe('Same as `error.message`.'),
  retry_count: z.int().describe('How many times the generation was started again after a failure.'),
  generation_time: z.number().nullable().describe('Seconds from `started_at` to `completed_at`.'),
  created_at: time,
  started_at: time.nullable(),
  completed_at: time.nullable(),
  updated_at: time,
}

const task = z.object(taskFields).meta({ id: 'FluxTask' })

export type Task = z.output<typeof task>

export const taskResponse = z.object({ success, ...taskFields }).meta({ id: 'FluxTaskAnswer' })

export const historyResponse = z
  .object({
    success,
    data: z.array(task),
    page: z.int(),
    limit: z.int(),
    total: z.int().describe('A lower bound: the tasks up to the end of this page, plus one if there are more.'),
    has_more: z.boolean(),
  })
  .meta({ id: 'FluxHistory' })

export const unifiedResponse = z
  .object({
    success,
    items: z.array(task),
    pagination: z.object({ page: z.int(), limit: z.int(), has_more: z.boolean() }),
  })
  .meta({ id: 'FluxUnifiedHistory' })

/** For clients that expect a bare list. */
export const unifiedList = z.array(task)

const uploadFields = {
  success,
  message: z.string(),
  url: z.string().describe('A signed URL. Any account may use it as an input image until `expires_at`.'),
  key: z.string().describe('The same account may use it as an input image until `kept_until`.'),
  file_id: z.string().describe('Same as `key`.'),
  width: z.int(),
  height: z.int(),
  content_type: picture.shape.content_type,
  bytes: z.int(),
  expires_at: time,
  kept_until: time,
}

export const uploadResponse = z.object(uploadFields).meta({ id: 'FluxUploaded' })

export type UploadResponse = z.output<typeof uploadResponse>

export const uploadsResponse = z.array(uploadResponse).describe('In the order of the files.')

const range = z.object({ min: z.number(), max: z.number(), integer: z.boolean() })

const area = z.enum(['required', 'optional']).nullable()

const mode = z
  .object({
    input_images: z.object({ min: z.int(), max: z.int() }),
    prompt: z.enum(['required', 'optional', 'none']),
    aspect_ratios: z
      .record(z.string(), z.object({ width: z.int(), height: z.int() }))
      .describe("Ratio → size in pixels. The first is the default. 'auto', 0×0: the ratio of the input image."),
    sizes: z
      .object({ min: z.int(), max: z.int() })
      .nullable()
      .describe("Limits of exact sizes 'WxH', in pixels of either side. null: no exact sizes."),
    parameters: z.record(z.string(), range).describe('Other parameters are refused.'),
    negative_prompt: z.boolean(),
    mask: area.describe('Whether it draws the area that `mask_url` marks. null: no masks.'),
    expand: area.describe(
      'Whether it draws beyond the sides of the image. If both are required, a request needs one of them.',
    ),
    loras: z
      .object({
        max: z.int(),
        scale: z.object({ min: z.number(), max: z.number() }),
        names: z.array(z.string()).describe('Names that the operator has stored.'),
        hosts: z.array(z.string()).describe("Hosts that the URLs of others may have. '*': all."),
      })
      .nullable()
      .describe('The LoRAs that it accepts. null: none.'),
    max_images: z.int().describe('Maximum of `num_images`.'),
  })
  .meta({ id: 'FluxMode' })

export type Mode = z.output<typeof mode>

const model = z
  .object({
    id: z.string(),
    name: z.string(),
    aliases: z.array(z.string()).describe('Other names that requests may use.'),
    description: z.string(),
    provider: z.string().describe('The provider that serves the model.'),
    price: z.int().describe('Credits for one image of the usual size.'),
    prices: z
      .record(z.string(), z.int())
      .describe(
        'Credits by part of a request: `small`, `standard`, `large` and `huge` images, `upscale` to twice the size, each `input` image, `enhance`.',
      ),
    type: z.enum(['text_to_image', 'image_to_image', 'multi_image']).describe('The first of `types`.'),
    types: z.array(z.enum(['text_to_image', 'image_to_image', 'multi_image'])),
    modes: z.object({
      text_to_image: mode.nullable(),
      image_to_image: mode.nullable(),
      multi_image_edit: mode.nullable(),
    }),
  })
  .meta({ id: 'FluxModel' })

export type ShownModel = z.output<typeof model>

export const modelsResponse = z
  .object({ success, enabled: z.boolean(), models: z.array(model), default_model: z.string() })
  .meta({ id: 'FluxModels' })

export const userResponse = z
  .object({
    success,
    enabled: z.boolean().describe('Whether this key may use any model.'),
    user: z.object({
      name: z.string(),
      credits: z.object({ balance: z.int(), held: z.int().describe('Credits held for unfinished tasks.') }),
    }),
    key: z.union([
      z.object({
        name: z.string(),
        last_four: z.string(),
        monthly_cap: z.int().nullable().describe('Credits that the key may spend in a month. null: no cap.'),
        spent_this_month: z.int(),
        models: z.array(z.string()).nullable().describe('The models that the key is limited to. null: all models.'),
      }),
      z.object({ operator: z.boolean().describe('false: a request without a key, from this machine.') }),
    ]),
    limits: z.object({
      in_flight: z.int(),
      per_minute: z.int(),
      upload_mb: z.int().describe('Megabytes of one image.'),
      request_mb: z.int().describe('Megabytes of all images of one request.'),
      images: z.int().describe('Input images of one request.'),
      uploads_per_day: z.int(),
    }),
    timeout: z.int().describe('Seconds after which a generation times out.'),
    max_concurrent_tasks: z.int().describe('Same as `limits.in_flight`.'),
    models: z.array(model),
    default_model: z.string(),
    model_credits: z.record(z.string(), z.int()).describe('Model → credits for one image.'),
    providers: z
      .array(z.object({ name: z.string(), configured: z.literal(true) }))
      .optional()
      .describe('For administrators only.'),
  })
  .meta({ id: 'FluxUserConfig' })

const service = z.literal('fluxbot')
export const healthy = z.object({ status: z.literal('ok'), service, version: z.string() }).meta({ id: 'FluxHealth' })
export const unhealthy = z.object({ status: z.literal('error'), service }).meta({ id: 'FluxUnhealthy' })

const errorResponse = z
  .object({
    success: z.literal(false),
    error: z.object({
      code: z.string(),
      message: z.string().describe('The message, in the language of `Accept-Language`.'),
      details: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
    }),
    detail: z.string().describe('Same as `error.message`.'),
  })
  .meta({ id: 'FluxError' })

export type ErrorBody = z.output<typeof errorResponse>

/** Part of every route's responses. */
export const errorResponses = { '4xx': errorResponse, '5xx': errorResponse }
