/** Errors in the form of OpenAI's API. */
import type { Answer, Fault } from '../faults.ts'
import type { Sent } from '../server.ts'

interface Problem {
  type: string
  code?: string
  param?: string
}

export function problem(status: number, message: string, { type, code, param }: Problem): Sent {
  return { status, body: { error: { message, type, param: param ?? null, code: code ?? null } } }
}

export const badRequest = (message: string, param?: string) =>
  problem(400, message, { type: 'invalid_request_error', param })

export const wrongKey = (key: string) =>
  problem(401, `Incorrect API key provided: ${key.slice(0, 5)}***. You can find your API key on the account page.`, {
    type: 'invalid_request_error',
    code: 'invalid_api_key',
  })

export const noSuchModel = (model: string) =>
  problem(404, `The model \`${model}\` does not exist or you do not have access to it.`, {
    type: 'invalid_request_error',
    code: 'model_not_found',
  })

export const unsupported = (param: 'max_tokens' | 'temperature') =>
  problem(
    400,
    param === 'max_tokens'
      ? "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
      : "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported.",
    { type: 'invalid_request_error', code: 'unsupported_parameter', param },
  )

/** The refusal of services that filter prompts before a model reads them. */
export const contentFiltered = () =>
  problem(400, 'The response was filtered due to the prompt triggering the content management policy.', {
    type: 'invalid_request_error',
    code: 'content_filter',
    param: 'prompt',
  })

/** The quota is used up. A retry cannot help, which the header says. */
export const noMoney = (): Sent => ({
  ...problem(429, 'You exceeded your current quota, please check your plan and billing details.', {
    type: 'insufficient_quota',
    code: 'insufficient_quota',
  }),
  headers: { 'x-should-retry': 'false' },
})

/** How services refuse pictures for a model that reads text only. */
export const textOnlyAnswers: readonly Sent[] = [
  badRequest('Invalid content type. image_url is only supported by certain models.'),
  problem(404, 'No endpoints found that support image input', { type: 'invalid_request_error' }),
  badRequest('Failed to deserialize: messages[1]: unknown variant `image_url`, expected `text`'),
  badRequest("'messages.1.content' must be a string"),
  badRequest('small-talk-1 is not a multimodal model'),
]

const json = { 'content-type': 'application/json' }

function plain(status: number, message: string, type: string, code: string | null = null): Answer {
  return { status, headers: { ...json }, body: JSON.stringify({ error: { message, type, param: null, code } }) }
}

/** Responses for injected faults. */
export const faultAnswers = {
  '429': ({ retryAfterSeconds = 1 }: Fault): Answer => ({
    ...plain(429, 'Rate limit reached for requests', 'requests', 'rate_limit_exceeded'),
    headers: { ...json, 'retry-after': String(retryAfterSeconds) },
  }),
  '500': (): Answer => plain(500, 'The server had an error while processing your request.', 'server_error'),
  '503': (): Answer => plain(503, 'The engine is currently overloaded, please try again later.', 'server_error'),
  gone: (): Answer => plain(404, 'Unknown request URL', 'invalid_request_error', 'unknown_url'),
}
