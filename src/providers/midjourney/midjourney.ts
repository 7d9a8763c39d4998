/**
 * Midjourney through midjourney-proxy, or a relay that offers its API: a task that is submitted, and read when the proxy calls our webhook,
 * and now and then. Only what is read counts. A result is a grid of four pictures, or four addresses.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import type { ImageFile } from '../../core/ports/images.ts'
import type { Note } from '../../core/ports/models.ts'
import type {
  ImageProvider,
  Progress,
  ProviderContext,
  ProviderKind,
  ProviderSettings,
  Task,
} from '../../core/ports/providers.ts'
import type { Json } from '../../db/json.ts'
import { createProviderHttp } from '../http.ts'
import { placeImages, toJson } from '../input.ts'
import { withRetries } from '../retry.ts'
import { continuationsOf, finishedOf, finishedShape } from './continuations.ts'
import { describedBy } from './describe.ts'
import { cutGrid } from './grid.ts'
import { acceptedIn, formAsked, type MidjourneyTask, percentOf, taskError, taskIn, tasksIn } from './responses.ts'
import { noticeIn, noticeOf } from './webhook.ts'

const ticketShape = z.object({
  taskId: z.string().min(1),
  since: z.number(),
  /** The task is that of an earlier submission, so it is not ours to cancel. */
  existed: z.literal(true).optional(),
  /** The address of the last preview that was shown. */
  preview: z.string().optional(),
})
type Ticket = z.infer<typeof ticketShape>

export const midjourney: ProviderKind = {
  name: 'midjourney',
  title: 'Midjourney',
  exampleUrl: 'http://127.0.0.1:8080/mj',
  needsKey: false,
  create: (settings, context) => createMidjourney(settings, context),
}

export interface Pace {
  /** Time limit of one poll. */
  pollTimeoutMs: number
  /** Pause between two polls. */
  pauseMs: number
  /** The same for a task that has called our webhook, in case a later call is lost. */
  calledPauseMs: number
}

/** The proxy itself reads Discord's messages every few seconds. */
const usualPace: Pace = { pollTimeoutMs: 10_000, pauseMs: 4_000, calledPauseMs: 10_000 }
const cancelMs = 10_000

export function createMidjourney(
  { baseUrl, key, concurrency }: ProviderSettings,
  { decode, webhookUrl, followWebhook }: Omit<ProviderContext, 'log'>,
  { pollTimeoutMs, pauseMs, calledPauseMs }: Pace = usualPace,
): ImageProvider {
  const http = createProviderHttp({
    provider: 'midjourney',
    baseUrl: withPath(baseUrl),
    headers: authorizationOf(key),
    concurrency,
  })

  const pending = (ticket: Ticket, more: Partial<Extract<Progress, { state: 'pending' }>> = {}): Progress => ({
    state: 'pending',
    ticket,
    waitMs: pauseMs,
    ...more,
  })

  /** `id`: in the address of the webhook. */
  const submit = (path: string, body: Record<string, Json>, { id, signal }: { id: string; signal: AbortSignal }) =>
    http.send({
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json' },
      body: toJson(webhookUrl ? { ...body, notifyHook: webhookUrl(id) } : body),
      signal,
    })

  function readTask(id: string, signal: AbortSignal): Promise<MidjourneyTask> {
    const path = `/task/${encodeURIComponent(id)}/fetch`
    const poll = { method: 'GET', path, signal, timeoutMs: pollTimeoutMs } as const
    return withRetries(signal, async () => taskIn(await http.send(poll)))
  }

  const read = (url: string, signal: AbortSignal) => withRetries(signal, () => http.picture(url, signal))

  async function resultOf(found: MidjourneyTask, ticket: Ticket, task: Task, signal: AbortSignal): Promise<Progress> {
    const { imageUrl, imageUrls } = found
    const urls = (imageUrls ?? []).filter((url) => url !== '')
    const isGrid = task.endpoint !== upscaling
    const asked = task.count ?? (isGrid ? 4 : 1)
    const images =
      urls.length > 1
        ? await Promise.all(urls.slice(0, asked).map((url) => read(url, signal)))
        : (await fromOne(urls[0] ?? imageUrl ?? '', { isGrid, signal })).slice(0, asked)
    const missing: Note = { kind: 'some_missing', data: { count: images.length, asked } }
    return {
      state: 'done',
      images,
      notes: images.length < asked ? [missing] : [],
      ticket: { ...ticket, ...finishedOf(found, { isGrid }) },
    }
  }

  async function fromOne(url: string, { isGrid, signal }: { isGrid: boolean; signal: AbortSignal }): Promise<Buffer[]> {
    if (url === '') throw new AppError('bad_result', { provider: 'midjourney' })
    const file = await read(url, signal)
    if (!isGrid) return [file]
    return decode ? decode(() => cutGrid(file)) : cutGrid(file)
  }

  async function progressOf(found: MidjourneyTask, ticket: Ticket, task: Task, signal: AbortSignal): Promise<Progress> {
    const percent = percentOf(found)
    const waitMs = pauseFor(ticket, task)
    const url = found.status === 'IN_PROGRESS' ? found.imageUrl : undefined
    if (!url || url === ticket.preview) return pending(ticket, { percent, waitMs })
    // a preview is worth one try
    const preview = await http.picture(url, signal).catch(() => undefined)
    return pending({ ...ticket, preview: url }, { percent, preview, waitMs })
  }

  /** Many relays never call, and some learn of the end later than their caller. */
  function pauseFor({ taskId }: Ticket, { webhookMessage }: Task): number {
    const notice = noticeOf(webhookMessage)
    return notice?.taskId === taskId && !notice.ended ? calledPauseMs : pauseMs
  }

  /** The task that a call names, if it is that of this submission. */
  async function findNamed({ id, webhookMessage }: Task, signal: AbortSignal): Promise<MidjourneyTask | undefined> {
    const notice = noticeOf(webhookMessage)
    if (!notice) return undefined
    // a call may name anything, so an error says nothing about this submission
    const named = await readTask(notice.taskId, signal).catch(() => undefined)
    return named?.state === id ? named : undefined
  }

  async function findListed({ id }: Task, signal: AbortSignal): Promise<MidjourneyTask | undefined> {
    const tasks = await withRetries(signal, async () =>
      tasksIn(await http.send({ method: 'GET', path: '/task/list', signal })),
    )
    // the list has the latest tasks only, and not every proxy has one
    return tasks?.find(({ state }) => state === id)
  }

  return {
    name: 'midjourney',
    async start(task, signal) {
      const placed = placeImages(task.input, (image) => {
        const file = task.images[image]
        return file ? dataUrlOf(file) : null
      })
      const input = placed as Record<string, Json>
      const response = await submit(pathFor(input), { ...input, state: task.id }, { id: task.id, signal })
      return pending({ ...acceptedIn(response, { secret: key, continues: 'taskId' in input }), since: Date.now() })
    },

    async check(saved, task, signal) {
      const ticket = ticketShape.parse(saved)
      const found = await readTask(ticket.taskId, signal)
      switch (found.status) {
        case 'SUCCESS':
          return resultOf(found, ticket, task, signal)
        case 'FAILURE':
          throw taskError(found, key)
        case 'CANCEL':
          throw new AppError('cancelled', {})
        case 'MODAL':
          throw new AppError('provider_refused', { provider: 'midjourney', reason: formAsked })
        default:
          return progressOf(found, ticket, task, signal)
      }
    },

    async find(task, signal) {
      const found = (await findNamed(task, signal)) ?? (await findListed(task, signal))
      return found ? pending({ taskId: found.id, since: Date.now() }) : 'unknown'
    },

    continuations: (saved) => continuationsOf(finishedShape.parse(saved)),

    async describe(picture, signal) {
      const id = randomUUID()
      const calls = followWebhook?.(id)
      try {
        const response = await submit('/submit/describe', { base64: dataUrlOf(picture) }, { id, signal })
        const { taskId } = acceptedIn(response, { secret: key, continues: false })
        const pause = () => calls?.wait(pauseMs, signal) ?? sleep(pauseMs, undefined, { signal })
        return await describedBy({ read: () => readTask(taskId, signal), pause, secret: key })
      } finally {
        calls?.stop()
      }
    },

    receive: async ({ body }) => noticeIn(body),

    async cancel(saved) {
      const { taskId, existed } = ticketShape.parse(saved)
      if (existed) return
      const path = `/task/${encodeURIComponent(taskId)}/cancel`
      // not every proxy can cancel, so the status is ignored
      await http.send({ method: 'POST', path, signal: AbortSignal.timeout(cancelMs), timeoutMs: cancelMs })
    },

    async test(signal) {
      const response = await http.send({ method: 'GET', path: '/task/queue', signal })
      // a proxy without this list says so in its own way; a wrong secret is refused before
      if ([401, 403].includes(response.status) || response.status >= 500) taskIn(response)
    },

    close: () => http.close(),
  }
}

const dataUrlOf = ({ type, data }: Pick<ImageFile, 'type' | 'data'>) => `data:${type};base64,${data.toString('base64')}`

/** The endpoint whose result is one picture. */
const upscaling = 'midjourney/upscale'

function pathFor(input: Record<string, Json>): string {
  if ('customId' in input) return '/submit/action'
  if ('taskId' in input) return '/submit/change'
  return 'dimensions' in input ? '/submit/blend' : '/submit/imagine'
}

/** The usual path, unless the address has one. */
function withPath(baseUrl: string): string {
  return new URL(baseUrl).pathname === '/' ? `${baseUrl.replace(/\/$/, '')}/mj` : baseUrl
}

/** Relays have keys of OpenAI's form, and take them as OpenAI does. The proxies have a header of their own. */
function authorizationOf(key: string | undefined): Record<string, string> {
  if (!key) return {}
  return key.startsWith('sk-') ? { authorization: `Bearer ${key}` } : { 'mj-api-secret': key }
}
