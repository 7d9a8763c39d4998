/** Response schemas for the OpenAPI document: the fields that OpenAI's clients expect, and fluxbot's own. */
import { z } from 'zod'

export const tags = ['OpenAI']

/** Unix time in whole seconds. */
const time = z.int()

const error = z.object({
  message: z.string(),
  type: z.string().describe("'invalid_request_error', 'authentication_error', 'rate_limit_error', 'server_error' …"),
  param: z.string().nullable().describe('The parameter that caused the error. null: no particular one.'),
  code: z.string().nullable(),
})

const errorResponse = z.object({ error }).meta({ id: 'OpenAiError' })

/** Part of every route's responses. */
export const errorResponses = {
  '4xx': errorResponse.describe(
    'The request is not valid, or the key or the account does not permit it. Nothing is charged.',
  ),
  '5xx': errorResponse.describe(
    'The service or the provider failed. Nothing is charged. The header `x-should-retry` says whether to retry.',
  ),
}

const model = z
  .object({ id: z.string(), object: z.literal('model'), created: time, owned_by: z.literal('fluxbot') })
  .meta({ id: 'Model' })

export const modelResponse = model

export const modelsResponse = z.object({ object: z.literal('list'), data: z.array(model) }).meta({ id: 'ModelList' })

export const imageProperties = {
  size: z.string().describe("The actual size, such as '1024x1024'."),
  quality: z.literal('auto'),
  background: z.literal('opaque'),
  output_format: z.enum(['png', 'jpeg', 'webp']).describe('The actual format.'),
}

const imagesUsage = z
  .object({
    input_tokens: z.int(),
    input_tokens_details: z.object({ image_tokens: z.int(), text_tokens: z.int() }),
    output_tokens: z.int(),
    total_tokens: z.int(),
    credits: z.int().describe('Credits charged.'),
  })
  .meta({
    id: 'ImagesUsage',
    description: 'Token counts are estimates, for clients that add them up. Charges are in `credits`.',
  })

const picture = {
  url: z.string().optional().describe('A signed URL, which expires.'),
  b64_json: z.string().optional().describe('The image in base64.'),
  revised_prompt: z.string().optional().describe('The enhanced prompt. Absent: the prompt was used as sent.'),
}

export const imagesResponse = z
  .object({
    created: time,
    data: z.array(z.object(picture)),
    ...imageProperties,
    model: z.string(),
    seed: z.string().optional().describe('The seed that was used. Send it with the same request for the same image.'),
    usage: imagesUsage,
  })
  .meta({ id: 'ImagesResponse' })

export type ImagesResponse = z.output<typeof imagesResponse>

export const jobResponse = z
  .object({
    id: z.string().describe('Id of the request.'),
    object: z.literal('image.job'),
    state: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']),
    model: z.string(),
    position: z.int().nullable().describe('Position in the queue, from 1. null: not in the queue.'),
    percent: z.number().nullable().describe('Progress in percent. null: unknown.'),
    estimate: z
      .int()
      .nullable()
      .describe('Estimated seconds until the job ends, based on recent requests. null: unknown, or the job has ended.'),
    created_at: time,
    started_at: time.nullable(),
    ended_at: time.nullable(),
    result: imagesResponse.nullable().describe('The images. null unless `state` is `succeeded`.'),
    error: error.nullable().describe('The cause of the failure. null unless `state` is `failed`.'),
  })
  .meta({ id: 'ImageJob' })

export type JobResponse = z.output<typeof jobResponse>

const event = (name: string) => z.enum([`image_generation.${name}`, `image_edit.${name}`])

const imageEvents = z
  .union([
    z.object({
      type: event('partial_image'),
      b64_json: z.string(),
      ...imageProperties,
      partial_image_index: z.int(),
      created_at: time,
    }),
    z.object({ type: event('completed'), ...picture, ...imageProperties, created_at: time, usage: imagesUsage }),
    errorResponse,
  ])
  .meta({ id: 'ImageEvent', description: 'The data of one event.' })

export const imageResponses = {
  200: {
    description: 'The images. With `stream`: events for previews, then one event for each image, or the error.',
    content: {
      'application/json': { schema: imagesResponse },
      'text/event-stream': { schema: imageEvents },
    },
  },
  202: jobResponse.describe('With `Prefer: respond-async`: the job. The header `location` has its address.'),
  ...errorResponses,
}

const completion = <T extends z.ZodType, Choice extends z.ZodType>(object: T, choice: Choice) => ({
  id: z.string(),
  object,
  created: time,
  model: z.string(),
  choices: z.array(choice),
})

const chatUsage = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  credits: z.int().describe('Credits charged.'),
})

const chatResponse = z
  .object({
    ...completion(
      z.literal('chat.completion'),
      z.object({
        index: z.int(),
        message: z.object({
          role: z.literal('assistant'),
          content: z.string().describe('Markdown with links to the images. The links expire.'),
          refusal: z.null(),
        }),
        logprobs: z.null(),
        finish_reason: z.literal('stop'),
      }),
    ),
    usage: chatUsage,
  })
  .meta({ id: 'ChatCompletion' })

const chunk = z
  .object({
    ...completion(
      z.literal('chat.completion.chunk'),
      z.object({
        index: z.int(),
        delta: z.object({ role: z.literal('assistant').optional(), content: z.string().optional() }),
        logprobs: z.null(),
        finish_reason: z.literal('stop').nullable(),
      }),
    ),
    usage: chatUsage.optional().describe('In the last chunk only, with `stream_options.include_usage`.'),
  })
  .meta({ id: 'ChatCompletionChunk' })

const chatEvents = z
  .union([chunk, errorResponse])
  .meta({ id: 'ChatEvent', description: 'The data of one event. The data of the last event is `[DONE]`.' })

export const chatResponses = {
  200: {
    description: 'The completion. With `stream`: events with its chunks.',
    content: { 'application/json': { schema: chatResponse }, 'text/event-stream': { schema: chatEvents } },
  },
  ...errorResponses,
}
