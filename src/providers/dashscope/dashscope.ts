/**
 * Qwen and Wan on Alibaba's DashScope: three protocols with one key. Some models return links in one long call, others
 * a task to poll. Links are paid for, so they are saved as a ticket too, and a failed download can be retried without
 * paying again.
 */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { AppError, asFinal } from '../../core/errors.ts'
import type { Note } from '../../core/ports/models.ts'
import type { ImageProvider, Progress, ProviderKind, ProviderSettings } from '../../core/ports/providers.ts'
import type { Json } from '../../db/json.ts'
import { createProviderHttp, type ProviderResponse, statusError } from '../http.ts'
import { toJson, withImageUrls } from '../input.ts'
import { type Pace, pauseMs } from '../polling.ts'
import { withRetries } from '../retry.ts'
import { faultError, linksIn, type Output, outputIn, parseEnvelope } from './responses.ts'

interface Protocol {
  path: string
  async: boolean
}

const text2image: Protocol = { path: '/services/aigc/text2image/image-synthesis', async: true }
const imageGeneration: Protocol = { path: '/services/aigc/image-generation/generation', async: true }
const multimodal: Protocol = { path: '/services/aigc/multimodal-generation/generation', async: false }

/** The first pattern that matches the model's name decides. */
const protocols: readonly (readonly [RegExp, Protocol])[] = [
  [/^(wanx|wan2\.[1-5])/, text2image],
  [/^wan/, imageGeneration],
  [/./, multimodal],
]

const ticketShape = z.union([
  z.object({ taskId: z.string().min(1), since: z.number() }),
  z.object({ urls: z.array(z.string()).min(1) }),
])

const cancelMs = 10_000

export const dashscope: ProviderKind = {
  name: 'dashscope',
  title: 'Qwen (DashScope)',
  defaultUrl: 'https://dashscope.aliyuncs.com/api/v1',
  needsKey: true,
  create: (settings) => createDashscope(settings),
}

/** DashScope asks clients to poll a task every 3 to 10 seconds. */
const usualPace: Pace = { pollTimeoutMs: 10_000, pauseMs: { least: 3_000, most: 10_000 } }

export function createDashscope(
  { baseUrl, key, timeoutMs, concurrency }: ProviderSettings,
  pace: Pace = usualPace,
): ImageProvider {
  const headers = { authorization: `Bearer ${key ?? ''}` }
  const http = createProviderHttp({ provider: 'dashscope', baseUrl, headers, concurrency })

  async function download(urls: string[], input: Json, signal: AbortSignal): Promise<Progress> {
    const images = await Promise.all(urls.map((url) => withRetries(signal, () => http.picture(url, signal))))
    const asked = requestedCount(input)
    const missing: Note = { kind: 'some_missing', data: { count: images.length, asked } }
    return { state: 'done', images, notes: images.length < asked ? [missing] : [] }
  }

  return {
    name: 'dashscope',
    async start(task, signal) {
      const protocol = protocols.find(([pattern]) => pattern.test(task.endpoint))?.[1] ?? multimodal
      const body = { ...(withImageUrls(task) as Record<string, Json>), model: task.endpoint }
      const response = await http.send({
        method: 'POST',
        path: protocol.path,
        headers: { 'content-type': 'application/json', ...(protocol.async && { 'x-dashscope-async': 'enable' }) },
        body: toJson(body),
        signal,
        ...(!protocol.async && { timeoutMs }),
      })
      const output = outputIn(response, key)
      if (protocol.async) return submitted(output, pace)
      return { state: 'pending', ticket: { urls: linksIn(output, key) }, waitMs: 0 }
    },

    async check(ticket, task, signal) {
      const saved = ticketShape.parse(ticket)
      if ('urls' in saved) return download(saved.urls, task.input, signal)
      const path = `/tasks/${encodeURIComponent(saved.taskId)}`
      const poll = { method: 'GET', path, signal, timeoutMs: pace.pollTimeoutMs } as const
      const output = await withRetries(signal, async () => taskIn(await http.send(poll)))
      const waitMs = pauseMs(saved.since, pace)
      if (!endStatuses.has(output.task_status ?? '')) return { state: 'pending', ticket, waitMs }
      if (output.task_status === 'FAILED') throw asFinal(faultError(output, { key, status: 200 }))
      if (output.task_status === 'CANCELED') throw new AppError('cancelled', {}, { neverRan: true })
      if (output.task_status === 'UNKNOWN') throw new AppError('unresolved', { provider: 'dashscope' })
      return download(linksIn(output, key), task.input, signal)
    },

    async cancel(ticket) {
      const saved = ticketShape.parse(ticket)
      if ('urls' in saved) return
      const path = `/tasks/${encodeURIComponent(saved.taskId)}/cancel`
      // DashScope refuses to cancel a task that has started, so the status is ignored
      await http.send({ method: 'POST', path, signal: AbortSignal.timeout(cancelMs), timeoutMs: cancelMs })
    },

    async test(signal) {
      const response = await http.send({ method: 'GET', path: `/tasks/${randomUUID()}`, signal })
      try {
        outputIn(response, key)
      } catch (error) {
        // if DashScope itself refuses the unknown task, address and key work
        const refused = error instanceof AppError && error.kind === 'provider_refused' && parseEnvelope(response)?.code
        if (!refused) throw error
      }
    },

    close: () => http.close(),
  }
}

const endStatuses = new Set(['SUCCEEDED', 'FAILED', 'CANCELED', 'UNKNOWN'])

function submitted({ task_id: taskId }: Output, pace: Pace): Progress {
  if (!taskId) throw new AppError('bad_result', { provider: 'dashscope' })
  const since = Date.now()
  return { state: 'pending', ticket: { taskId, since }, waitMs: pauseMs(since, pace) }
}

function requestedCount(input: Json): number {
  const shape = z.object({ parameters: z.object({ n: z.number() }) })
  return shape.safeParse(input).data?.parameters.n ?? 1
}

/** A failed poll says nothing about the task, so it can be retried; not so a refused key and a task that is unknown. */
function taskIn(response: ProviderResponse): Output {
  const { status } = response
  const output = parseEnvelope(response)?.output
  if (status === 200 && output?.task_status) return output
  if (status === 404) throw new AppError('unresolved', { provider: 'dashscope' })
  if ([401, 403, 429].includes(status)) throw statusError('dashscope', response, { neverRan: false })
  const cause = new Error(`dashscope answered a poll with status ${status}`)
  throw new AppError('provider_failed', { provider: 'dashscope' }, { cause })
}
