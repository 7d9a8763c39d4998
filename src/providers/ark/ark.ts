/**
 * Doubao's Seedream on Volcengine Ark: one long call that returns links to the pictures. The links are paid for, so
 * they are saved as a ticket before anything is downloaded, and a failed download can be retried without paying again.
 */
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import type { Note } from '../../core/ports/models.ts'
import type { ImageProvider, Progress, ProviderKind, ProviderSettings, Task } from '../../core/ports/providers.ts'
import type { Json } from '../../db/json.ts'
import { createProviderHttp, type ProviderHttp, type ProviderResponse, parseJson } from '../http.ts'
import { toJson, withImageUrls } from '../input.ts'
import { withRetries } from '../retry.ts'
import { arkFault, faultError, faultIn, responseError } from './errors.ts'

const ticketShape = z.object({ urls: z.array(z.string()).min(1), asked: z.number() })
type Ticket = z.infer<typeof ticketShape>

const resultShape = z.looseObject({
  data: z.array(z.looseObject({ url: z.string().nullish(), error: arkFault.nullish() })).nullish(),
  error: arkFault.nullish(),
})

/** Models that `test` tries in turn, because an account may have activated only some of them. */
const probedModels = ['doubao-seedream-5-0-lite-260128', 'doubao-seedream-4-5-251128', 'doubao-seedream-4-0-250828']
const probeMs = 30_000

export const ark: ProviderKind = {
  name: 'ark',
  title: 'Doubao (Ark)',
  defaultUrl: 'https://ark.cn-beijing.volces.com/api/v3',
  needsKey: true,
  create,
}

function create({ baseUrl, key, timeoutMs, concurrency }: ProviderSettings): ImageProvider {
  const headers = { authorization: `Bearer ${key ?? ''}` }
  const http = createProviderHttp({ provider: 'ark', baseUrl, headers, concurrency })

  const generate = (body: Json, signal: AbortSignal, limitMs: number): Promise<ProviderResponse> =>
    http.send({
      method: 'POST',
      path: '/images/generations',
      headers: { 'content-type': 'application/json' },
      body: toJson(body),
      signal,
      timeoutMs: limitMs,
    })

  return {
    name: 'ark',
    async start(task, signal) {
      const body = { ...(withImageUrls(task) as Record<string, Json>), model: task.endpoint }
      const ticket = ticketFrom(await generate(body, signal, timeoutMs), task, key)
      return { state: 'pending', ticket, waitMs: 0 }
    },
    check: (ticket, _task, signal) => download(http, ticketShape.parse(ticket), signal),
    async test(signal) {
      let refusal: AppError | undefined
      for (const model of probedModels) {
        // a picture of one pixel is refused at no cost, but only after key and model were accepted
        const response = await generate({ model, prompt: 'a', size: '1x1', watermark: false }, signal, probeMs)
        refusal = modelRefusal(response, key)
        if (!refusal) return
      }
      throw refusal
    },
    close: () => http.close(),
  }
}

function ticketFrom(response: ProviderResponse, task: Task, key: string | undefined): Ticket {
  if (response.status !== 200) throw responseError(response, key)
  const { data, error: cause } = resultShape.safeParse(parseJson('ark', response))
  if (!data) throw new AppError('bad_result', { provider: 'ark' }, { cause })
  const urls = (data.data ?? []).flatMap(({ url }) => (typeof url === 'string' ? [url] : []))
  if (urls.length > 0) return { urls, asked: requestedCount(task.input) }
  const fault = data.error ?? data.data?.find((item) => item.error)?.error
  const error = fault && faultError(fault, { key })
  throw error ?? new AppError('bad_result', { provider: 'ark' }, { cause: new Error(fault?.code ?? 'no pictures') })
}

function requestedCount(input: Json): number {
  const shape = z.object({ sequential_image_generation_options: z.object({ max_images: z.number() }) })
  return shape.safeParse(input).data?.sequential_image_generation_options.max_images ?? 1
}

async function download(http: ProviderHttp, { urls, asked }: Ticket, signal: AbortSignal): Promise<Progress> {
  const images = await Promise.all(urls.map((url) => withRetries(signal, () => http.picture(url, signal))))
  const missing: Note = { kind: 'some_missing', data: { count: images.length, asked } }
  return { state: 'done', images, notes: images.length < asked ? [missing] : [] }
}

/** undefined: key and model work. Returns the error if this model is not available; throws any other error. */
function modelRefusal(response: ProviderResponse, key: string | undefined): AppError | undefined {
  if (response.status === 200 || faultIn(response)?.code.startsWith('InvalidParameter')) return undefined
  const error = responseError(response, key)
  if (response.status === 404) return error
  throw error
}
