/** Response schemas of the Responses API, for the OpenAPI document: the fields that OpenAI's clients expect, and `credits`. */
import { z } from 'zod'
import { errorResponses, imageProperties, jobResponse } from '../response-schemas.ts'

/** Unix time in whole seconds. */
const time = z.int()

const outputText = z.object({
  type: z.literal('output_text'),
  text: z.string().describe('Markdown with links to the images. The links expire.'),
  annotations: z.array(z.never()),
  logprobs: z.array(z.never()),
})

export type OutputText = z.output<typeof outputText>

const messageItem = z
  .object({
    id: z.string(),
    type: z.literal('message'),
    role: z.literal('assistant'),
    status: z.enum(['in_progress', 'completed']),
    content: z.array(outputText),
  })
  .meta({ id: 'ResponseMessage' })

export type MessageItem = z.output<typeof messageItem>

const imageCall = z
  .object({
    id: z.string(),
    type: z.literal('image_generation_call'),
    status: z.enum(['in_progress', 'completed']),
    result: z.string().nullable().describe('The image in base64. null: it is not finished.'),
    action: z.enum(['generate', 'edit']).optional(),
    ...z.object(imageProperties).partial().shape,
    revised_prompt: z.string().optional().describe('The enhanced prompt. Absent: the prompt was used as sent.'),
  })
  .meta({ id: 'ImageGenerationCall' })

export type ImageCall = z.output<typeof imageCall>

const outputItem = z.union([messageItem, imageCall])

const usage = z
  .object({
    input_tokens: z.int(),
    input_tokens_details: z.object({ cached_tokens: z.int(), cache_write_tokens: z.int() }),
    output_tokens: z.int(),
    output_tokens_details: z.object({ reasoning_tokens: z.int() }),
    total_tokens: z.int(),
    credits: z.int().describe('Credits charged.'),
  })
  .meta({
    id: 'ResponseUsage',
    description: 'Token counts are estimates, for clients that add them up. Charges are in `credits`.',
  })

const responseObject = z
  .object({
    id: z.string(),
    object: z.literal('response'),
    created_at: time,
    status: z.enum(['in_progress', 'completed', 'failed']),
    completed_at: time.nullable(),
    error: z
      .object({ code: z.string(), message: z.string() })
      .nullable()
      .describe('Only in the event `response.failed`.'),
    incomplete_details: z.null(),
    model: z.string(),
    output: z.array(outputItem).describe('A message, or one call of the tool for each image.'),
    usage: usage.nullable().describe('null until the response is completed.'),
    tools: z.array(z.object({ type: z.literal('image_generation') })),
    tool_choice: z.literal('auto'),
    parallel_tool_calls: z.literal(false),
    text: z.object({ format: z.object({ type: z.literal('text') }) }),
    truncation: z.literal('disabled'),
    instructions: z.null(),
    max_output_tokens: z.null(),
    metadata: z.object({}),
    previous_response_id: z.null(),
    temperature: z.null(),
    top_p: z.null(),
    background: z.literal(false),
    store: z.literal(false).describe('No response is kept.'),
  })
  .meta({ id: 'Response' })

export type ResponseObject = z.output<typeof responseObject>

const event = <T extends z.ZodType>(type: T) => ({ type, sequence_number: z.int().describe('From 0.') })
const inItem = { output_index: z.int(), item_id: z.string() }
const inText = { ...inItem, content_index: z.int() }
const logprobs = z.array(z.never())

const events = z
  .union([
    z.object({
      ...event(z.enum(['response.created', 'response.in_progress', 'response.completed', 'response.failed'])),
      response: responseObject,
    }),
    z.object({
      ...event(z.enum(['response.output_item.added', 'response.output_item.done'])),
      output_index: z.int(),
      item: outputItem,
    }),
    z.object({
      ...event(
        z.enum([
          'response.image_generation_call.in_progress',
          'response.image_generation_call.generating',
          'response.image_generation_call.completed',
        ]),
      ),
      ...inItem,
    }),
    z.object({
      ...event(z.literal('response.image_generation_call.partial_image')),
      ...inItem,
      partial_image_index: z.int(),
      partial_image_b64: z.string(),
      ...imageProperties,
    }),
    z.object({
      ...event(z.enum(['response.content_part.added', 'response.content_part.done'])),
      ...inText,
      part: outputText,
    }),
    z.object({ ...event(z.literal('response.output_text.delta')), ...inText, delta: z.string(), logprobs }),
    z.object({ ...event(z.literal('response.output_text.done')), ...inText, text: z.string(), logprobs }),
  ])
  .meta({ id: 'ResponseEvent', description: 'The data of one event.' })

export const responsesResponses = {
  200: {
    description: 'The response. With `stream`: its events; the last is `response.completed` or `response.failed`.',
    content: { 'application/json': { schema: responseObject }, 'text/event-stream': { schema: events } },
  },
  202: jobResponse.describe('With `Prefer: respond-async`: the job. The header `location` has its address.'),
  ...errorResponses,
}
