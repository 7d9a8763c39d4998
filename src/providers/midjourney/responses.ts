/**
 * Answers of midjourney-proxy and of relays that offer its API. A submission is answered with a code and status 200, a task without a
 * code. Reasons are sentences, partly in Chinese.
 */
import { z } from 'zod'
import { AppError, asFinal, type ErrorKind } from '../../core/errors.ts'
import { type ProviderResponse, parseJson, retryAfterMs, statusError } from '../http.ts'
import { readableReason } from '../reason.ts'

const submissionShape = z.looseObject({
  code: z.number(),
  description: z.string().nullish(),
  result: z.union([z.string(), z.number()]).nullish(),
  properties: z
    .looseObject({
      bannedWord: z.string().nullish(),
      status: z.string().nullish(),
      imageUrl: z.string().nullish(),
    })
    .nullish()
    .catch(undefined),
})

const urlShape = z.union([z.string(), z.looseObject({ url: z.string() }).transform(({ url }) => url)])
const taskShape = z.looseObject({
  id: z.union([z.string(), z.number()]).transform(String),
  status: z.string().nullish(),
  progress: z.string().nullish(),
  imageUrl: z.string().nullish(),
  imageUrls: z.array(urlShape).nullish().catch(undefined),
  /** null and absent: the proxy does not report them. */
  buttons: z
    .array(z.looseObject({ customId: z.string() }))
    .nullish()
    .catch(undefined),
  prompt: z.string().nullish(),
  properties: z.looseObject({ finalPrompt: z.string().nullish() }).nullish().catch(undefined),
  failReason: z.string().nullish(),
  state: z.string().nullish(),
})
export type MidjourneyTask = z.infer<typeof taskShape>

/** 1: accepted · 22: accepted, and waits in the queue of the account. */
const accepted = [1, 22]

const kinds: Readonly<Record<number, ErrorKind>> = {
  // no account is free to take it
  3: 'provider_busy',
  4: 'provider_refused',
  23: 'provider_busy',
  24: 'moderated',
  30: 'provider_busy',
}

/** The picture was upscaled before, or the proxy waits for a form. */
const existed = 21

/** Proxies say so with code 3 or 4. */
const goneWords = /不存在|失效|task[_ ]no|no[_ ]found|not[_ ]found/i
/** Code 3 also says that no account is free. */
const accountWords = /账号|实例|account|instance/i

/** Faults of the account and of the queue have the code of any wrong request, and are told by their words. */
const words: readonly (readonly [RegExp, ErrorKind])[] = [
  [/quota|insufficient|余额|额度|次数/i, 'provider_quota'],
  [/队列已满|queue.*full|too many|busy|繁忙/i, 'provider_busy'],
  [/banned|sensitive|violat|moderat|blocked|敏感|违规|违禁/i, 'moderated'],
]
const kindOfWords = (text: string) => words.find(([pattern]) => pattern.test(text))?.[1]

interface Submitted {
  secret: string | undefined
  /** The submission continues another task. */
  continues: boolean
}

interface Accepted {
  taskId: string
  /** It belongs to an earlier submission, perhaps of another person. */
  existed?: true
}

/** The accepted task. Throws the error of any other answer. */
export function acceptedIn(response: ProviderResponse, { secret, continues }: Submitted): Accepted {
  const { status } = response
  if (continues && status === 404) throw gone(status)
  const answer = status < 500 ? submissionShape.safeParse(jsonIn(response)).data : undefined
  if (!answer) {
    if (status === 200) throw new AppError('bad_result', { provider: 'midjourney' })
    const isOwn = status === 401 || status === 403 || status === 429
    // otherwise the error page of a proxy, which may have passed the request on
    throw statusError('midjourney', response, { neverRan: isOwn })
  }
  const { code, description, result, properties } = answer
  if (accepted.includes(code) && result) return { taskId: String(result) }
  if (code === existed) {
    if (result && (properties?.imageUrl || properties?.status)) return { taskId: String(result), existed: true }
    throw new AppError('provider_refused', { provider: 'midjourney', reason: formAsked }, { neverRan: true })
  }
  const isGone = goneWords.test(description ?? '') && !accountWords.test(description ?? '')
  if (continues && (code === 3 || code === 4) && isGone) throw gone(code)
  const said = readableReason([description, properties?.bannedWord].filter(Boolean).join(': '), secret)
  const kind = kinds[code] === 'moderated' ? 'moderated' : (kindOfWords(description ?? '') ?? kinds[code])
  if (kind === undefined) throw new AppError('provider_failed', { provider: 'midjourney', reason: said })
  throw new AppError(
    kind,
    { provider: 'midjourney', reason: kind === 'provider_refused' || kind === 'moderated' ? said : undefined },
    {
      cause: new Error(`midjourney: code ${code}`),
      neverRan: true,
      retryAfterMs: retryAfterMs(response.headers['retry-after']),
    },
  )
}

/** The proxy waits for words that only its own page asks for. */
export const formAsked = 'the proxy waits for a form'

const gone = (code: number) =>
  new AppError(
    'work_gone',
    { provider: 'midjourney' },
    { cause: new Error(`midjourney: code ${code}`), neverRan: true, final: true },
  )

/** Throws AppError unresolved for a task that is unknown, and the error of a failed request. */
export function taskIn(response: ProviderResponse): MidjourneyTask {
  const { status } = response
  const json = jsonIn(response)
  const task = status === 200 ? taskShape.safeParse(json).data : undefined
  if (task) return task
  // depending on the proxy: null, nothing, a code, or a status
  const isUnknown = status === 204 || status === 404 || (status === 200 && (json === null || isRefusal(json)))
  if (isUnknown || (status === 200 && response.body.length === 0)) {
    throw new AppError('unresolved', { provider: 'midjourney' })
  }
  if (status === 200) throw new AppError('provider_failed', { provider: 'midjourney' })
  throw statusError('midjourney', response, { neverRan: false })
}

const isRefusal = (json: unknown) => submissionShape.safeParse(json).success

/** undefined: the proxy has no such list. */
export function tasksIn(response: ProviderResponse): MidjourneyTask[] | undefined {
  const tasks = response.status === 200 ? z.array(z.unknown()).safeParse(jsonIn(response)).data : undefined
  return tasks?.flatMap((task) => taskShape.safeParse(task).data ?? [])
}

/** The error of a task that has failed. */
export function taskError({ failReason }: MidjourneyTask, secret: string | undefined): AppError {
  const said = failReason ?? ''
  const reason = readableReason(said, secret)
  const kind = /超时|timed? ?out/i.test(said)
    ? 'provider_timeout'
    : /invalid (parameter|link)|\[invalid/i.test(said)
      ? 'provider_refused'
      : kindOfWords(said) === 'moderated'
        ? 'moderated'
        : 'provider_failed'
  return asFinal(new AppError(kind, { provider: 'midjourney', reason }))
}

/** The whole percentage that the proxy has read. undefined: none yet. */
export function percentOf({ progress }: MidjourneyTask): number | undefined {
  const [, digits] = /^(\d{1,3})%$/.exec(progress ?? '') ?? []
  return digits === undefined ? undefined : Math.min(100, Number(digits))
}

function jsonIn(response: ProviderResponse): unknown {
  try {
    return parseJson('midjourney', response)
  } catch {
    return undefined
  }
}
