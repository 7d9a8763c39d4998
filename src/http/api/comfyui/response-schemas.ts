/** What is answered, for the OpenAPI document: as ComfyUI wrappers answer, and what fluxbot adds. */
import { z } from 'zod'
import { pixels } from '../fields.ts'

export type Refusal = z.output<typeof refusal>
const refusal = z
  .object({
    error: z.string().describe("What went wrong; 'Invalid parameters' when `details` say it."),
    details: z.array(z.string()).describe('All that is wrong with the request, each by its name.'),
  })
  .meta({ id: 'ComfyError' })

/** Of every route. */
export const refused = { '4xx': refusal, '5xx': refusal }

const statuses = ['queued', 'running', 'completed', 'failed', 'cancelled'] as const
export type Status = (typeof statuses)[number]

const parameters = z.object({
  prompt: z.string(),
  negative_prompt: z.string().optional(),
  width: pixels,
  height: pixels,
  steps: z.number().nullable().describe('null: the model’s own.'),
  guidance_scale: z.number().nullable().describe('null: the model’s own.'),
  seed: z.union([z.int(), z.string()]).nullable().describe('The one that was used; as text beyond 2^53.'),
  strength: z.number().optional(),
  num_images: z.int().optional().describe('Where it is not one.'),
  model: z.string(),
})

export type Task = z.output<typeof taskAnswer>
export const taskAnswer = z
  .object({
    task_id: z.string(),
    status: z.enum(statuses),
    image_url: z
      .string()
      .describe('A path on this service: signed, it opens without a key until it expires. PNG, once it is drawn.'),
    image_urls: z.array(z.string()).optional().describe('All of several, the first of which is `image_url`.'),
    parameters,
    generation_time: z.number().nullable().describe('Seconds; null until it is drawn.'),
    image_base64: z.string().optional().describe('PNG, with `return_base64`; the first of several.'),
  })
  .meta({ id: 'ComfyTask' })

export const underWayAnswer = z
  .object({
    task_id: z.string(),
    status: z.enum(statuses),
    position: z.int().nullable().describe('Place in the queue, from 1; null once it is being drawn.'),
    percent: z.number().nullable(),
  })
  .meta({ id: 'ComfyUnderWay' })

const device = z.object({
  name: z.string(),
  type: z.string(),
  memory_total: z.number().nullable().describe('Bytes.'),
  memory_free: z.number().nullable(),
})

const server = z.object({
  name: z.string().describe("'comfyui-1', in the order of the settings."),
  connected: z.boolean(),
  queue_remaining: z.int().nullable().describe('Runs that wait or run on that server, from all clients.'),
  version: z.string().nullable().optional().describe('For admins, as all that follows.'),
  url: z.string().optional(),
  devices: z.array(device).optional(),
})

export type ShownServer = z.output<typeof server>

const connected = z.boolean().describe('Whether a ComfyUI server answers.')

export const statusAnswer = z
  .object({
    status: z.enum(['running', 'degraded']).describe('degraded: something that is set up does not answer.'),
    comfyui_status: connected,
    comfyui: z.object({ connected, servers: z.array(server) }),
    queue: z
      .object({ pending: z.int(), running: z.int() })
      .describe('Of all accounts, on the server that draws when `/generate` names no model.'),
    version: z.string(),
    supported_models: z.array(z.string()).describe('That `model` may name.'),
    default_model: z.string(),
    max_resolution: z.object({ width: z.int(), height: z.int() }),
    max_steps: z.int(),
  })
  .meta({ id: 'ComfyStatus' })

const range = z.object({ min: z.number(), max: z.number() }).nullable().describe('null: it takes none.')

const model = z.object({
  id: z.string(),
  title: z.string(),
  credits: z.int().describe('What a picture costs.'),
  images: z.object({ min: z.int(), max: z.int() }).describe('Pictures to start from.'),
  sizes: range.describe('Limits of exact sizes, in pixels; null: the presets only.'),
  presets: z.array(z.string()).describe("'1024x576'."),
  steps: range,
  guidance_scale: range,
  seed: range,
  strength: range,
  negative_prompt: z.boolean(),
})

export type ShownModel = z.output<typeof model>

export const folders = ['checkpoints', 'unet', 'clip', 'vae', 'loras', 'clip_vision', 'style_models'] as const

export const modelsAnswer = z
  .object({
    models: z
      .record(z.enum(folders), z.array(z.string()))
      .describe('Kind → files that ComfyUI can load; all empty when none is connected.'),
    available: z.array(model).describe('Models of fluxbot that ComfyUI serves, for `model`.'),
    comfyui: z.object({ connected }),
  })
  .meta({ id: 'ComfyModels' })

const time = z.iso.datetime()
const common = { task_id: z.string(), model: z.string(), created_at: time }

export const queueAnswer = z
  .object({
    queue_running: z
      .array(z.object({ ...common, percent: z.number().nullable(), started_at: time.nullable() }))
      .describe('The account’s own, at most 100; for administrators those of all accounts.'),
    queue_pending: z
      .array(z.object({ ...common, position: z.int().describe('Place in the queue, from 1.') }))
      .describe('The account’s own, at most 100; for administrators those of all accounts.'),
    running: z.int().describe('Of all accounts, on the server that draws when `/generate` names no model.'),
    pending: z.int(),
  })
  .meta({ id: 'ComfyQueue' })
