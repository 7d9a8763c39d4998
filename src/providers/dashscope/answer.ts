/** What DashScope answers: an error in any status, a task, or links in one of two shapes. */
import { z } from 'zod'
import { AppError, type ErrorKind } from '../../core/errors.ts'
import type { Note } from '../../core/ports/models.ts'
import { type ProviderResponse, parseJson, retryAfterMs, statusError } from '../http.ts'
import { readableReason } from '../reason.ts'

const fault = { code: z.string().nullish(), message: z.string().nullish() }

const envelope = z.looseObject({
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
export type Envelope = z.infer<typeof envelope>
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

/** undefined: not DashScope's own JSON. */
export function envelopeOf(answer: ProviderResponse): Envelope | undefined {
  try {
    return envelope.parse(parseJson('dashscope', answer))
  } catch {
    return undefined
  }
}

interface Circumstances {
  key: string | undefined
  /** Of the answer. */
  status: number
  retryAfterMs?: number
}

/**
 * Only pictures that came are charged, so the provider's own word for a failure says that nothing ran. With a status of
 * 5xx it does not: that can also be said after the work went through.
 */
export function faultError({ code, message }: Fault, { key, status, retryAfterMs }: Circumstances): AppError {
  // an unknown code is final: its words are all there is
  const kind = kinds.find(([pattern]) => pattern.test(code ?? ''))?.[1] ?? 'provider_refused'
  const reason =
    kind === 'provider_refused' ? (readableReason(message ?? undefined, key) ?? code ?? undefined) : undefined
  const neverRan = kind !== 'provider_timeout' && status < 500
  const extra = { cause: new Error(`DashScope: ${code}`), neverRan, retryAfterMs }
  return new AppError(kind, { provider: 'dashscope', reason }, extra)
}

/** The output of an answer that is none of the errors. */
export function outputOf(answer: ProviderResponse, key: string | undefined): Output {
  const read = envelopeOf(answer)
  if (!read && answer.status === 200) throw new AppError('bad_result', { provider: 'dashscope' })
  if (read?.code) {
    const known = kinds.some(([pattern]) => pattern.test(read.code ?? ''))
    if (known || answer.status === 200) {
      const pauseMs = retryAfterMs(answer.headers['retry-after'])
      throw faultError(read, { key, status: answer.status, retryAfterMs: pauseMs })
    }
  }
  if (answer.status !== 200) {
    const reason = readableReason(read?.message ?? undefined, key)
    throw statusError('dashscope', answer, { reason, neverRan: Boolean(read?.code) && answer.status < 500 })
  }
  if (!read?.output) throw new AppError('bad_result', { provider: 'dashscope' })
  return read.output
}

/** Links of the pictures. Throws the reason when there are none. */
export function linksIn(output: Output, key: string | undefined): string[] {
  const old = (output.results ?? []).map(({ url }) => url)
  const fresh = (output.choices ?? []).flatMap(({ message }) => message.content.map(({ image }) => image))
  const urls = [...old, ...fresh].filter((url): url is string => typeof url === 'string')
  if (urls.length > 0) return urls
  const failed = output.results?.find(({ code }) => code)
  throw failed ? faultError(failed, { key, status: 200 }) : new AppError('bad_result', { provider: 'dashscope' })
}

export function notesOf(count: number, asked: number): Note[] {
  return count < asked ? [{ kind: 'some_missing', data: { count, asked } }] : []
}
