/** Kling's responses: a code of its own with any status, and a task. */
import { z } from 'zod'
import { AppError, asFinal, type ErrorKind } from '../../core/errors.ts'
import { type ProviderResponse, parseJson, retryAfterMs, statusError } from '../http.ts'
import { readableReason } from '../reason.ts'

const taskShape = z.looseObject({
  task_id: z.string().min(1),
  task_status: z.string(),
  task_status_msg: z.string().nullish(),
  task_info: z.looseObject({ external_task_id: z.string().nullish() }).nullish().catch(undefined),
  task_result: z
    .looseObject({ images: z.array(z.looseObject({ url: z.string().nullish() })).nullish() })
    .nullish()
    .catch(undefined),
})
export type KlingTask = z.infer<typeof taskShape>

const envelopeShape = z.looseObject({
  code: z.number(),
  message: z.string().catch(''),
  data: z.unknown().optional(),
})

const kinds: readonly (readonly [RegExp, ErrorKind])[] = [
  [/^(100\d|1103|1304)$/, 'provider_account'],
  // the account owes money, or its package is used up
  [/^(1100|1101|1102)$/, 'provider_quota'],
  [/^130[23]$/, 'provider_busy'],
  [/^130[01]$/, 'moderated'],
  [/^120\d$/, 'provider_refused'],
]

interface Context {
  /** Removed from reasons. */
  secret: string | undefined
}

/** The task in a response. Throws the error of any other response. */
export function taskIn(response: ProviderResponse, context: Context): KlingTask {
  const task = taskShape.safeParse(dataIn(response, context))
  if (!task.success) throw new AppError('bad_result', { provider: 'kling' }, { cause: task.error })
  return task.data
}

/** The tasks in a page of Kling's list, newest first. */
export function tasksIn(response: ProviderResponse, context: Context): KlingTask[] {
  const tasks = z.array(z.unknown()).safeParse(dataIn(response, context))
  if (!tasks.success) throw new AppError('bad_result', { provider: 'kling' }, { cause: tasks.error })
  return tasks.data.flatMap((task) => taskShape.safeParse(task).data ?? [])
}

/** Throws the error of a response without data. Failures are free, so a code of Kling's own below status 500 says that nothing ran. */
function dataIn(response: ProviderResponse, { secret }: Context): unknown {
  const { status, headers } = response
  const envelope = envelopeIn(response)
  if (!envelope) {
    if (status === 200) throw new AppError('bad_result', { provider: 'kling' })
    // the error page of a proxy, which may have passed the request on
    throw statusError('kling', response, { neverRan: status === 429 })
  }
  if (envelope.code === 0 && status === 200) return envelope.data
  const reason = readableReason(envelope.message, secret)
  const kind = kinds.find(([pattern]) => pattern.test(String(envelope.code)))?.[1]
  if (!kind) throw statusError('kling', response, { reason, neverRan: status < 500 && envelope.code < 5_000 })
  throw new AppError(
    kind,
    { provider: 'kling', reason: kind === 'provider_refused' ? reason : undefined },
    {
      cause: new Error(`kling: ${envelope.code}`),
      neverRan: status < 500,
      retryAfterMs: retryAfterMs(headers['retry-after']),
    },
  )
}

export function isUnknownTask(response: ProviderResponse): boolean {
  return response.status === 404 || envelopeIn(response)?.code === 1203
}

function envelopeIn(response: ProviderResponse): z.infer<typeof envelopeShape> | undefined {
  try {
    return envelopeShape.safeParse(parseJson('kling', response)).data
  } catch {
    return undefined
  }
}

/** Kling gives the reason in words alone. */
const aboutContent = /risk control|sensitive|content (policy|review)|moderation|prohibited/i

/** The error of a task that has failed, which costs nothing. */
export function taskError({ task_status_msg: message }: KlingTask, { secret }: Context): AppError {
  const reason = readableReason(message ?? undefined, secret)
  const kind = aboutContent.test(message ?? '') ? 'moderated' : 'provider_failed'
  return asFinal(new AppError(kind, { provider: 'kling', reason }, { neverRan: true }))
}

/** Links to the pictures of a task that has succeeded. */
export function linksIn({ task_result: result }: KlingTask): string[] {
  const urls = (result?.images ?? []).flatMap(({ url }) => (url ? [url] : []))
  if (urls.length === 0) throw new AppError('bad_result', { provider: 'kling' })
  return urls
}
