/** What Ark's error codes mean. A code has parts: 'InvalidEndpointOrModel.ModelIDAccessDisabled'. */
import { z } from 'zod'
import { AppError, type ErrorKind } from '../../core/errors.ts'
import { type ProviderResponse, parseJson, retryAfterMs, statusError } from '../http.ts'
import { readableReason } from '../reason.ts'

export const arkFault = z.looseObject({ code: z.string(), message: z.string().optional() })
type ArkFault = z.infer<typeof arkFault>

const envelope = z.looseObject({ error: arkFault })

const kinds: readonly (readonly [RegExp, ErrorKind])[] = [
  [/Sensitive|RiskDetection/, 'moderated'],
  [/^(AuthenticationError|AccessDenied|AccountOverdueError|ModelNotOpen|OperationDenied)/, 'provider_account'],
  [/IDAccessDisabled$/, 'provider_account'],
  [/^QuotaExceeded/, 'provider_quota'],
  [/^(RateLimitExceeded|ServerOverloaded|RequestBurstTooFast)/, 'provider_busy'],
  [/^(InvalidParameter|MissingParameter|UnsupportedModel|InvalidEndpoint|NotFound)/, 'provider_refused'],
  [/^InternalServiceError/, 'provider_failed'],
]

export interface Circumstances {
  key: string | undefined
  retryAfterMs?: number
}

/** undefined: a code that nobody told us about. Failures are free, so each that is known says that nothing ran. */
export function faultError(fault: ArkFault, { key, retryAfterMs }: Circumstances): AppError | undefined {
  const kind = kinds.find(([pattern]) => pattern.test(fault.code))?.[1]
  if (!kind) return undefined
  const reason = kind === 'provider_refused' ? (readableReason(fault.message, key) ?? fault.code) : undefined
  const cause = new Error(`Ark: ${fault.code}`)
  return new AppError(kind, { provider: 'ark', reason }, { cause, neverRan: true, retryAfterMs })
}

/** For any answer but 200. A proxy's page says nothing of what happened behind it. */
export function answerError(answer: ProviderResponse, key: string | undefined): AppError {
  const fault = faultIn(answer)
  if (!fault) return statusError('ark', answer, { neverRan: false })
  const known = faultError(fault, { key, retryAfterMs: retryAfterMs(answer.headers['retry-after']) })
  return (
    known ?? statusError('ark', answer, { reason: readableReason(fault.message, key), neverRan: answer.status < 500 })
  )
}

export function faultIn(answer: ProviderResponse): ArkFault | undefined {
  try {
    return envelope.parse(parseJson('ark', answer)).error
  } catch {
    return undefined
  }
}
