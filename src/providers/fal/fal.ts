/**
 * fal.ai, or a relay that speaks like it: a queue. One submission, then news by webhook where fal can reach us, else by
 * its stream of events, else by asking at the right moments. "Completed" says only that it is over; the result says how.
 */
import { AppError } from '../../core/errors.ts'
import type {
  ImageProvider,
  Progress,
  ProviderContext,
  ProviderKind,
  ProviderSettings,
  Task,
} from '../../core/ports/providers.ts'
import { createProviderHttp } from '../http.ts'
import { type Ticket, ticketOf, ticketShape } from './addresses.ts'
import { faultError, faultIn } from './errors.ts'
import { createPace, kindOf } from './pace.ts'
import { createQueue } from './queue.ts'
import { fetchPictures, type Result, resultShape } from './result.ts'
import { barOf, isDone, positionOf, type Status } from './status.ts'
import { createStreams } from './stream.ts'
import { createReceiver, type Message, messageShape } from './webhook.ts'

/** Where a webhook is expected, asking is only for the case that it never comes. */
const safetyMs = { first: 1_000, most: 5_000, growth: 1.5 }
/** Completed, and yet the result is not there. */
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
  const safety = createSafety()

  async function check(ticket: Ticket, task: Task, signal: AbortSignal): Promise<Progress> {
    const message = messageOf(task)
    if (message?.request_id === ticket.requestId) return collect(ticket, { task, signal, message })
    const told = webhookUrl ? undefined : await streams.next(ticket, signal)
    const status = told ?? (await queue.status(ticket, signal))
    if (isDone(status)) {
      pace.done(ticket.requestId, status, told !== undefined)
      return collect(ticket, { task, signal, status })
    }
    const waitMs = webhookUrl ? safety.next(ticket.requestId) : told ? 0 : pace.next(ticket.requestId, status)
    return { state: 'pending', ticket, waitMs, position: positionOf(status), percent: barOf(status)?.percent }
  }

  /** It is over: the pictures, or why there are none. */
  async function collect(ticket: Ticket, { task, signal, message, status }: Over): Promise<Progress> {
    const { requestId } = ticket
    const result = (message && resultIn(message, key)) ?? (await queue.result(ticket, signal, status))
    if (result === 'running') return { state: 'pending', ticket, waitMs: settlingMs }
    const progress = await fetchPictures(http, result, { task, signal })
    streams.end(requestId)
    safety.end(requestId)
    return progress
  }

  return {
    name: 'fal',
    async start(task, signal) {
      const ticket = await queue.submit(task, signal)
      const firstMs = pace.begin(ticket.requestId, kindOf(task.endpoint, task.input))
      const waitMs = webhookUrl ? safety.next(ticket.requestId) : streams.likely ? 0 : firstMs
      return { state: 'pending', ticket, waitMs }
    },
    check: (saved, task, signal) => check(ticketShape.parse(saved), task, signal),
    async find(task, signal) {
      // without a webhook nobody will ever tell us its id
      if (!webhookUrl) throw new AppError('unresolved')
      const message = messageOf(task)
      if (!message) return 'unknown'
      const ticket = ticketOf({ requestId: message.request_id }, { endpoint: task.endpoint, baseUrl })
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

interface Over {
  task: Task
  signal: AbortSignal
  message?: Message
  status?: Status
}

function messageOf({ webhookMessage }: Task): Message | undefined {
  return messageShape.safeParse(webhookMessage).data
}

/** undefined: the message does not say enough, so ask for the result. Throws the model's own refusal. */
function resultIn({ status, payload, error }: Message, key: string | undefined): Result | undefined {
  if (status === 'OK') return resultShape.safeParse(payload).data
  const code = Number(/status code: (\d{3})/.exec(error ?? '')?.[1] ?? 500)
  const fault = faultIn(payload, { status: code, headers: {} })
  if (fault) throw faultError(fault, { key, submitted: true })
  return undefined
}

/** Waits that grow for each request; of requests that were never seen to end, the oldest are forgotten. */
function createSafety(limit = 10_000) {
  const waits = new Map<string, number>()
  return {
    next(requestId: string): number {
      const waitMs = waits.get(requestId) ?? safetyMs.first
      waits.delete(requestId)
      waits.set(requestId, Math.min(safetyMs.most, waitMs * safetyMs.growth))
      const oldest = waits.keys().next().value
      if (waits.size > limit && oldest !== undefined) waits.delete(oldest)
      return waitMs
    },
    end: (requestId: string) => waits.delete(requestId),
  }
}
