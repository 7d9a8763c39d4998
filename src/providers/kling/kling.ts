/**
 * Kling's image models: a task that is submitted and polled. Each kind of task has a path of its own. The links to pictures live for
 * weeks, and are not shown to people.
 */
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import type { Note } from '../../core/ports/models.ts'
import type { ImageProvider, Progress, ProviderKind, ProviderSettings, Task } from '../../core/ports/providers.ts'
import type { Json } from '../../db/json.ts'
import { createProviderHttp, type ProviderRequest } from '../http.ts'
import { placeImages, toJson } from '../input.ts'
import { keyPairIn } from '../key-pair.ts'
import { type Pace, pauseMs } from '../polling.ts'
import { withRetries } from '../retry.ts'
import { isUnknownTask, type KlingTask, linksIn, taskError, taskIn, tasksIn } from './responses.ts'
import { createAuthorization } from './token.ts'

const ticketShape = z.object({ path: z.string().min(1), taskId: z.string().min(1), since: z.number() })
type Ticket = z.infer<typeof ticketShape>

/** Tasks that are searched for one whose submission was not answered: the newest of the account. */
const searched = 100

export const kling: ProviderKind = {
  name: 'kling',
  title: 'Kling',
  defaultUrl: 'https://api-singapore.klingai.com',
  needsKey: true,
  create: (settings) => createKling(settings),
}

const usualPace: Pace = { pollTimeoutMs: 10_000, pauseMs: { least: 2_000, most: 8_000 } }

export function createKling({ baseUrl, key, concurrency }: ProviderSettings, pace: Pace = usualPace): ImageProvider {
  const keys = keyPairIn(key)
  const context = { secret: keys.secret ?? keys.access }
  const authorization = createAuthorization(keys)
  const http = createProviderHttp({ provider: 'kling', baseUrl, concurrency })

  const send = (request: ProviderRequest) =>
    http.send({ ...request, headers: { ...request.headers, authorization: authorization() } })

  const pending = (ticket: Ticket): Progress => ({
    state: 'pending',
    ticket,
    waitMs: pauseMs(ticket.since, pace),
  })

  async function progressOf(found: KlingTask, ticket: Ticket, task: Task, signal: AbortSignal): Promise<Progress> {
    if (found.task_status === 'failed') throw taskError(found, context)
    if (found.task_status !== 'succeed') return pending(ticket)
    const asked = requestedCount(task.input)
    const urls = linksIn(found).slice(0, asked)
    const images = await Promise.all(urls.map((url) => withRetries(signal, () => http.picture(url, signal))))
    const missing: Note = { kind: 'some_missing', data: { count: images.length, asked } }
    return { state: 'done', images, notes: images.length < asked ? [missing] : [] }
  }

  return {
    name: 'kling',
    async start(task, signal) {
      const { path, model } = partsOf(task.endpoint)
      const body = { ...withPictures(task), model_name: model, external_task_id: task.id }
      const headers = { 'content-type': 'application/json' }
      const response = await send({ method: 'POST', path, headers, body: toJson(body), signal })
      return pending({ path, taskId: taskIn(response, context).task_id, since: Date.now() })
    },

    async check(saved, task, signal) {
      const ticket = ticketShape.parse(saved)
      const path = `${ticket.path}/${encodeURIComponent(ticket.taskId)}`
      const found = await withRetries(signal, async () => {
        const response = await send({ method: 'GET', path, signal, timeoutMs: pace.pollTimeoutMs })
        if (isUnknownTask(response)) throw new AppError('unresolved', { provider: 'kling' })
        return taskIn(response, context)
      })
      return progressOf(found, ticket, task, signal)
    },

    async find(task, signal) {
      const { path } = partsOf(task.endpoint)
      const list = { method: 'GET', path: `${path}?pageNum=1&pageSize=${searched}`, signal } as const
      const tasks = await withRetries(signal, async () => tasksIn(await send(list), context))
      const found = tasks.find(({ task_info: info }) => info?.external_task_id === task.id)
      // that the list names our ids is not documented, so a missing one proves nothing
      if (!found) return 'unknown'
      return pending({ path, taskId: found.task_id, since: Date.now() })
    },

    async test(signal) {
      tasksIn(await send({ method: 'GET', path: '/v1/images/generations?pageNum=1&pageSize=1', signal }), context)
    },

    close: () => http.close(),
  }
}

/** 'generations/kling-v3': the kind of task, and the model. */
function partsOf(endpoint: string): { path: string; model: string } {
  const at = endpoint.indexOf('/')
  return { path: `/v1/images/${endpoint.slice(0, at)}`, model: endpoint.slice(at + 1) }
}

/** Kling takes a link or base64, without the beginning of a data: URL. */
function withPictures(task: Task): Record<string, Json> {
  const placed = placeImages(
    task.input,
    (image) => task.imageUrls?.[image] ?? task.images[image]?.data.toString('base64') ?? null,
  )
  return placed as Record<string, Json>
}

function requestedCount(input: Json): number {
  return z.looseObject({ n: z.number() }).safeParse(input).data?.n ?? 1
}
