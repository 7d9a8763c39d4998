/** fal's error responses, in their three forms. */
import type { z } from 'zod'
import type { Answer } from '../faults.ts'
import type { Sent } from '../server.ts'

export interface Outcome {
  status: number
  headers?: Readonly<Record<string, string>>
  body: unknown
}

const docs = 'https://docs.fal.ai/errors'
const unbilled = { 'x-fal-billable-units': '0' }

/** Form A: a model refuses its input. */
export function invalid(error: z.ZodError, input: unknown): Outcome {
  const detail = error.issues.map((issue) => ({
    loc: ['body', ...issue.path.map(String), ...('keys' in issue ? issue.keys : [])],
    msg: issue.message,
    type: typeOf(issue),
    input,
  }))
  return { status: 422, headers: unbilled, body: { detail } }
}

function typeOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return 'extra_forbidden'
  if (issue.code === 'too_big') return 'less_than_equal'
  if (issue.code === 'too_small') return 'greater_than_equal'
  return issue.input === undefined ? 'missing' : 'value_error'
}

export function contentRefused(input: unknown): Outcome {
  const type = 'content_policy_violation'
  const msg = 'The content could not be processed because it contained material flagged by a content checker.'
  return {
    status: 422,
    headers: { ...unbilled, 'x-fal-retryable': 'false' },
    body: { detail: [{ loc: ['body', 'prompt'], msg, type, url: `${docs}#${type}`, input }] },
  }
}

export const infrastructure = {
  request_timeout: 504,
  startup_timeout: 504,
  runner_scheduling_failure: 503,
  runner_connection_timeout: 503,
  runner_disconnected: 503,
  runner_connection_refused: 503,
  runner_connection_error: 503,
  runner_incomplete_response: 502,
  runner_server_error: 500,
  client_disconnected: 499,
  client_cancelled: 499,
  bad_request: 400,
  internal_error: 500,
} as const

export type InfrastructureError = keyof typeof infrastructure

/** Form B: errors of the servers that run the models. */
export function broken(type: InfrastructureError, detail: string): Outcome {
  return { status: infrastructure[type], headers: { 'x-fal-error-type': type }, body: { detail, error_type: type } }
}

/** Form C: errors of the API in front of the models. */
export const refused = (status: number, detail: string): Sent => ({ status, body: { detail } })

export const noKey = refused(401, 'Authentication is required to access this application.')
export const wrongKey = refused(401, 'No user found for Key ID and Secret')
export const locked = refused(
  403,
  'User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing.',
)
export const unknownRequest = refused(404, 'Request not found')
export const inProgress = refused(400, 'Request is still in progress')

const json = { 'content-type': 'application/json' }

/** Responses for injected faults, as the API in front words them. */
export const faultAnswers = {
  '429': ({ retryAfterSeconds = 1 }: { retryAfterSeconds?: number }): Answer => ({
    status: 429,
    headers: { ...json, 'retry-after': String(retryAfterSeconds) },
    body: JSON.stringify({ detail: 'Too many concurrent requests', error_type: 'concurrent_requests_limit' }),
  }),
  '500': (): Answer => ({ status: 500, headers: json, body: JSON.stringify({ detail: 'Internal Server Error' }) }),
  '503': (): Answer => ({ status: 503, headers: json, body: JSON.stringify({ detail: 'Service Unavailable' }) }),
  gone: (): Answer => ({ status: 404, headers: json, body: JSON.stringify({ detail: 'Not found' }) }),
}
