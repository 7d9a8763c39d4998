/**
 * Qwen and Wan on Alibaba's DashScope: three protocols behind one key. Some models answer with links in one long call,
 * others with a task to ask after. Links are paid for, so they are a ticket too: fetching them can be tried again.
 */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { AppError, asFinal } from '../../core/errors.ts'
import type { ImageProvider, Progress, ProviderKind, ProviderSettings } from '../../core/ports/providers.ts'
import type { Json } from '../../db/json.ts'
import { createProviderHttp, type ProviderResponse, statusError } from '../http.ts'
import { toJson, withImageUrls } from '../input.ts'
import { withRetries } from '../retry.ts'
import { envelopeOf, faultError, linksIn, notesOf, type Output, outputOf } from './answer.ts'

interface Protocol {
  path: string
  async: boolean
}

const text2image: Protocol = { path: '/services/aigc/text2image/image-synthesis', async: true }
const imageGeneration: Protocol = { path: '/services/aigc/image-generation/generation', async: true }
const multimodal: Protocol = { path: '/services/aigc/multimodal-generation/generation', async: false }

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

/** Milliseconds. */
export interface Pace {
  /** Of a question about a task. */
  askMs: number
  /** Between two of them. */
  pauseMs: { least: number; most: number }
}

/** Asking about a task every 3 to 10 seconds is what is asked of us. */
const usualPace: Pace = { askMs: 10_000, pauseMs: { least: 3_000, most: 10_000 } }

export function createDashscope(
  { baseUrl, key, timeoutMs, concurrency }: ProviderSettings,
  pace: Pace = usualPace,
): ImageProvider {
  const headers = { authorization: `Bearer ${key ?? ''}` }
  const http = createProviderHttp({ provider: 'dashscope', baseUrl, headers, concurrency })

  async function collect(urls: string[], input: Json, signal: AbortSignal): Promise<Progress> {
    const images = await Promise.all(urls.map((url) => withRetries(signal, () => http.picture(url, signal))))
    return { state: 'done', images, notes: notesOf(images.length, asked(input)) }
  }

  return {
    name: 'dashscope',
    async start(task, signal) {
      const protocol = protocols.find(([pattern]) => pattern.test(task.endpoint))?.[1] ?? multimodal
      const body = { ...(withImageUrls(task) as Record<string, Json>), model: task.endpoint }
      const answer = await http.send({
        method: 'POST',
        path: protocol.path,
        headers: { 'content-type': 'application/json', ...(protocol.async && { 'x-dashscope-async': 'enable' }) },
        body: toJson(body),
        signal,
        ...(!protocol.async && { timeoutMs }),
      })
      const output = outputOf(answer, key)
      if (protocol.async) return begun(output, pace)
      return { state: 'pending', ticket: { urls: linksIn(output, key) }, waitMs: 0 }
    },

    async check(ticket, task, signal) {
      const known = ticketShape.parse(ticket)
      if ('urls' in known) return collect(known.urls, task.input, signal)
      const path = `/tasks/${encodeURIComponent(known.taskId)}`
      const question = { method: 'GET', path, signal, timeoutMs: pace.askMs } as const
      const output = await withRetries(signal, async () => taskIn(await http.send(question)))
      const waitMs = pauseMs(known.since, pace)
      if (!over.has(output.task_status ?? '')) return { state: 'pending', ticket, waitMs }
      if (output.task_status === 'FAILED') throw asFinal(faultError(output, { key, status: 200 }))
      if (output.task_status === 'CANCELED') throw new AppError('cancelled', {}, { neverRan: true })
      if (output.task_status === 'UNKNOWN') throw new AppError('unresolved', { provider: 'dashscope' })
      return collect(linksIn(output, key), task.input, signal)
    },

    async cancel(ticket) {
      const known = ticketShape.parse(ticket)
      if ('urls' in known) return
      const path = `/tasks/${encodeURIComponent(known.taskId)}/cancel`
      // only what has not begun can be cancelled; any answer will do
      await http.send({ method: 'POST', path, signal: AbortSignal.timeout(cancelMs), timeoutMs: cancelMs })
    },

    async test(signal) {
      const answer = await http.send({ method: 'GET', path: `/tasks/${randomUUID()}`, signal })
      try {
        outputOf(answer, key)
      } catch (error) {
        // a task that was never there may be refused in the provider's own words: then address and key are good
        const refused = error instanceof AppError && error.kind === 'provider_refused' && envelopeOf(answer)?.code
        if (!refused) throw error
      }
    },

    close: () => http.close(),
  }
}

const over = new Set(['SUCCEEDED', 'FAILED', 'CANCELED', 'UNKNOWN'])

function begun({ task_id: taskId }: Output, pace: Pace): Progress {
  if (!taskId) throw new AppError('bad_result', { provider: 'dashscope' })
  const since = Date.now()
  return { state: 'pending', ticket: { taskId, since }, waitMs: pauseMs(since, pace) }
}

/** Often at first, for the fast models; rarely for what takes long. */
function pauseMs(since: number, { pauseMs: { least, most } }: Pace): number {
  return Math.min(most, Math.max(least, (Date.now() - since) / 5))
}

function asked(input: Json): number {
  const shape = z.object({ parameters: z.object({ n: z.number() }) })
  return shape.safeParse(input).data?.parameters.n ?? 1
}

/** Whatever is wrong with the answer, the task goes on: only a refused key and a lost task are final. */
function taskIn(answer: ProviderResponse): Output {
  const output = envelopeOf(answer)?.output
  if (answer.status === 200 && output?.task_status) return output
  if (answer.status === 404) throw new AppError('unresolved', { provider: 'dashscope' })
  if ([401, 403, 429].includes(answer.status)) throw statusError('dashscope', answer, { neverRan: false })
  throw new AppError('provider_failed', { provider: 'dashscope' }, { cause: new Error(`poll status ${answer.status}`) })
}
