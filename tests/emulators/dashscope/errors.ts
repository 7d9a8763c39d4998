/** DashScope's error responses: flat objects without an `error` member. */
import { randomUUID } from 'node:crypto'
import type { FaultOptions } from '../faults.ts'
import type { Sent } from '../server.ts'

export interface DashscopeError {
  status: number
  code: string
  message: string
}

export const refuse = ({ status, code, message }: DashscopeError): Sent => ({
  status,
  body: { code, message, request_id: randomUUID() },
})

export const invalid = (message: string): DashscopeError => ({ status: 400, code: 'InvalidParameter', message })

export const errors = {
  key: { status: 401, code: 'InvalidApiKey', message: 'Invalid API-key provided.' },
  overdue: {
    status: 400,
    code: 'Arrearage',
    message: 'Access denied, please make sure your account is in good standing.',
  },
  rate: { status: 429, code: 'Throttling.RateQuota', message: 'Requests rate limit exceeded, please try again later.' },
  quota: {
    status: 429,
    code: 'Throttling.AllocationQuota',
    message: 'Allocated quota exceeded, please increase your quota limit.',
  },
  internal: { status: 500, code: 'InternalError', message: 'An internal error has occured, please try again later.' },
  unavailable: { status: 503, code: 'ModelServingError', message: 'Too many requests, please try again later.' },
  input: {
    status: 400,
    code: 'DataInspectionFailed',
    message: 'Input data may contain inappropriate content.',
  },
  output: {
    status: 400,
    code: 'DataInspectionFailed',
    message: 'Output data may contain inappropriate content.',
  },
  notAsync: {
    status: 403,
    code: 'AccessDenied',
    message: 'current user api does not support synchronous calls',
  },
  notSync: {
    status: 403,
    code: 'AccessDenied',
    message: 'current user api does not support asynchronous calls',
  },
  notPending: {
    status: 400,
    code: 'UnsupportedOperation',
    message: 'Failed to cancel the task, please confirm if the task is in PENDING status.',
  },
  path: { status: 404, code: 'NotFound', message: 'url error, please check url' },
} satisfies Record<string, DashscopeError>

const json = { 'content-type': 'application/json' }
const response = (error: DashscopeError, headers: Record<string, string> = {}) => ({
  status: error.status,
  headers: { ...json, ...headers },
  body: JSON.stringify(refuse(error).body),
})

export const faultAnswers: NonNullable<FaultOptions['answers']> = {
  '429': ({ retryAfterSeconds = 1 }) => response(errors.rate, { 'retry-after': String(retryAfterSeconds) }),
  '500': () => response(errors.internal),
  '503': () => response(errors.unavailable),
  gone: () => response(errors.path),
}
