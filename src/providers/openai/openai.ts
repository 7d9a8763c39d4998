/**
 * OpenAI's images API, or a relay that offers it: one long call that returns pictures, or addresses of pictures. A connection
 * that is lost during the call loses pictures that are paid for, so the call is never repeated. Addresses are saved as a ticket
 * before anything is downloaded, and a failed download can be retried without paying again.
 */
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import type { Note } from '../../core/ports/models.ts'
import type {
  ImageProvider,
  Progress,
  ProviderContext,
  ProviderKind,
  ProviderSettings,
  ShowPreview,
  Task,
} from '../../core/ports/providers.ts'
import { createProviderHttp, type ProviderHttp, parseJson } from '../http.ts'
import { readableReason } from '../reason.ts'
import { withRetries } from '../retry.ts'
import { type Answer, answerIn, streamedAnswer } from './answers.ts'
import { faultError, responseError } from './errors.ts'
import { requestFor, submissionFor } from './requests.ts'

const ticketShape = z.object({ pictures: z.array(z.string()).min(1), asked: z.number() })
type Ticket = z.infer<typeof ticketShape>

/** Ten pictures of a megapixel as PNG in base64; a stream has one picture in an event. */
const answerLimit = 40 * 1024 * 1024
const testMs = 30_000

export const openai: ProviderKind = {
  name: 'openai',
  title: 'OpenAI images',
  defaultUrl: 'https://api.openai.com/v1',
  needsKey: true,
  create,
}

function create(
  { baseUrl: written, key, timeoutMs, concurrency }: ProviderSettings,
  { log }: ProviderContext,
): ImageProvider {
  const baseUrl = versioned(written)
  const headers = { authorization: `Bearer ${key ?? ''}` }
  const http = createProviderHttp({ provider: 'openai', baseUrl, headers, concurrency })

  async function ask(task: Task, signal: AbortSignal, show?: ShowPreview): Promise<Answer> {
    const { call, ...request } = requestFor(task)
    const stream = streamedAnswer(show)
    const response = await http.send({
      ...request,
      method: 'POST',
      signal,
      timeoutMs,
      maxBytes: answerLimit,
      onEvent: stream.read,
    })
    if (response.status < 200 || response.status > 299) throw responseError(response, key)
    const answer = stream.began ? stream.answer() : answerIn(parseJson('openai', response), call, task.result)
    if (answer.fault && answer.pictures.length === 0) throw faultError(answer.fault, { key, response })
    return answer
  }

  return {
    name: 'openai',
    async start(task, signal, show) {
      const answer = await ask(task, signal, show)
      if (answer.usage)
        log.debug({ id: task.id, endpoint: task.endpoint, usage: answer.usage }, 'the service reported usage')
      return progressFrom(answer, { asked: askedOf(task), key })
    },
    check: (ticket, task, signal) => collect(http, ticketShape.parse(ticket), { task, signal }),
    submission: (task) => submissionFor(task, baseUrl),
    async test(signal) {
      const response = await http.send({ method: 'GET', path: '/models', signal, timeoutMs: testMs })
      // a relay may have no list of models, but it answers in JSON
      const isList = response.status === 200 || response.status === 404 || response.status === 405
      if (!isList) throw responseError(response, key)
      parseJson('openai', response)
    },
    close: () => http.close(),
  }
}

/** People write the address with and without its version. */
function versioned(baseUrl: string): string {
  const url = baseUrl.replace(/\/+$/, '')
  return /\/v\d\w*(\/|$)/.test(new URL(url).pathname) ? url : `${url}/v1`
}

function askedOf({ count, input }: Task): number {
  return count ?? z.looseObject({ n: z.number() }).safeParse(input).data?.n ?? 1
}

interface Asked {
  asked: number
  key: string | undefined
}

function progressFrom({ pictures, refused, words }: Answer, { asked, key }: Asked): Progress {
  if (refused) throw new AppError('moderated', { provider: 'openai' })
  if (pictures.length === 0) {
    const reason = readableReason(words, key)
    // a model that answers in words says why it drew nothing
    if (reason !== undefined) throw new AppError('provider_refused', { provider: 'openai', reason })
    const cause = new Error('the answer has no pictures')
    throw new AppError('bad_result', { provider: 'openai' }, { cause })
  }
  // a message may contain more pictures than the request pays for
  const ticket: Ticket = { pictures: pictures.slice(0, asked), asked }
  if (ticket.pictures.some(isAddress)) return { state: 'pending', ticket, waitMs: 0 }
  return done(ticket.pictures.map(decoded), asked)
}

const isAddress = (picture: string) => /^https?:\/\//i.test(picture)

function decoded(picture: string): Buffer {
  return Buffer.from(picture.startsWith('data:') ? picture.slice(picture.indexOf(',') + 1) : picture, 'base64')
}

async function collect(
  http: ProviderHttp,
  { pictures, asked }: Ticket,
  { task, signal }: { task: Task; signal: AbortSignal },
): Promise<Progress> {
  const read = (picture: string) =>
    isAddress(picture) ? withRetries(signal, () => http.picture(picture, signal, task.pictureBytes)) : decoded(picture)
  return done(await Promise.all(pictures.map(read)), asked)
}

function done(images: Buffer[], asked: number): Progress {
  const missing: Note = { kind: 'some_missing', data: { count: images.length, asked } }
  return { state: 'done', images, notes: images.length < asked ? [missing] : [] }
}
