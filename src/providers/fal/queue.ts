/** Calls of fal's queue API. All but the submission are retried; a second submission would be charged again. */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { AppError, asFinal } from '../../core/errors.ts'
import type { ResultPlace } from '../../core/ports/models.ts'
import type { Submission, Task } from '../../core/ports/providers.ts'
import type { Json } from '../../db/json.ts'
import { type ProviderHttp, type ProviderResponse, parseJson, statusError } from '../http.ts'
import { toJson, withImageUrls } from '../input.ts'
import { withRetries } from '../retry.ts'
import { type Fault, faultError, faultIn, isFinal } from './errors.ts'
import { isEmptyResult, parseExactly, type Result, resultIn, type Status, statusShape } from './responses.ts'
import { requestIdShape, type Ticket, ticketFor } from './ticket.ts'

interface QueueOptions {
  http: ProviderHttp
  baseUrl: string
  key?: string
  webhookUrl?(taskId: string): string
}

export interface FalQueue {
  submit(task: Task, signal: AbortSignal): Promise<Ticket>
  status(ticket: Ticket, signal: AbortSignal): Promise<Status>
  /** What `submit` would send. */
  submission(task: Task): Submission
  /** 'running': it has not ended yet. Rejects with the model's error. */
  result(ticket: Ticket, signal: AbortSignal, expected?: Expected): Promise<Result | 'running'>
  /** Resolves also when the request has ended or is unknown. */
  cancel(ticket: Ticket): Promise<void>
  test(signal: AbortSignal): Promise<void>
}

interface Expected {
  /** The last one that was read. */
  status?: Status
  /** Where the model's answer has its pictures. Absent: where fal usually has them. */
  place?: ResultPlace
}

const submitMs = 60_000
const statusMs = 10_000
const resultMs = 30_000
const cancelMs = 10_000

/** How long fal keeps the pictures. They are downloaded at once; a day leaves time for an outage on our side. */
const lifetime = JSON.stringify({ expiration_duration_seconds: 86_400 })
const submitHeaders = { 'content-type': 'application/json', 'x-fal-object-lifecycle-preference': lifetime }

const submittedShape = z.looseObject({
  request_id: requestIdShape,
  status_url: z.string().nullish().catch(undefined),
  response_url: z.string().nullish().catch(undefined),
  cancel_url: z.string().nullish().catch(undefined),
})

export function createQueue({ http, baseUrl, key, webhookUrl }: QueueOptions): FalQueue {
  async function readResult(ticket: Ticket, signal: AbortSignal, { status, place }: Expected) {
    const response = await http.send({ method: 'GET', path: ticket.resultPath, signal, timeoutMs: resultMs })
    const body = jsonIn(response)
    if (response.status === 200) {
      if (isEmptyResult(body, place)) throw asFinal(new AppError('bad_result', { provider: 'fal' }))
      return resultIn(body, place) ?? unreadable(response)
    }
    const fault = faultIn(body, response)
    if (response.status === 400 && fault && isRunning(fault)) return 'running'
    if (fault && (isFinal(fault) || status?.error_type)) return fault
    throw readError(response)
  }

  return {
    async submit(task, signal) {
      const query = webhookUrl ? `?fal_webhook=${encodeURIComponent(webhookUrl(task.id))}` : ''
      const response = await http.send({
        method: 'POST',
        path: `/${task.endpoint}${query}`,
        headers: submitHeaders,
        body: toJson(withImageUrls(task)),
        signal,
        timeoutMs: submitMs,
      })
      if (response.status < 200 || response.status > 299) throw submitError(response, key)
      const { data, error: cause } = submittedShape.safeParse(parseJson('fal', response))
      if (!data) throw new AppError('bad_result', { provider: 'fal' }, { cause })
      const { request_id: requestId, status_url: statusUrl, response_url: responseUrl, cancel_url: cancelUrl } = data
      return ticketFor({ requestId, statusUrl, responseUrl, cancelUrl }, { endpoint: task.endpoint, baseUrl })
    },
    status: ({ statusPath }, signal) =>
      withRetries(signal, async () => {
        const response = await http.send({ method: 'GET', path: `${statusPath}?logs=1`, signal, timeoutMs: statusMs })
        // fal answers 202 until the request has ended
        if (response.status !== 200 && response.status !== 202) throw readError(response)
        return statusShape.safeParse(jsonIn(response)).data ?? unreadable(response)
      }),
    submission: (task) => ({
      method: 'POST',
      url: `${baseUrl}/${task.endpoint}`,
      headers: { authorization: 'Key …', ...submitHeaders },
      body: withImageUrls(task),
    }),
    async result(ticket, signal, expected = {}) {
      const result = await withRetries(signal, () => readResult(ticket, signal, expected))
      if (result === 'running' || 'images' in result) return result
      throw faultError(withTypeOf(expected.status, result as Fault), { key, submitted: true })
    },
    async cancel({ cancelPath }) {
      const signal = AbortSignal.timeout(cancelMs)
      await withRetries(signal, async () => {
        const response = await http.send({ method: 'PUT', path: cancelPath, signal, timeoutMs: cancelMs })
        // 400: it has ended; 404: fal does not know it
        if (![200, 202, 400, 404].includes(response.status)) throw readError(response)
      })
    },
    async test(signal) {
      const path = `/fal-ai/flux-1/requests/${randomUUID()}/status`
      const response = await http.send({ method: 'GET', path, signal, timeoutMs: statusMs })
      const fault = faultIn(jsonIn(response), response)
      if (response.status === 401 || response.status === 403 || response.status === 429 || response.status >= 500) {
        throw fault ? faultError(fault, { key, submitted: false }) : statusError('fal', response)
      }
      // any web server answers 404; fal's answer is JSON
      if (jsonIn(response) === undefined) throw new AppError('bad_result', { provider: 'fal' })
    },
  }
}

function submitError(response: ProviderResponse, key: string | undefined): AppError {
  const fault = faultIn(jsonIn(response), response)
  if (fault) return faultError(fault, { key, submitted: false })
  // this may be the error page of a proxy that has passed the request on
  return statusError('fal', response, { neverRan: response.status === 429 })
}

/** Adds the error type from the status if the result has none. */
function withTypeOf(status: Status | undefined, fault: Fault): Fault {
  return fault.types.length === 0 && status?.error_type ? { ...fault, types: [status.error_type] } : fault
}

function isRunning({ message = '', types }: Fault): boolean {
  return types.length === 0 && /progress|in queue|pending|not (yet )?(complete|finish|ready)/i.test(message)
}

/** The request was accepted, so a failure to read it can be retried, unless the key is refused. */
function readError(response: ProviderResponse): AppError {
  const { kind, data, cause, retryAfterMs } = statusError('fal', response)
  if (kind === 'provider_account' || kind === 'provider_busy') return new AppError(kind, data, { cause, retryAfterMs })
  return new AppError('provider_failed', data, { cause, retryAfterMs })
}

function unreadable({ status, body }: ProviderResponse): never {
  const cause = new Error(`could not parse fal's response of ${body.length} bytes with status ${status}`)
  throw new AppError('provider_failed', { provider: 'fal' }, { cause })
}

function jsonIn({ body }: ProviderResponse): Json | undefined {
  try {
    return parseExactly(body.toString('utf8'))
  } catch {
    return undefined
  }
}
