/** Errors of OpenAI's API and of relays that offer it. Relays use its form, and partly codes of their own. */
import { z } from 'zod'
import { AppError, type ErrorKind } from '../../core/errors.ts'
import { type ProviderResponse, parseJson, retryAfterMs, statusError } from '../http.ts'
import { readableReason } from '../reason.ts'

/** OpenRouter's codes are numbers. */
const text = z
  .union([z.string(), z.number()])
  .nullish()
  .transform((value) => (value === null || value === undefined ? '' : String(value)))
  .catch('')

export const faultShape = z.union([
  z.looseObject({ code: text, type: text, message: text }),
  z.string().transform((message) => ({ code: '', type: '', message })),
])
export type Fault = z.infer<typeof faultShape>

const envelopeShape = z.looseObject({ error: faultShape })

const codes: readonly (readonly [RegExp, ErrorKind])[] = [
  [/^(moderation_blocked|content_policy_violation|content_filter|safety_violations?)$/, 'moderated'],
  [/^(insufficient_(user_)?quota|billing_hard_limit_reached|invalid_api_key|account_deactivated)$/, 'provider_account'],
  [/^rate_limit_(exceeded|error)$/, 'provider_busy'],
  [/^(model_not_found|invalid_request_error|invalid_value|unknown_parameter)$/, 'provider_refused'],
]
/** How services refuse content without a code for it. */
const aboutContent = /safety system|content[_ ]policy|content management policy|moderation/i

interface FaultContext {
  /** Removed from the reason. */
  key: string | undefined
  response: ProviderResponse
}

/** The error for a response whose status is not 2xx. */
export function responseError(response: ProviderResponse, key: string | undefined): AppError {
  const fault = faultIn(response)
  // the error page of a proxy, which may have passed the request on
  if (!fault) return statusError('openai', response, { neverRan: response.status === 429 })
  return faultError(fault, { key, response })
}

/** The error that an answer of any status names. Its `neverRan` depends on the status: an answer of 200 is about work that ran. */
export function faultError(fault: Fault, { key, response }: FaultContext): AppError {
  const { status } = response
  const reason = readableReason(fault.message, key) ?? (fault.code || undefined)
  const neverRan = status >= 400 && status < 500 && status !== 408
  const kind = kindOf(fault, status)
  if (kind === undefined) {
    if (status < 400) return new AppError('provider_failed', { provider: 'openai', reason })
    return statusError('openai', response, { reason, neverRan })
  }
  return new AppError(
    kind,
    { provider: 'openai', reason: kind === 'provider_refused' ? reason : undefined },
    {
      cause: new Error(`openai answered with status ${status} and the code ${fault.code || fault.type || 'none'}`),
      neverRan,
      retryAfterMs: retryAfterMs(response.headers['retry-after']),
    },
  )
}

/** undefined: only the status says what it is. */
function kindOf({ code, type, message }: Fault, status: number): ErrorKind | undefined {
  if (status >= 500) return undefined
  for (const name of [code, type]) {
    const kind = codes.find(([pattern]) => pattern.test(name))?.[1]
    if (kind === 'moderated' || (kind !== undefined && !aboutContent.test(message))) {
      // a refused key or an empty account may have the type of any bad request
      return kind === 'provider_refused' && [401, 402, 403, 429].includes(status) ? undefined : kind
    }
  }
  return [200, 400, 403, 422].includes(status) && aboutContent.test(message) ? 'moderated' : undefined
}

/** undefined: the response is not the API's own JSON. */
export function faultIn(response: ProviderResponse): Fault | undefined {
  try {
    return envelopeShape.safeParse(parseJson('openai', response)).data?.error
  } catch {
    return undefined
  }
}
