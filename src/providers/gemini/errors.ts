/** Errors of the Gemini API, by their status in words and the reasons in their details. */
import { z } from 'zod'
import { AppError, type ErrorKind } from '../../core/errors.ts'
import { type ProviderResponse, parseJson, retryAfterMs, statusError } from '../http.ts'
import { readableReason } from '../reason.ts'

const envelopeShape = z.looseObject({
  error: z.looseObject({
    status: z.string().catch(''),
    message: z.string().catch(''),
    details: z.array(z.looseObject({ reason: z.string().optional().catch(undefined) })).catch([]),
  }),
})
type Fault = z.infer<typeof envelopeShape>['error']

/** A wrong key has the status of any bad request, and so has an account without billing or in a country without the API. */
const accountReasons = /^(API_KEY_|ACCESS_TOKEN_|BILLING_|CONSUMER_|SERVICE_DISABLED)/

const kinds: Readonly<Record<string, ErrorKind>> = {
  FAILED_PRECONDITION: 'provider_account',
  UNAUTHENTICATED: 'provider_account',
  PERMISSION_DENIED: 'provider_account',
  RESOURCE_EXHAUSTED: 'provider_busy',
  INVALID_ARGUMENT: 'provider_refused',
  NOT_FOUND: 'provider_refused',
}

/** The error for a response whose status is not 200. */
export function responseError(response: ProviderResponse, key: string | undefined): AppError {
  const fault = faultIn(response)
  // the error page of a proxy, which may have passed the request on
  if (!fault) return statusError('gemini', response, { neverRan: response.status === 429 })
  const reason = readableReason(fault.message || undefined, key)
  const kind = kindOf(fault)
  // what Google charges where its own servers fail is not documented
  if (kind === undefined) return statusError('gemini', response, { reason, neverRan: response.status < 500 })
  return new AppError(
    kind,
    { provider: 'gemini', reason: kind === 'provider_refused' ? reason : undefined },
    {
      cause: new Error(`gemini: ${fault.status}`),
      neverRan: true,
      retryAfterMs: retryAfterMs(response.headers['retry-after']),
    },
  )
}

function kindOf({ status, details }: Fault): ErrorKind | undefined {
  const isAccount = details.some(({ reason }) => accountReasons.test(reason ?? ''))
  return isAccount ? 'provider_account' : kinds[status]
}

/** undefined: the response is not Google's own JSON. */
function faultIn(response: ProviderResponse): Fault | undefined {
  try {
    return envelopeShape.safeParse(parseJson('gemini', response)).data?.error
  } catch {
    return undefined
  }
}
