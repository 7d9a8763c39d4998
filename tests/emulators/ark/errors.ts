/** Ark's error responses. */
import { randomBytes } from 'node:crypto'
import type { FaultOptions } from '../faults.ts'
import type { Sent } from '../server.ts'

export interface ArkError {
  status: number
  code: string
  message: string
  param?: string
}

const types: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  429: 'TooManyRequests',
  500: 'InternalServerError',
}

export const requestId = () => `021${Date.now()}${randomBytes(8).toString('hex')}`

export function envelope({ status, code, message, param = '' }: ArkError): { error: object } {
  return {
    error: { code, message: `${message} Request id: ${requestId()}`, param, type: types[status] ?? 'BadRequest' },
  }
}

export const refuse = (error: ArkError): Sent => ({ status: error.status, body: envelope(error) })

export const invalid = (param: string, message: string): ArkError => ({
  status: 400,
  code: 'InvalidParameter',
  message: `The parameter \`${param}\` specified in the request are not valid: ${message}.`,
  param,
})

export const errors = {
  key: {
    status: 401,
    code: 'AuthenticationError',
    message: 'the API key or AK/SK in the request is missing or invalid.',
  },
  overdue: {
    status: 403,
    code: 'AccountOverdueError',
    message: 'The request failed because your account has an overdue balance.',
  },
  quota: { status: 429, code: 'QuotaExceeded', message: 'The request has exceeded the quota.' },
  rate: {
    status: 429,
    code: 'RateLimitExceeded.EndpointRPMExceeded',
    message: 'The Requests Per Minute (RPM) limit of the associated endpoint for your account has been exceeded.',
  },
  overloaded: { status: 429, code: 'ServerOverloaded', message: 'The service is currently unable to handle requests.' },
  internal: {
    status: 500,
    code: 'InternalServiceError',
    message: 'The service encountered an unexpected internal error.',
  },
  input: {
    status: 400,
    code: 'InputTextSensitiveContentDetected',
    message: 'The request failed because the input text may contain sensitive information.',
    param: 'prompt',
  },
  output: {
    status: 400,
    code: 'OutputImageSensitiveContentDetected',
    message: 'The request failed because the output image may contain sensitive information.',
  },
  path: { status: 404, code: 'NotFound', message: 'The requested path does not exist.' },
} satisfies Record<string, ArkError>

const json = { 'content-type': 'application/json' }
const response = (error: ArkError, headers: Record<string, string> = {}) => ({
  status: error.status,
  headers: { ...json, ...headers },
  body: JSON.stringify(envelope(error)),
})

export const faultAnswers: NonNullable<FaultOptions['answers']> = {
  '429': ({ retryAfterSeconds = 1 }) => response(errors.rate, { 'retry-after': String(retryAfterSeconds) }),
  '500': () => response(errors.internal),
  '503': () => response({ ...errors.overloaded, status: 503 }),
  gone: () => response(errors.path),
}
