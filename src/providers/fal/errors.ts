/**
 * fal's refusals: `{detail: [{loc, msg, type}]}` from models, `{detail, error_type}` from what runs them, `{detail}` from
 * the door. Failures of its own (5xx) and refused inputs are not billed.
 */
import { z } from 'zod'
import { AppError, asFinal } from '../../core/errors.ts'
import { statusError } from '../http.ts'
import { reasonOf } from '../words.ts'

const item = z.object({
  loc: z
    .array(z.union([z.string(), z.number()]))
    .optional()
    .catch(undefined),
  msg: z.string().optional().catch(undefined),
  type: z.string().optional().catch(undefined),
})

/** Without the inputs that it repeats. */
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
  /** Its names for what went wrong; none where only the door spoke. */
  types: readonly string[]
  words?: string
}

/** undefined: not one of fal's own words. */
export function faultIn(body: unknown, { status, headers }: { status: number; headers: Headers }): Fault | undefined {
  const { data } = envelope.safeParse(body)
  if (!data || (data.detail === undefined && !data.error_type && data.message === undefined)) return undefined
  const items = Array.isArray(data.detail) ? data.detail : []
  const types = [...items.map(({ type }) => type), data.error_type, headers['x-fal-error-type']]
  const sentences = items.map(({ loc, msg }) => [loc?.at(-1), msg].filter((part) => part !== undefined).join(': '))
  const words = typeof data.detail === 'string' ? data.detail : sentences.join('; ') || data.message
  return { status, headers, types: types.filter((type): type is string => Boolean(type)), words }
}

/** The work is over and this is how: asking again brings the same. */
export function isFinal(fault: Fault): boolean {
  const { status, types } = fault
  if (types.length > 0) return true
  // the door refuses the key, whatever became of the work
  if (status === 401 || status === 402 || status === 403) return false
  return retryable(fault) !== undefined || (status < 500 && ![404, 408, 429].includes(status))
}

/** `submitted`: the request was taken before this was said, so a time-out is no longer a doubt. */
export function faultError(fault: Fault, { key, submitted }: { key?: string; submitted: boolean }): AppError {
  const error = meaningOf(fault, { key, submitted })
  if (!submitted) return error
  if (fault.status !== 429) return asFinal(error)
  // only the question was refused: the work goes on
  return new AppError(error.kind, error.data, { cause: error.cause, retryAfterMs: error.retryAfterMs })
}

function meaningOf(fault: Fault, { key, submitted }: { key?: string; submitted: boolean }): AppError {
  const { status, types } = fault
  const data = { provider: 'fal', reason: reasonOf(fault.words, key) }
  const cause = new Error(`fal: ${status} ${types.join(' ')}`)
  if (types.includes('content_policy_violation')) return new AppError('moderated', data, { cause, neverRan: true })
  if (types.includes('client_cancelled')) return new AppError('cancelled', data, { cause })
  if (status === 504 || status === 408 || types.some((type) => /^(request|startup|generation)_timeout$/.test(type))) {
    // the deadline that fal itself was given: it must not be asked for once more
    const own = fault.headers['x-fal-request-timeout-type'] === 'user'
    return new AppError('provider_timeout', data, { cause, neverRan: submitted && !own })
  }
  const told = retryable(fault)
  if (told === false && status >= 500) return new AppError('provider_refused', data, { cause, neverRan: submitted })
  if (told === true && (status === 400 || status === 422)) {
    return new AppError('provider_failed', data, { cause, neverRan: true })
  }
  return statusError(
    'fal',
    { status, headers: fault.headers, body: Buffer.alloc(0) },
    {
      reason: data.reason,
      // any server on the way can say 5xx in JSON, also after the request went through
      neverRan: submitted || status < 500,
    },
  )
}

/** Two names for one header: the documentation is between them. */
function retryable({ headers }: Fault): boolean | undefined {
  const said = (headers['x-fal-needs-retry'] ?? headers['x-fal-retryable'])?.toLowerCase()
  if (said === 'true' || said === '1') return true
  return said === 'false' || said === '0' ? false : undefined
}
