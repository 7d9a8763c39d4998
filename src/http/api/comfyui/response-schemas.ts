/** Response schemas for the OpenAPI document: the fields that clients of ComfyUI wrappers expect, and fluxbot's own. */
import { z } from 'zod'
import { pixels } from '../fields.ts'

export type ErrorBody = z.output<typeof errorResponse>
const errorResponse = z
  .object({
    error: z.string().describe("The message. 'Invalid parameters': see `details`."),
    details: z.array(z.string()).describe('One message for each invalid parameter, with its name.'),
  })
  .meta({ id: 'ComfyError' })

/** Part of every route's responses. */
export const errorResponses = { '4xx': errorResponse, '5xx': errorResponse }

const statuses = ['queued', 'running', 'completed', 'failed', 'cancelled'] as const
export type Status = (typeof statuses)[number]

const parameters = z.object({
  prompt: z.string(),
  negative_prompt: z.string().optional(),
  width: pixels,
  height: pixels,
  steps: z.number().nullable().describe('null: the default of the model.'),
  guidance_scale: z.number().nullable().describe('null: the default of the model.'),
  seed: z
    .union([z.int(), z.string()])
    .nullable()
    .describe('The seed that was used. A string if it is above 2^53. null: not known yet.'),
  strength: z.number().optional(),
  masked: z.literal(true).optional().describe('A mask marked the area that was drawn.'),
  expand: z.string().optional().describe("By how many pixels the input image grew, such as 'left:256'."),
  loras: z.string().optional().describe("The LoRAs, such as 'name:0.8'."),
  num_images: z.int().optional().describe('Present if it is not 1.'),
  model: z.string(),
})

export type Task = z.output<typeof taskResponse>
export const taskResponse = z
  .object({
    task_id: z.string(),
    status: z.enum(statuses),
    image_url: z.string().describe('Signed path of the PNG on this service. It needs no key, and expires.'),
    image_urls: z.array(z.string()).optional().describe('Present for several images. The first is `image_url`.'),
    parameters,
    prompt_truncated: z.literal(true).optional().describe('Present if only the start of a long prompt was used.'),
    generation_time: z.number().nullable().describe('Seconds. null: not finished yet.'),
    image_base64: z.string().optional().describe('With `return_base64`: the first image as PNG in base64.'),
  })
  .meta({ id: 'ComfyTask' })

export const pendingResponse = z
  .object({
    task_id: z.string(),
    status: z.enum(statuses),
    position: z.int().nullable().describe('Position in the queue, from 1. null: not in the queue.'),
    percent: z.number().nullable().describe('Progress in percent. null: unknown.'),
  })
  .meta({ id: 'ComfyUnderWay' })

const device = z.object({
  name: z.string(),
  type: z.string(),
  memory_total: z.number().nullable().describe('Bytes.'),
  memory_free: z.number().nullable(),
})

const server = z.object({
  name: z.string().describe("'comfyui-1' and so on, in the order of the settings."),
  connected: z.boolean(),
  queue_remaining: z
    .int()
    .nullable()
    .describe('Queued and running prompts of all clients on that server. null: unknown.'),
  version: z.string().nullable().optional().describe('For administrators only, like `url` and `devices`.'),
  url: z.string().optional(),
  devices: z.array(device).optional(),
})

export type ShownServer = z.output<typeof server>

const connected = z.boolean().describe('Whether a ComfyUI server responds.')

export const statusResponse = z
  .object({
    status: z.enum(['running', 'degraded']).describe('degraded: ComfyUI, the database or the queue does not respond.'),
    comfyui_status: connected,
    comfyui: z.object({ connected, servers: z.array(server) }),
    queue: z
      .object({ pending: z.int(), running: z.int() })
      .describe('Requests of all accounts, in the queue that `/generate` uses without `model`.'),
    version: z.string(),
    supported_models: z.array(z.string()).describe('Values of `model` that this key may use.'),
    default_model: z.string(),
    max_resolution: z.object({ width: z.int(), height: z.int() }),
    max_steps: z.int(),
  })
  .meta({ id: 'ComfyStatus' })

const range = z.object({ min: z.number(), max: z.number() }).nullable().describe('null: not supported.')

const model = z.object({
  id: z.string(),
  title: z.string(),
  credits: z.int().describe('Credits for one image.'),
  images: z.object({ min: z.int(), max: z.int() }).describe('Number of input images.'),
  sizes: range.describe('Limits of exact sizes, in pixels. null: only `presets`.'),
  presets: z.array(z.string()).describe("Sizes such as '1024x576'."),
  steps: range,
  guidance_scale: range,
  seed: range,
  strength: range,
  negative_prompt: z.boolean(),
  mask: z.boolean().describe('Whether it draws the area that a mask marks.'),
  expand: z.boolean().describe('Whether it draws beyond the sides of the image.'),
  loras: z.array(z.string()).describe('Names of LoRAs that requests may use.'),
})

export type ShownModel = z.output<typeof model>

export const folders = ['checkpoints', 'unet', 'clip', 'vae', 'loras', 'clip_vision', 'style_models'] as const

export const modelsResponse = z
  .object({
    models: z
      .record(z.enum(folders), z.array(z.string()))
      .describe('Kind → files that ComfyUI can load. Empty lists: no server is connected.'),
    available: z.array(model).describe('Models that ComfyUI serves, as values of `model`.'),
    comfyui: z.object({ connected }),
  })
  .meta({ id: 'ComfyModels' })

const time = z.iso.datetime()
const common = { task_id: z.string(), model: z.string(), created_at: time }

export const queueResponse = z
  .object({
    queue_running: z
      .array(z.object({ ...common, percent: z.number().nullable(), started_at: time.nullable() }))
      .describe('At most 100 requests of the account, or of all accounts for administrators.'),
    queue_pending: z
      .array(z.object({ ...common, position: z.int().describe('Position in the queue, from 1.') }))
      .describe('At most 100 requests of the account, or of all accounts for administrators.'),
    running: z.int().describe('Requests of all accounts, in the queue that `/generate` uses without `model`.'),
    pending: z.int(),
  })
  .meta({ id: 'ComfyQueue' })
