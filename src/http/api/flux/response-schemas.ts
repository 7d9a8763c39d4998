/** What is answered: for the OpenAPI document, and for tests that compare it with real answers. */

import { z } from 'zod'
import { pixels, sources } from '../fields.ts'

export const states = ['PENDING', 'IN_QUEUE', 'IN_PROGRESS', 'SUCCESS', 'FAILED'] as const
const taskTypes = ['text_to_image', 'image_to_image', 'multi_image_edit'] as const

const success = z.literal(true)
const time = z.iso.datetime()

const picture = z
  .object({
    url: z.string().describe('Expires.'),
    width: z.int(),
    height: z.int(),
    content_type: z.enum(['image/png', 'image/jpeg', 'image/webp']),
  })
  .meta({ id: 'FluxPicture' })

const taskFields = {
  id: z.string(),
  task_id: z.string().describe('The same as `id`.'),
  status: z
    .enum(states)
    .describe(
      'PENDING: accepted just now, as the answer to a POST says it. IN_QUEUE: waits for its turn. IN_PROGRESS: being ' +
        'drawn, or stored. SUCCESS: the pictures are there. FAILED: it failed or was cancelled, and cost nothing.',
    ),
  task_type: z.enum(taskTypes),
  source: z
    .string()
    .describe(`Where it was asked for: ${sources.join(', ')}. In a unified history the same as \`generator\`.`),
  surface: z.string().describe('Where it was asked for.'),
  generator: z.string().describe("What draws it: 'flux', or the name of another provider."),
  request_id: z.string().describe('The same as `id`.'),
  user_id: z.string(),
  model: z.string(),
  prompt: z.string(),
  enhanced_prompt: z.string().nullable().describe('What was drawn, where it is not the sender’s own prompt.'),
  negative_prompt: z.string().nullable(),
  aspect_ratio: z.string(),
  width: pixels,
  height: pixels,
  num_images: z.int(),
  guidance_scale: z.number().nullable(),
  num_inference_steps: z.number().nullable(),
  strength: z.number().nullable(),
  seed: z.union([z.int(), z.string()]).nullable().describe('As text beyond 2^53.'),
  safety_tolerance: z.string().nullable(),
  ignored: z.array(z.string()).describe('Parameters that were left out, because the model does not take them.'),
  adjusted: z.array(z.string()).describe('Numbers that were moved to the nearest end of what the model takes.'),
  input_image_url: z.string().nullable().describe('The first picture that was sent.'),
  input_image_urls: z.array(z.string()),
  uploaded_image_url: z.string().nullable().describe('The same as `input_image_url`.'),
  images: z.array(picture),
  image_url: z.string().nullable().describe('The first of `images`.'),
  cloud_image_url: z.string().nullable().describe('The same as `image_url`.'),
  progress: z.number().nullable().describe('Percent. null: not known.'),
  queue_position: z.int().nullable().describe('Place in the queue, from 1.'),
  credits: z.int().describe('What it cost; 0 until it is over.'),
  error: z.object({ code: z.string().describe("'cancelled', or why it failed."), message: z.string() }).nullable(),
  error_message: z.string().nullable().describe('The same in words alone.'),
  retry_count: z.int().describe('How often it was begun again.'),
  generation_time: z.number().nullable().describe('Seconds from started to completed.'),
  created_at: time,
  started_at: time.nullable(),
  completed_at: time.nullable(),
  updated_at: time,
}

const task = z.object(taskFields).meta({ id: 'FluxTask' })

export type Task = z.output<typeof task>

export const taskAnswer = z.object({ success, ...taskFields }).meta({ id: 'FluxTaskAnswer' })

export const historyAnswer = z
  .object({
    success,
    data: z.array(task),
    page: z.int(),
    limit: z.int(),
    total: z.int().describe('At least so many: as far as this page and one task more, where there is one.'),
    has_more: z.boolean(),
  })
  .meta({ id: 'FluxHistory' })

export const unifiedAnswer = z
  .object({
    success,
    items: z.array(task),
    pagination: z.object({ page: z.int(), limit: z.int(), has_more: z.boolean() }),
  })
  .meta({ id: 'FluxUnifiedHistory' })

/** As clients read it that expect a list and nothing else. */
export const unifiedList = z.array(task)

const uploadFields = {
  success,
  message: z.string(),
  url: z.string().describe('Signed; every client that has it may use it in requests until `expires_at`.'),
  key: z.string().describe('May be named in requests of the same account until `kept_until`.'),
  file_id: z.string().describe('The same as `key`.'),
  width: z.int(),
  height: z.int(),
  content_type: picture.shape.content_type,
  bytes: z.int(),
  expires_at: time,
  kept_until: time,
}

export const uploadAnswer = z.object(uploadFields).meta({ id: 'FluxUploaded' })

export type UploadAnswer = z.output<typeof uploadAnswer>

export const uploadsAnswer = z.array(uploadAnswer).describe('In the order of the files.')

const range = z.object({ min: z.number(), max: z.number(), integer: z.boolean() })

const mode = z
  .object({
    input_images: z.object({ min: z.int(), max: z.int() }),
    prompt: z.enum(['required', 'optional', 'none']),
    aspect_ratios: z
      .record(z.string(), z.object({ width: z.int(), height: z.int() }))
      .describe("Pixels of each; the first is the default. 'auto', 0×0: the shape of the picture that was sent."),
    sizes: z.object({ min: z.int(), max: z.int() }).nullable().describe("Exact 'WxH': pixels of either side."),
    parameters: z.record(z.string(), range).describe('Everything else is refused.'),
    negative_prompt: z.boolean(),
    max_images: z.int().describe('Most `num_images`.'),
  })
  .meta({ id: 'FluxMode' })

export type Mode = z.output<typeof mode>

const model = z
  .object({
    id: z.string(),
    name: z.string(),
    aliases: z.array(z.string()).describe('Other names that requests may use.'),
    description: z.string(),
    provider: z.string().describe('Who draws.'),
    price: z.int().describe('Credits for one picture.'),
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

export const modelsAnswer = z
  .object({ success, enabled: z.boolean(), models: z.array(model), default_model: z.string() })
  .meta({ id: 'FluxModels' })

export const userAnswer = z
  .object({
    success,
    enabled: z.boolean().describe('Whether there is a model for this key.'),
    user: z.object({
      name: z.string(),
      credits: z.object({ balance: z.int(), held: z.int().describe('Put aside for what is under way.') }),
    }),
    key: z.union([
      z.object({
        name: z.string(),
        last_four: z.string(),
        monthly_cap: z.int().nullable().describe('Credits. null: none.'),
        spent_this_month: z.int(),
        models: z.array(z.string()).nullable().describe('The only ones. null: all.'),
      }),
      z.object({ operator: z.literal(true) }),
    ]),
    limits: z.object({
      in_flight: z.int(),
      per_minute: z.int(),
      upload_mb: z.int().describe('One picture.'),
      request_mb: z.int().describe('All pictures of one request.'),
      images: z.int().describe('Pictures of one request.'),
      uploads_per_day: z.int(),
    }),
    timeout: z.int().describe('Seconds that one picture may take.'),
    max_concurrent_tasks: z.int().describe('The same as `limits.in_flight`.'),
    models: z.array(model),
    default_model: z.string(),
    model_credits: z.record(z.string(), z.int()).describe('Model → credits for one picture.'),
    providers: z
      .array(z.object({ name: z.string(), configured: z.literal(true) }))
      .optional()
      .describe('For administrators.'),
  })
  .meta({ id: 'FluxUserConfig' })

const service = z.literal('fluxbot')
export const healthy = z.object({ status: z.literal('ok'), service, version: z.string() }).meta({ id: 'FluxHealth' })
export const unhealthy = z.object({ status: z.literal('error'), service }).meta({ id: 'FluxIll' })

const refusal = z
  .object({
    success: z.literal(false),
    error: z.object({
      code: z.string(),
      message: z.string().describe('In the language of `Accept-Language`.'),
      details: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
    }),
    detail: z.string().describe('The same as `error.message`.'),
  })
  .meta({ id: 'FluxError' })

export type Refusal = z.output<typeof refusal>

/** Of every route. */
export const refused = { '4xx': refusal, '5xx': refusal }
