/** fal's queue, one call each. Only the submission is never repeated: what it leads to is paid for and asked for again. */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { AppError, asFinal } from '../../core/errors.ts'
import type { Task } from '../../core/ports/providers.ts'
import type { Json } from '../../db/json.ts'
import { again } from '../again.ts'
import { type ProviderAnswer, type ProviderHttp, parseJson, statusError } from '../http.ts'
import { toJson, withLinks } from '../input.ts'
import { requestIdShape, type Ticket, ticketOf } from './addresses.ts'
import { type Fault, faultError, faultIn, isFinal } from './errors.ts'
import { parseExactly } from './exact.ts'
import { isEmpty, type Result, resultShape } from './result.ts'
import { type Status, statusShape } from './status.ts'

interface QueueOptions {
  http: ProviderHttp
  baseUrl: string
  key?: string
  webhookUrl?(taskId: string): string
}

export interface FalQueue {
  submit(task: Task, signal: AbortSignal): Promise<Ticket>
  status(ticket: Ticket, signal: AbortSignal): Promise<Status>
  /** 'running': not over yet. Rejects with what the model refused or failed at. `known`: what the status said of it. */
  result(ticket: Ticket, signal: AbortSignal, known?: Status): Promise<Result | 'running'>
  cancel(ticket: Ticket): Promise<void>
  test(signal: AbortSignal): Promise<void>
}

const submitMs = 60_000
const askMs = 10_000
const resultMs = 30_000
const cancelMs = 10_000

/** We fetch the pictures at once; a day leaves room for an outage of ours. */
const lifetime = JSON.stringify({ expiration_duration_seconds: 86_400 })

const handed = z.looseObject({
  request_id: requestIdShape,
  status_url: z.string().nullish().catch(undefined),
  response_url: z.string().nullish().catch(undefined),
  cancel_url: z.string().nullish().catch(undefined),
})

export function createQueue({ http, baseUrl, key, webhookUrl }: QueueOptions): FalQueue {
  async function resultOnce(ticket: Ticket, signal: AbortSignal, known?: Status) {
    const answer = await http.send({ method: 'GET', path: ticket.resultPath, signal, timeoutMs: resultMs })
    const body = jsonIn(answer)
    if (answer.status === 200) {
      if (isEmpty(body)) throw asFinal(new AppError('bad_result', { provider: 'fal' }))
      return resultShape.safeParse(body).data ?? unreadable(answer)
    }
    const fault = faultIn(body, answer)
    if (answer.status === 400 && fault && isRunning(fault)) return 'running'
    if (fault && (isFinal(fault) || known?.error_type)) return fault
    throw waiting(answer)
  }

  return {
    async submit(task, signal) {
      const query = webhookUrl ? `?fal_webhook=${encodeURIComponent(webhookUrl(task.id))}` : ''
      const answer = await http.send({
        method: 'POST',
        path: `/${task.endpoint}${query}`,
        headers: { 'content-type': 'application/json', 'x-fal-object-lifecycle-preference': lifetime },
        body: toJson(withLinks(task)),
        signal,
        timeoutMs: submitMs,
      })
      if (answer.status < 200 || answer.status > 299) throw submitError(answer, key)
      const { data, error: cause } = handed.safeParse(parseJson('fal', answer))
      if (!data) throw new AppError('bad_result', { provider: 'fal' }, { cause })
      const { request_id: requestId, status_url: statusUrl, response_url: responseUrl, cancel_url: cancelUrl } = data
      return ticketOf({ requestId, statusUrl, responseUrl, cancelUrl }, { endpoint: task.endpoint, baseUrl })
    },
    status: ({ statusPath }, signal) =>
      again(signal, async () => {
        const answer = await http.send({ method: 'GET', path: `${statusPath}?logs=1`, signal, timeoutMs: askMs })
        // 202 until it is over
        if (answer.status !== 200 && answer.status !== 202) throw waiting(answer)
        return statusShape.safeParse(jsonIn(answer)).data ?? unreadable(answer)
      }),
    async result(ticket, signal, known) {
      const result = await again(signal, () => resultOnce(ticket, signal, known))
      if (result === 'running' || 'images' in result) return result
      throw faultError(withKnown(result as Fault, known), { key, submitted: true })
    },
    async cancel({ cancelPath }) {
      const signal = AbortSignal.timeout(cancelMs)
      await again(signal, async () => {
        const answer = await http.send({ method: 'PUT', path: cancelPath, signal, timeoutMs: cancelMs })
        // too late, or unknown: nothing is left to cancel
        if (![200, 202, 400, 404].includes(answer.status)) throw waiting(answer)
      })
    },
    async test(signal) {
      const path = `/fal-ai/flux-1/requests/${randomUUID()}/status`
      const answer = await http.send({ method: 'GET', path, signal, timeoutMs: askMs })
      const fault = faultIn(jsonIn(answer), answer)
      if (answer.status === 401 || answer.status === 403 || answer.status === 429 || answer.status >= 500) {
        throw fault ? faultError(fault, { key, submitted: false }) : statusError('fal', answer)
      }
      // any web server says 404; only fal says it in JSON
      if (jsonIn(answer) === undefined) throw new AppError('bad_result', { provider: 'fal' })
    },
  }
}

function submitError(answer: ProviderAnswer, key: string | undefined): AppError {
  const fault = faultIn(jsonIn(answer), answer)
  if (fault) return faultError(fault, { key, submitted: false })
  // a page of some proxy: it may have passed the request on
  return statusError('fal', answer, { neverRan: answer.status === 429 })
}

/** The status names what went wrong even where the result does not. */
function withKnown(fault: Fault, known: Status | undefined): Fault {
  return fault.types.length === 0 && known?.error_type ? { ...fault, types: [known.error_type] } : fault
}

function isRunning({ words = '', types }: Fault): boolean {
  return types.length === 0 && /progress|in queue|pending|not (yet )?(complete|finish|ready)/i.test(words)
}

/** The request is known, so whatever keeps us from its result is worth waiting for; but not a key that is refused. */
function waiting(answer: ProviderAnswer): AppError {
  const { kind, data, cause, retryAfterMs } = statusError('fal', answer)
  if (kind === 'provider_account' || kind === 'provider_busy') return new AppError(kind, data, { cause, retryAfterMs })
  return new AppError('provider_failed', data, { cause, retryAfterMs })
}

function unreadable(answer: ProviderAnswer): never {
  const cause = new Error(`fal answered ${answer.status} with ${answer.body.length} bytes that are not understood`)
  throw new AppError('provider_failed', { provider: 'fal' }, { cause })
}

function jsonIn({ body }: ProviderAnswer): Json | undefined {
  try {
    return parseExactly(body.toString('utf8'))
  } catch {
    return undefined
  }
}
