/** What is answered, for the OpenAPI document: as OpenAI's clients expect it, and what fluxbot adds. */
import { z } from 'zod'

export const tags = ['OpenAI']

/** Seconds since 1970. */
const time = z.int()

const error = z.object({
  message: z.string(),
  type: z.string().describe("'invalid_request_error', 'authentication_error', 'rate_limit_error', 'server_error' …"),
  param: z.string().nullable().describe('Which part of the request is wrong.'),
  code: z.string().nullable(),
})

const refusal = z.object({ error }).meta({ id: 'OpenAiError' })

/** Of every route. */
export const refused = {
  '4xx': refusal.describe('The request, the key or the account does not allow it; nothing is charged.'),
  '5xx': refusal.describe('It did not work here; nothing is charged. `x-should-retry` says whether to try again.'),
}

const model = z
  .object({ id: z.string(), object: z.literal('model'), created: time, owned_by: z.literal('fluxbot') })
  .meta({ id: 'Model' })

export const modelAnswer = model

export const modelsAnswer = z.object({ object: z.literal('list'), data: z.array(model) }).meta({ id: 'ModelList' })

const looks = {
  size: z.string().describe("As drawn: '1024x1024'."),
  quality: z.literal('auto'),
  background: z.literal('opaque'),
  output_format: z.enum(['png', 'jpeg', 'webp']),
}

const imagesUsage = z
  .object({
    input_tokens: z.int(),
    input_tokens_details: z.object({ image_tokens: z.int(), text_tokens: z.int() }),
    output_tokens: z.int(),
    total_tokens: z.int(),
    credits: z.int().describe('What was charged.'),
  })
  .meta({
    id: 'ImagesUsage',
    description: 'Tokens are guessed, for clients that add them up; credits are what counts.',
  })

const picture = {
  url: z.string().optional().describe('Signed; it expires.'),
  b64_json: z.string().optional().describe('The picture in base64.'),
  revised_prompt: z.string().optional().describe('The prompt as it was made better.'),
}

export const imagesAnswer = z
  .object({
    created: time,
    data: z.array(z.object(picture)),
    ...looks,
    model: z.string(),
    seed: z.string().optional().describe('Gives the same picture again.'),
    usage: imagesUsage,
  })
  .meta({ id: 'ImagesResponse' })

export type ImagesAnswer = z.output<typeof imagesAnswer>

export const jobAnswer = z
  .object({
    id: z.string().describe('The id of the request.'),
    object: z.literal('image.job'),
    state: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']),
    model: z.string(),
    position: z.int().nullable().describe('Place in the queue, from 1; null once it is drawn.'),
    percent: z.number().nullable(),
    estimate: z.int().nullable().describe('Seconds that it will take, judged by what was drawn lately.'),
    created_at: time,
    started_at: time.nullable(),
    ended_at: time.nullable(),
    result: imagesAnswer.nullable().describe('Once it has succeeded.'),
    error: error.nullable().describe('Once it has failed.'),
  })
  .meta({ id: 'ImageJob' })

export type JobAnswer = z.output<typeof jobAnswer>

const event = (name: string) => z.enum([`image_generation.${name}`, `image_edit.${name}`])

const imageEvents = z
  .union([
    z.object({
      type: event('partial_image'),
      b64_json: z.string(),
      ...looks,
      partial_image_index: z.int(),
      created_at: time,
    }),
    z.object({ type: event('completed'), ...picture, ...looks, created_at: time, usage: imagesUsage }),
    refusal,
  ])
  .meta({ id: 'ImageEvent', description: 'The data of one event.' })

/** Drawn at once, as events, or later. */
export const picturesAnswers = {
  200: {
    description: 'The pictures; with `stream`, events: previews, then each picture, or the error.',
    content: {
      'application/json': { schema: imagesAnswer },
      'text/event-stream': { schema: imageEvents },
    },
  },
  202: jobAnswer.describe('With `Prefer: respond-async`: where it stands. `location` says where to look.'),
  ...refused,
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
  credits: z.int().describe('What was charged.'),
})

const chatAnswer = z
  .object({
    ...completion(
      z.literal('chat.completion'),
      z.object({
        index: z.int(),
        message: z.object({
          role: z.literal('assistant'),
          content: z.string().describe('Markdown with links to the pictures, which expire.'),
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
    usage: chatUsage.optional().describe('In the last one, with `stream_options.include_usage`.'),
  })
  .meta({ id: 'ChatCompletionChunk' })

const chatEvents = z
  .union([chunk, refusal])
  .meta({ id: 'ChatEvent', description: "The data of one event; '[DONE]' is the last." })

export const chatAnswers = {
  200: {
    description: 'The answer; with `stream`, events with its pieces.',
    content: { 'application/json': { schema: chatAnswer }, 'text/event-stream': { schema: chatEvents } },
  },
  ...refused,
}
