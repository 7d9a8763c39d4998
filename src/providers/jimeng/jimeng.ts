/**
 * Jimeng on Volcengine's visual API: a task that is submitted and polled, both with signed requests. The links to pictures live for a
 * day. Tasks have no name of ours and no list, so a submission that was not answered cannot be found again.
 */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import type { ImageProvider, Progress, ProviderKind, ProviderSettings, Task } from '../../core/ports/providers.ts'
import type { Json } from '../../db/json.ts'
import { createProviderHttp } from '../http.ts'
import { placeImages, toJson } from '../input.ts'
import { keyPairIn } from '../key-pair.ts'
import { type Pace, pauseMs } from '../polling.ts'
import { withRetries } from '../retry.ts'
import { type Data, dataIn, isAnswer } from './responses.ts'
import { signedHeaders } from './sign.ts'

const ticketShape = z.object({ taskId: z.string().min(1), since: z.number() })
type Ticket = z.infer<typeof ticketShape>

const version = '2022-08-31'
/** Options of each poll, which Jimeng takes as JSON text: links instead of base64, and no watermark. */
const resultOptions = JSON.stringify({ return_url: true, logo_info: { add_logo: false } })

/** Of a task. */
const picturesEach = 1

export const jimeng: ProviderKind = {
  name: 'jimeng',
  title: 'Jimeng',
  defaultUrl: 'https://visual.volcengineapi.com',
  needsKey: true,
  create: (settings) => createJimeng(settings),
}

const usualPace: Pace = { pollTimeoutMs: 10_000, pauseMs: { least: 2_000, most: 8_000 } }

export function createJimeng({ baseUrl, key, concurrency }: ProviderSettings, pace: Pace = usualPace): ImageProvider {
  const { access, secret = '' } = keyPairIn(key)
  const http = createProviderHttp({ provider: 'jimeng', baseUrl, concurrency })
  const { host, pathname } = new URL(baseUrl)

  function send(action: string, input: Json, signal: AbortSignal, timeoutMs?: number) {
    const path = `/?Action=${action}&Version=${version}`
    const body = toJson(input)
    const target = pathname.replace(/\/$/, '') + path
    const headers = {
      'content-type': 'application/json',
      ...signedHeaders({ access, secret }, { host, target, body }),
    }
    return http.send({ method: 'POST', path, headers, body, signal, timeoutMs })
  }

  const ask = (model: string, taskId: string, signal: AbortSignal) => {
    const question = { req_key: model, task_id: taskId, req_json: resultOptions }
    return send('CVSync2AsyncGetResult', question, signal, pace.pollTimeoutMs)
  }

  const pending = (ticket: Ticket): Progress => ({
    state: 'pending',
    ticket,
    waitMs: pauseMs(ticket.since, pace),
  })

  return {
    name: 'jimeng',
    async start(task, signal) {
      const response = await send('CVSync2AsyncSubmitTask', bodyOf(task), signal)
      const { task_id: taskId } = dataIn(response, { secret, isSubmission: true })
      if (!taskId) throw new AppError('bad_result', { provider: 'jimeng' })
      return pending({ taskId, since: Date.now() })
    },

    async check(saved, task, signal) {
      const ticket = ticketShape.parse(saved)
      const data = await withRetries(signal, async () =>
        dataIn(await ask(task.endpoint, ticket.taskId, signal), { secret, isSubmission: false }),
      )
      if (data.status === 'not_found' || data.status === 'expired') {
        throw new AppError('unresolved', { provider: 'jimeng' })
      }
      if (data.status !== 'done') return pending(ticket)
      return { state: 'done', images: await picturesIn(data, (url) => http.picture(url, signal), signal) }
    },

    async test(signal) {
      // the only free call is a poll, so this polls a task that does not exist
      const response = await ask('jimeng_t2i_v40', randomUUID(), signal)
      if (!isAnswer(response)) dataIn(response, { secret, isSubmission: true })
    },

    close: () => http.close(),
  }
}

function bodyOf(task: Task): Json {
  const placed = placeImages(task.input, (image) => task.images[image]?.data.toString('base64') ?? null)
  return { ...(placed as Record<string, Json>), req_key: task.endpoint }
}

async function picturesIn(data: Data, read: (url: string) => Promise<Buffer>, signal: AbortSignal): Promise<Buffer[]> {
  // an absent picture may be an empty text
  const urls = (data.image_urls ?? []).filter((url) => url !== '').slice(0, picturesEach)
  if (urls.length > 0) return Promise.all(urls.map((url) => withRetries(signal, () => read(url))))
  const encoded = (data.binary_data_base64 ?? []).filter((text) => text !== '').slice(0, picturesEach)
  if (encoded.length === 0) throw new AppError('bad_result', { provider: 'jimeng' })
  return encoded.map((text) => Buffer.from(text, 'base64'))
}
