/**
 * fal.ai, or a relay with the same API. One submission puts a request into fal's queue. Its end is noticed by webhook
 * if fal can reach us, else by event stream, else by polling. "COMPLETED" only says that it ended; the result says how.
 */
import { AppError } from '../../core/errors.ts'
import type { Note, ResultPlace } from '../../core/ports/models.ts'
import type {
  ImageProvider,
  Progress,
  ProviderContext,
  ProviderKind,
  ProviderSettings,
  Task,
} from '../../core/ports/providers.ts'
import type { Json } from '../../db/json.ts'
import { createProviderHttp, type ProviderHttp } from '../http.ts'
import { withRetries } from '../retry.ts'
import { faultError, faultIn } from './errors.ts'
import { createPace, kindOf } from './pace.ts'
import { createQueue } from './queue.ts'
import { isDone, positionOf, progressBarOf, type Result, requestedCount, resultIn, type Status } from './responses.ts'
import { createStreams } from './stream.ts'
import { type Ticket, ticketFor, ticketShape } from './ticket.ts'
import { createReceiver, type WebhookMessage, webhookMessageShape } from './webhook.ts'

/** Pauses between polls while a webhook call is expected, in case it never comes. */
const fallbackMs = { first: 1_000, most: 5_000, growth: 1.5 }
/** Pause when a completed request does not have its result yet. */
const settlingMs = 250

export const fal: ProviderKind = {
  name: 'fal',
  title: 'fal.ai',
  defaultUrl: 'https://queue.fal.run',
  needsKey: true,
  create,
}

function create({ baseUrl, key, concurrency }: ProviderSettings, { webhookUrl }: ProviderContext): ImageProvider {
  const headers = { authorization: `Key ${key ?? ''}` }
  const http = createProviderHttp({ provider: 'fal', baseUrl, headers, concurrency })
  const queue = createQueue({ http, baseUrl, key, webhookUrl })
  const streams = createStreams(http)
  const pace = createPace()
  const receiver = createReceiver(baseUrl)
  const fallback = createFallbackWaits()

  async function check(ticket: Ticket, task: Task, signal: AbortSignal): Promise<Progress> {
    const message = messageOf(task)
    if (message?.request_id === ticket.requestId) return collect(ticket, { task, signal, message })
    const streamed = webhookUrl ? undefined : await streams.next(ticket, signal)
    const status = streamed ?? (await queue.status(ticket, signal))
    if (isDone(status)) {
      pace.done(ticket.requestId, status, streamed !== undefined)
      return collect(ticket, { task, signal, status })
    }
    const waitMs = webhookUrl ? fallback.next(ticket.requestId) : streamed ? 0 : pace.next(ticket.requestId, status)
    return { state: 'pending', ticket, waitMs, position: positionOf(status), percent: progressBarOf(status)?.percent }
  }

  /** The request has ended: returns its pictures, or rejects with the reason why there are none. */
  async function collect(ticket: Ticket, { task, signal, message, status }: Ended): Promise<Progress> {
    const { requestId } = ticket
    const place = task.result
    const result =
      (message && resultOf(message, { key, place })) ?? (await queue.result(ticket, signal, { status, place }))
    if (result === 'running') return { state: 'pending', ticket, waitMs: settlingMs }
    const progress = await fetchPictures(http, result, { task, signal })
    streams.end(requestId)
    fallback.end(requestId)
    return progress
  }

  return {
    name: 'fal',
    async start(task, signal) {
      const ticket = await queue.submit(task, signal)
      const firstMs = pace.begin(ticket.requestId, kindOf(task.endpoint, task.input))
      const waitMs = webhookUrl ? fallback.next(ticket.requestId) : streams.available ? 0 : firstMs
      return { state: 'pending', ticket, waitMs }
    },
    submission: (task) => queue.submission(task),
    check: (saved, task, signal) => check(ticketShape.parse(saved), task, signal),
    async find(task, signal) {
      // without the response to the submission, only a webhook can name the request's id
      if (!webhookUrl) throw new AppError('unresolved', {}, { final: true })
      const message = messageOf(task)
      if (!message) return 'unknown'
      const ticket = ticketFor({ requestId: message.request_id }, { endpoint: task.endpoint, baseUrl })
      return collect(ticket, { task, signal, message })
    },
    cancel: (saved) => queue.cancel(ticketShape.parse(saved)),
    receive: (call) => receiver.receive(call),
    test: (signal) => queue.test(signal),
    async close() {
      streams.close()
      await Promise.all([http.close(), receiver.close()])
    },
  }
}

interface Ended {
  task: Task
  signal: AbortSignal
  message?: WebhookMessage
  status?: Status
}

function messageOf({ webhookMessage }: Task): WebhookMessage | undefined {
  return webhookMessageShape.safeParse(webhookMessage).data
}

/** undefined: the message holds neither a result nor an error, so read the result. Throws the error of the model. */
function resultOf(
  { status, payload, error }: WebhookMessage,
  { key, place }: { key?: string; place?: ResultPlace },
): Result | undefined {
  if (status === 'OK') return resultIn(payload as Json, place)
  const code = Number(/status code: (\d{3})/.exec(error ?? '')?.[1] ?? 500)
  const fault = faultIn(payload, { status: code, headers: {} })
  if (fault) throw faultError(fault, { key, submitted: true })
  return undefined
}

/** Rejects with AppError moderated when every picture was flagged and none of these is wanted. */
async function fetchPictures(
  http: ProviderHttp,
  result: Result,
  { task, signal }: { task: Task; signal: AbortSignal },
): Promise<Progress> {
  // fal blacks out flagged pictures, unless its checker is off (models/routes/fal.ts)
  const isFlagged = (at: number) => result.has_nsfw_concepts?.[at] === true
  const kept = result.images.map(({ url }, at) => ({ url, flagged: isFlagged(at) }))
  const shown = kept.filter(({ flagged }) => task.flaggedToo || !flagged)
  if (shown.length === 0) throw new AppError('moderated', { provider: 'fal' })
  const images = await Promise.all(
    shown.map(({ url }) => withRetries(signal, () => http.picture(url, signal, task.pictureBytes))),
  )
  const asked = task.count ?? requestedCount(task.input)
  const missing: Note = { kind: 'some_missing', data: { count: images.length, asked } }
  const seed = result.seed === null || result.seed === undefined ? undefined : String(result.seed)
  const flagged = shown.map((each) => each.flagged)
  return { state: 'done', images, flagged, seed, notes: images.length < asked ? [missing] : [] }
}

/** Growing waits for each request. Requests whose end was never seen are dropped, oldest first, beyond `limit`. */
function createFallbackWaits(limit = 10_000) {
  const waits = new Map<string, number>()
  return {
    next(requestId: string): number {
      const waitMs = waits.get(requestId) ?? fallbackMs.first
      waits.delete(requestId)
      waits.set(requestId, Math.min(fallbackMs.most, waitMs * fallbackMs.growth))
      const oldest = waits.keys().next().value
      if (waits.size > limit && oldest !== undefined) waits.delete(oldest)
      return waitMs
    },
    end: (requestId: string) => waits.delete(requestId),
  }
}
