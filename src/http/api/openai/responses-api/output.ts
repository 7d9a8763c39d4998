/** Renders the outcome of a request as a response of the Responses API, and the parts that it shares with events. */
import type { Outcome } from '../../../../core/history/outcome.ts'
import type { ApiParts } from '../../parts.ts'
import type { ErrorBody } from '../errors.ts'
import { pictureIn, propertiesOf, seconds, textTokens, usageOf } from '../responses.ts'
import type { ImageCall, MessageItem, OutputText, ResponseObject } from './response-schemas.ts'

/** What the response repeats of the request. */
export interface ResponseOptions {
  model?: string
  /** Whether the answer consists of calls of the tool. If not, it is a message. */
  calls: boolean
  partial_images: number
}

interface State {
  status: ResponseObject['status']
  output?: ResponseObject['output']
  error?: ErrorBody['error']
}

export function responseOf(outcome: Outcome, options: ResponseOptions, state: State): ResponseObject {
  const { status, output = [], error } = state
  const { id, createdAt, endedAt, model } = outcome
  return {
    id: `resp_${id}`,
    object: 'response',
    created_at: seconds(createdAt),
    status,
    completed_at: status === 'completed' && endedAt ? seconds(endedAt) : null,
    error: error ? { code: error.code ?? 'server_error', message: error.message } : null,
    incomplete_details: null,
    model: options.model ?? model,
    output,
    usage: status === 'completed' ? responseUsageOf(outcome, output) : null,
    tools: options.calls ? [{ type: 'image_generation' }] : [],
    tool_choice: 'auto',
    parallel_tool_calls: false,
    text: { format: { type: 'text' } },
    truncation: 'disabled',
    instructions: null,
    max_output_tokens: null,
    metadata: {},
    previous_response_id: null,
    temperature: null,
    top_p: null,
    background: false,
    store: false,
  }
}

export const callId = ({ id }: Pick<Outcome, 'id'>, position = 0) =>
  position === 0 ? `ig_${id}` : `ig_${id}_${position}`

/** One call for each picture. Throws AppError. */
export async function callsOf(parts: ApiParts, outcome: Outcome): Promise<ImageCall[]> {
  const revised = outcome.enhanced === null ? {} : { revised_prompt: outcome.enhanced }
  const action = outcome.inputs.length > 0 ? 'edit' : 'generate'
  return Promise.all(
    outcome.pictures.map(async (picture, position) => {
      const { b64_json: result = null } = await pictureIn(parts, picture, 'b64_json')
      const properties = { action, ...propertiesOf(outcome, picture), ...revised } as const
      const id = callId(outcome, position)
      return { id, type: 'image_generation_call' as const, status: 'completed' as const, result, ...properties }
    }),
  )
}

export const textPart = (text: string): OutputText => ({ type: 'output_text', text, annotations: [], logprobs: [] })

/** `text` absent: the message is in progress. */
export function messageOf({ id }: Pick<Outcome, 'id'>, text?: string): MessageItem {
  return {
    id: `msg_${id}`,
    type: 'message',
    role: 'assistant',
    status: text === undefined ? 'in_progress' : 'completed',
    content: text === undefined ? [] : [textPart(text)],
  }
}

/** Clients add up token counts, so the response has some. Charges are in `credits`. */
function responseUsageOf(outcome: Outcome, output: ResponseObject['output']) {
  const { input_tokens, output_tokens: ofImages, credits } = usageOf(outcome)
  const texts = output.flatMap((item) => (item.type === 'message' ? item.content : []))
  const output_tokens = texts.reduce((sum, { text }) => sum + textTokens(text), texts.length > 0 ? 0 : ofImages)
  return {
    input_tokens,
    input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
    output_tokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: input_tokens + output_tokens,
    credits,
  }
}
