/**
 * fal's errors. They have three forms: `{detail: [{loc, msg, type}]}` from models, `{detail, error_type}` from the
 * servers that run them, and `{detail}` from the API in front. fal bills neither refused inputs nor its own failures
 * with a status 5xx.
 */
import { z } from 'zod'
import { AppError, asFinal } from '../../core/errors.ts'
import { statusError } from '../http.ts'
import { readableReason } from '../reason.ts'

const item = z.object({
  loc: z
    .array(z.union([z.string(), z.number()]))
    .optional()
    .catch(undefined),
  msg: z.string().optional().catch(undefined),
  type: z.string().optional().catch(undefined),
})

/** Drops the inputs that fal repeats in its errors. */
export const detailShape = z.union([z.string(), z.array(item)])

const envelope = z.looseObject({
  detail: detailShape.optional(),
  error_type: z.string().nullish(),
  message: z.string().optional(),
})

type Headers = Readonly<Record<string, string>>

export interface Fault {
  status: number
  headers: Headers
  /** fal's names for the error; empty if it comes from the API in front. */
  types: readonly string[]
  message?: string
}

/** The error in a response body. undefined: it has none of fal's forms. */
export function faultIn(body: unknown, { status, headers }: { status: number; headers: Headers }): Fault | undefined {
  const { data } = envelope.safeParse(body)
  if (!data || (data.detail === undefined && !data.error_type && data.message === undefined)) return undefined
  const items = Array.isArray(data.detail) ? data.detail : []
  const types = [...items.map(({ type }) => type), data.error_type, headers['x-fal-error-type']]
  const sentences = items.map(({ loc, msg }) => [loc?.at(-1), msg].filter((part) => part !== undefined).join(': '))
  const message = typeof data.detail === 'string' ? data.detail : sentences.join('; ') || data.message
  return { status, headers, types: types.filter((type): type is string => Boolean(type)), message }
}

/** Whether the request has ended with this error, so that reading its result again returns the same. */
export function isFinal(fault: Fault): boolean {
  const { status, types } = fault
  if (types.length > 0) return true
  // a refused key says nothing about the request
  if (status === 401 || status === 402 || status === 403) return false
  return retryHint(fault) !== undefined || (status < 500 && ![404, 408, 429].includes(status))
}

/** `submitted`: fal had accepted the request before, so this error is about its work and not about the submission. */
export function faultError(fault: Fault, { key, submitted }: { key?: string; submitted: boolean }): AppError {
  const error = classify(fault, { key, submitted })
  if (!submitted) return error
  if (fault.status !== 429) return asFinal(error)
  // 429 refuses only this call; the request goes on
  return new AppError(error.kind, error.data, { cause: error.cause, retryAfterMs: error.retryAfterMs })
}

function classify(fault: Fault, { key, submitted }: { key?: string; submitted: boolean }): AppError {
  const { status, types } = fault
  const data = { provider: 'fal', reason: readableReason(fault.message, key) }
  const cause = new Error(`fal: ${status} ${types.join(' ')}`)
  if (types.includes('content_policy_violation')) return new AppError('moderated', data, { cause, neverRan: true })
  if (types.includes('client_cancelled')) return new AppError('cancelled', data, { cause })
  if (status === 504 || status === 408 || types.some((type) => /^(request|startup|generation)_timeout$/.test(type))) {
    // 'user': the time limit that the submission itself set; the work may have run until then
    const own = fault.headers['x-fal-request-timeout-type'] === 'user'
    return new AppError('provider_timeout', data, { cause, neverRan: submitted && !own })
  }
  const hint = retryHint(fault)
  if (hint === false && status >= 500) return new AppError('provider_refused', data, { cause, neverRan: submitted })
  if (hint === true && (status === 400 || status === 422)) {
    return new AppError('provider_failed', data, { cause, neverRan: true })
  }
  return statusError(
    'fal',
    { status, headers: fault.headers, body: Buffer.alloc(0) },
    {
      reason: data.reason,
      // before acceptance, a 5xx in JSON may come from a proxy that has passed the submission on
      neverRan: submitted || status < 500,
    },
  )
}

/** Whether fal says that a retry can help. undefined: it does not say. fal's documentation uses both header names. */
function retryHint({ headers }: Fault): boolean | undefined {
  const hint = (headers['x-fal-needs-retry'] ?? headers['x-fal-retryable'])?.toLowerCase()
  if (hint === 'true' || hint === '1') return true
  return hint === 'false' || hint === '0' ? false : undefined
}
