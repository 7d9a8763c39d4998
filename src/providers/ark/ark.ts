/**
 * Doubao's Seedream on Volcengine Ark: one long call that answers with links. They are paid for and saved as a ticket
 * before anything is fetched: what breaks between here and the picture costs nothing but another try.
 */
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import type { Note } from '../../core/ports/models.ts'
import type { ImageProvider, Progress, ProviderKind, ProviderSettings, Task } from '../../core/ports/providers.ts'
import type { Json } from '../../db/json.ts'
import { createProviderHttp, type ProviderHttp, type ProviderResponse, parseJson } from '../http.ts'
import { toJson, withImageUrls } from '../input.ts'
import { withRetries } from '../retry.ts'
import { answerError, arkFault, faultError, faultIn } from './errors.ts'

const ticketShape = z.object({ urls: z.array(z.string()).min(1), asked: z.number() })
type Ticket = z.infer<typeof ticketShape>

const result = z.looseObject({
  data: z.array(z.looseObject({ url: z.string().nullish(), error: arkFault.nullish() })).nullish(),
  error: arkFault.nullish(),
})

/** Asked one after the other by `test`: an account may have opened only some of them. */
const probed = ['doubao-seedream-5-0-lite-260128', 'doubao-seedream-4-5-251128', 'doubao-seedream-4-0-250828']

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
      const ticket = ticketOf(await generate(body, signal, timeoutMs), task, key)
      return { state: 'pending', ticket, waitMs: 0 }
    },
    check: (ticket, _task, signal) => collect(http, ticketShape.parse(ticket), signal),
    async test(signal) {
      let refusal: AppError | undefined
      for (const model of probed) {
        refusal = await probe(generate({ model, prompt: 'a', size: '1x1', watermark: false }, signal, 30_000), key)
        if (!refusal) return
      }
      throw refusal
    },
    close: () => http.close(),
  }
}

function ticketOf(answer: ProviderResponse, task: Task, key: string | undefined): Ticket {
  if (answer.status !== 200) throw answerError(answer, key)
  const { data, error: cause } = result.safeParse(parseJson('ark', answer))
  if (!data) throw new AppError('bad_result', { provider: 'ark' }, { cause })
  const urls = (data.data ?? []).flatMap(({ url }) => (typeof url === 'string' ? [url] : []))
  if (urls.length > 0) return { urls, asked: asked(task.input) }
  const fault = data.error ?? data.data?.find((item) => item.error)?.error
  const known = fault && faultError(fault, { key })
  throw known ?? new AppError('bad_result', { provider: 'ark' }, { cause: new Error(fault?.code ?? 'no pictures') })
}

function asked(input: Json): number {
  const shape = z.object({ sequential_image_generation_options: z.object({ max_images: z.number() }) })
  return shape.safeParse(input).data?.sequential_image_generation_options.max_images ?? 1
}

async function collect(http: ProviderHttp, { urls, asked }: Ticket, signal: AbortSignal): Promise<Progress> {
  const images = await Promise.all(urls.map((url) => withRetries(signal, () => http.picture(url, signal))))
  const missing: Note = { kind: 'some_missing', data: { count: images.length, asked } }
  return { state: 'done', images, notes: images.length < asked ? [missing] : [] }
}

/** One pixel is refused at no cost, but only where key and model are good. */
async function probe(asking: Promise<ProviderResponse>, key: string | undefined): Promise<AppError | undefined> {
  const answer = await asking
  if (answer.status === 200 || faultIn(answer)?.code.startsWith('InvalidParameter')) return undefined
  const error = answerError(answer, key)
  if (answer.status === 404) return error
  throw error
}
