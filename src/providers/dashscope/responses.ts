/** DashScope's responses: an error with any status, a task, or links in one of two forms. */
import { z } from 'zod'
import { AppError, type ErrorKind } from '../../core/errors.ts'

import { type ProviderResponse, parseJson, retryAfterMs, statusError } from '../http.ts'
import { readableReason } from '../reason.ts'

const fault = { code: z.string().nullish(), message: z.string().nullish() }

const envelopeShape = z.looseObject({
  ...fault,
  request_id: z.string().nullish(),
  output: z
    .looseObject({
      ...fault,
      task_id: z.string().nullish(),
      task_status: z.string().nullish(),
      results: z.array(z.looseObject({ ...fault, url: z.string().nullish() })).nullish(),
      choices: z
        .array(
          z.looseObject({
            message: z.looseObject({ content: z.array(z.looseObject({ image: z.string().nullish() })) }),
          }),
        )
        .nullish(),
    })
    .nullish(),
})
export type Envelope = z.infer<typeof envelopeShape>
export type Output = NonNullable<Envelope['output']>

interface Fault {
  code?: string | null
  message?: string | null
}

const kinds: readonly (readonly [RegExp, ErrorKind])[] = [
  [/DataInspection|IPInfringement/i, 'moderated'],
  [/^(InvalidApiKey|Arrearage|\w+BillOverdue)|AccessDenied|Unpurchased/, 'provider_account'],
  [/AllocationQuota/, 'provider_quota'],
  [/^Throttling/, 'provider_busy'],
  [/^(Invalid|Model\.?NotFound|BadRequest|UnsupportedOperation)/, 'provider_refused'],
  [/Time-?out/i, 'provider_timeout'],
  [/^(InternalError|SystemError|ModelServiceFailed|ServiceUnavailable)/, 'provider_failed'],
]

/** undefined: the body is not DashScope's own JSON. */
export function parseEnvelope(response: ProviderResponse): Envelope | undefined {
  try {
    return envelopeShape.parse(parseJson('dashscope', response))
  } catch {
    return undefined
  }
}

interface FaultContext {
  /** Removed from the reason. */
  key: string | undefined
  /** Status of the response that contains the fault. */
  status: number
  retryAfterMs?: number
}

/**
 * DashScope charges only for delivered pictures, so an error with one of its codes says that nothing ran. Exceptions
 * are a timeout and a status 5xx, which can also follow work that succeeded.
 */
export function faultError({ code, message }: Fault, { key, status, retryAfterMs }: FaultContext): AppError {
  // an unknown code is not retried; its message is the reason
  const kind = kinds.find(([pattern]) => pattern.test(code ?? ''))?.[1] ?? 'provider_refused'
  const reason =
    kind === 'provider_refused' ? (readableReason(message ?? undefined, key) ?? code ?? undefined) : undefined
  const neverRan = kind !== 'provider_timeout' && status < 500
  const extra = { cause: new Error(`DashScope: ${code}`), neverRan, retryAfterMs }
  return new AppError(kind, { provider: 'dashscope', reason }, extra)
}

/** The output of a successful response. Throws the error of any other. */
export function outputIn(response: ProviderResponse, key: string | undefined): Output {
  const { status } = response
  const envelope = parseEnvelope(response)
  if (!envelope && status === 200) throw new AppError('bad_result', { provider: 'dashscope' })
  if (envelope?.code) {
    const isClassified = kinds.some(([pattern]) => pattern.test(envelope.code ?? ''))
    if (isClassified || status === 200) {
      throw faultError(envelope, { key, status, retryAfterMs: retryAfterMs(response.headers['retry-after']) })
    }
  }
  if (status !== 200) {
    const reason = readableReason(envelope?.message ?? undefined, key)
    throw statusError('dashscope', response, { reason, neverRan: Boolean(envelope?.code) && status < 500 })
  }
  if (!envelope?.output) throw new AppError('bad_result', { provider: 'dashscope' })
  return envelope.output
}

/** Links to the pictures. Throws the error of the first failed picture when there are none. */
export function linksIn(output: Output, key: string | undefined): string[] {
  const results = (output.results ?? []).map(({ url }) => url)
  const choices = (output.choices ?? []).flatMap(({ message }) => message.content.map(({ image }) => image))
  const urls = [...results, ...choices].filter((url): url is string => typeof url === 'string')
  if (urls.length > 0) return urls
  const failed = output.results?.find(({ code }) => code)
  throw failed ? faultError(failed, { key, status: 200 }) : new AppError('bad_result', { provider: 'dashscope' })
}
