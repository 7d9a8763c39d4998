/** Responses of Volcengine's visual API: a code of its own with any status, or an error of the gateway in front of it. */
import { z } from 'zod'
import { AppError, asFinal, type ErrorKind } from '../../core/errors.ts'
import { type ProviderResponse, parseJson, retryAfterMs, statusError } from '../http.ts'
import { readableReason } from '../reason.ts'

const envelopeShape = z.looseObject({
  code: z.number(),
  message: z.string().catch(''),
  data: z
    .looseObject({
      task_id: z.string().nullish(),
      status: z.string().nullish(),
      image_urls: z.array(z.string()).nullish().catch(undefined),
      binary_data_base64: z.array(z.string()).nullish().catch(undefined),
    })
    .nullish()
    .catch(undefined),
})
export type Data = NonNullable<z.infer<typeof envelopeShape>['data']>

/** The gateway refuses a wrong signature, a key without rights, and a service that is not activated. */
const gatewayShape = z.looseObject({
  ResponseMetadata: z.looseObject({ Error: z.looseObject({ Code: z.string(), Message: z.string().catch('') }) }),
})

const success = 10_000
const kinds: Readonly<Record<number, ErrorKind>> = {
  50400: 'provider_account',
  // pictures and words of the request, then those of the result
  50411: 'moderated',
  50412: 'moderated',
  50413: 'moderated',
  50511: 'moderated',
  50512: 'moderated',
  50519: 'moderated',
  50429: 'provider_busy',
  50430: 'provider_busy',
}

interface Context {
  /** Removed from reasons. */
  secret: string
  /** Where the response is to a submission: an error of the service then says that nothing ran. */
  isSubmission: boolean
}

/** Throws the error of a response that is no success. */
export function dataIn(response: ProviderResponse, context: Context): Data {
  const json = jsonIn(response)
  const envelope = envelopeShape.safeParse(json).data
  if (envelope?.code === success && response.status === 200) return envelope.data ?? {}
  const gateway = gatewayShape.safeParse(json).data?.ResponseMetadata.Error
  if (gateway) throw gatewayError(response, gateway, context)
  if (!envelope) {
    if (response.status === 200) throw new AppError('bad_result', { provider: 'jimeng' })
    // the error page of a proxy, which may have passed the request on
    throw statusError('jimeng', response, { neverRan: response.status === 429 })
  }
  throw codeError(response, envelope, context)
}

function gatewayError(
  response: ProviderResponse,
  { Code, Message }: { Code: string; Message: string },
  context: Context,
) {
  const { status } = response
  const neverRan = context.isSubmission && status < 500
  const cause = new Error(`volcengine: ${Code}`)
  const isBusy = status === 429 || /limit|throttl/i.test(Code)
  if (isBusy) return new AppError('provider_busy', { provider: 'jimeng' }, { cause, neverRan })
  if (status >= 500) return statusError('jimeng', response, { neverRan })
  const reason = readableReason(Message, context.secret)
  return new AppError('provider_account', { provider: 'jimeng', reason }, { cause, neverRan })
}

interface Fault {
  code: number
  message: string
}

function codeError(response: ProviderResponse, { code, message }: Fault, { secret, isSubmission }: Context): AppError {
  const neverRan = isSubmission && code < 50_500
  const reason = readableReason(message, secret)
  // not all codes of refused content are documented
  const kind = kinds[code] ?? (/risk not pass/i.test(message) ? 'moderated' : undefined)
  const cause = new Error(`jimeng: ${code}`)
  if (!kind) {
    if (code >= 50_500) return new AppError('provider_failed', { provider: 'jimeng', reason }, { cause, neverRan })
    if (response.status >= 400) return statusError('jimeng', response, { reason, neverRan })
    return new AppError('provider_refused', { provider: 'jimeng', reason }, { cause, neverRan })
  }
  const wait = retryAfterMs(response.headers['retry-after'])
  const error = new AppError(kind, { provider: 'jimeng' }, { cause, neverRan, retryAfterMs: wait })
  // a refused result stays refused
  return kind === 'moderated' ? asFinal(error) : error
}

/** Whether the service itself has answered, with any code of its own: address and keys work. */
export function isAnswer(response: ProviderResponse): boolean {
  const code = envelopeShape.safeParse(jsonIn(response)).data?.code
  return code !== undefined && kinds[code] !== 'provider_account'
}

function jsonIn(response: ProviderResponse): unknown {
  try {
    return parseJson('jimeng', response)
  } catch {
    return undefined
  }
}
