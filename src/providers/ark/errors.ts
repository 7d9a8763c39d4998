/** Ark's errors, by their code. A code consists of parts, such as 'InvalidEndpointOrModel.ModelIDAccessDisabled'. */
import { z } from 'zod'
import { AppError, type ErrorKind } from '../../core/errors.ts'
import { type ProviderResponse, parseJson, retryAfterMs, statusError } from '../http.ts'
import { readableReason } from '../reason.ts'

export const arkFault = z.looseObject({ code: z.string(), message: z.string().optional() })
type ArkFault = z.infer<typeof arkFault>

const envelopeShape = z.looseObject({ error: arkFault })

const kinds: readonly (readonly [RegExp, ErrorKind])[] = [
  [/Sensitive|RiskDetection/, 'moderated'],
  [/^(AuthenticationError|AccessDenied|AccountOverdueError|ModelNotOpen|OperationDenied)/, 'provider_account'],
  [/IDAccessDisabled$/, 'provider_account'],
  [/^QuotaExceeded/, 'provider_quota'],
  [/^(RateLimitExceeded|ServerOverloaded|RequestBurstTooFast)/, 'provider_busy'],
  [/^(InvalidParameter|MissingParameter|UnsupportedModel|InvalidEndpoint|NotFound)/, 'provider_refused'],
  [/^InternalServiceError/, 'provider_failed'],
]

interface FaultContext {
  /** Removed from the reason. */
  key: string | undefined
  retryAfterMs?: number
}

/** undefined: the code is unknown. Ark does not charge for failures, so each known code says that nothing ran. */
export function faultError(fault: ArkFault, { key, retryAfterMs }: FaultContext): AppError | undefined {
  const kind = kinds.find(([pattern]) => pattern.test(fault.code))?.[1]
  if (!kind) return undefined
  const reason = kind === 'provider_refused' ? (readableReason(fault.message, key) ?? fault.code) : undefined
  const cause = new Error(`Ark: ${fault.code}`)
  return new AppError(kind, { provider: 'ark', reason }, { cause, neverRan: true, retryAfterMs })
}

/** The error for a response whose status is not 200. */
export function responseError(response: ProviderResponse, key: string | undefined): AppError {
  const fault = faultIn(response)
  // the error page of a proxy, which may have passed the request on
  if (!fault) return statusError('ark', response, { neverRan: false })
  const error = faultError(fault, { key, retryAfterMs: retryAfterMs(response.headers['retry-after']) })
  if (error) return error
  return statusError('ark', response, { reason: readableReason(fault.message, key), neverRan: response.status < 500 })
}

/** undefined: the response is not Ark's own JSON. */
export function faultIn(response: ProviderResponse): ArkFault | undefined {
  try {
    return envelopeShape.parse(parseJson('ark', response)).error
  } catch {
    return undefined
  }
}
