/** The error responses of Workers AI and the AI Gateway. [?] marks messages whose exact wording is not documented. */
import { randomUUID } from 'node:crypto'
import type { Answer, Fault } from '../faults.ts'
import type { Sent } from '../server.ts'

/** Code → status and message. */
const refusals = {
  2001: [400, 'Please configure AI Gateway in the Cloudflare dashboard'],
  2009: [401, 'Unauthorized'],
  2016: [424, 'Prompt blocked due to security configurations'],
  2017: [424, 'Response blocked due to security configurations'],
  3006: [413, 'AiError: Request is too large'],
  3007: [408, 'AiError: Request timeout'],
  3008: [408, 'AiError: Request aborted'],
  3023: [403, 'AiError: Account is blocked from using this model'], // [?]
  3036: [429, 'AiError: You have used up your daily free allocation of 10,000 neurons.'],
  3040: [429, 'AiError: Capacity temporarily exceeded, please try again.'], // [?]
  3041: [403, 'AiError: Account is not allowed to use this model'], // [?]
  3042: [404, 'AiError: Invalid model id'],
  3043: [500, 'AiError: Internal server error'], // [?]
  4006: [
    429,
    "AiError: you have used up your daily free allocation of 10,000 neurons, please upgrade to Cloudflare's Workers Paid plan",
  ],
  5004: [400, 'AiError: Invalid data type for base64 input'],
  5016: [403, 'AiError: Model agreement is needed'], // [?]
  7003: [404, 'Could not route to the account, perhaps your object identifier is invalid?'], // [?]
  9109: [403, 'Invalid access token'],
  10000: [401, 'Authentication error'],
} as const satisfies Record<number, readonly [number, string]>

export type RefusalCode = keyof typeof refusals

export function failure(status: number, code: number, message: string, result: object | null = {}): Sent {
  return { status, body: { errors: [{ message, code }], success: false, result, messages: [] } }
}

/** Workers AI adds an id to each of its errors; the API in front of it does not. */
export function refusalOf(code: RefusalCode): Sent {
  const [status, message] = refusals[code]
  return failure(status, code, message.startsWith('AiError') ? `AiError: ${message} (${randomUUID()})` : message)
}

export function badInput(problem: string): Sent {
  return failure(400, 5006, `AiError: Bad input: ${problem} (${randomUUID()})`)
}

export function noSuchModel(model: string): Sent {
  return failure(400, 5007, `AiError: No such model ${model} or task (${randomUUID()})`)
}

/** The code of a content refusal, which has changed before. 'words': an unknown code, so that only the message says it. */
export type ContentCode = 8007 | 3030 | 'words'

export function contentRefused(code: ContentCode): Sent {
  const message = `AiError: AiError: Input prompt contains NSFW content. (${randomUUID()})`
  return failure(400, code === 'words' ? 3999 : code, message)
}

/** A gateway's own errors have another form. */
export function gatewayRefusal(code: 2001 | 2009 | 2016 | 2017): Sent {
  const [status, message] = refusals[code]
  return { status, body: { success: false, result: [], messages: [], error: [{ code, message }] } }
}

const json = { 'content-type': 'application/json' }

function plain(status: number, code: number, message: string): Answer {
  return {
    status,
    headers: { ...json },
    body: JSON.stringify({ result: null, success: false, errors: [{ code, message }], messages: [] }),
  }
}

/** Responses for injected faults. */
export const faultAnswers = {
  '429': ({ retryAfterSeconds = 1 }: Fault): Answer => ({
    ...plain(429, 971, 'Please wait and consider throttling your request speed'),
    headers: { ...json, 'retry-after': String(retryAfterSeconds) },
  }),
  '500': (): Answer =>
    plain(500, 3043, 'AiError: AiError: Internal server error (6a5d29a2-1c6c-4a1f-8f5c-1f3a9f4a7d10)'),
  '503': (): Answer => plain(503, 7010, 'Service unavailable'),
  gone: (): Answer => plain(404, 7003, 'Could not route to the account, perhaps your object identifier is invalid?'),
}
