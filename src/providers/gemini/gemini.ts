/**
 * Google's image models through the Gemini API. A call draws one picture and returns it in its answer, so several pictures are several
 * calls at the same time. A connection that is lost during a call loses a picture that is paid for, so no call is repeated.
 */
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import type { Note } from '../../core/ports/models.ts'
import type { ImageProvider, Progress, ProviderKind, ProviderSettings, Task } from '../../core/ports/providers.ts'
import type { Json } from '../../db/json.ts'
import { createProviderHttp, parseJson } from '../http.ts'
import { placeImages, toJson } from '../input.ts'
import { pictureIn } from './answers.ts'
import { responseError } from './errors.ts'

/** A picture of 2K as PNG in base64, with room for pictures that compress badly. */
const answerLimit = 32 * 1024 * 1024
const testMs = 30_000
/** Seeds are below it. */
const seedLimit = 2 ** 31

export const gemini: ProviderKind = {
  name: 'gemini',
  title: 'Google Gemini',
  defaultUrl: 'https://generativelanguage.googleapis.com/v1beta',
  needsKey: true,
  create,
}

function create({ baseUrl, key, timeoutMs, concurrency }: ProviderSettings): ImageProvider {
  const headers = { 'x-goog-api-key': key ?? '' }
  const http = createProviderHttp({ provider: 'gemini', baseUrl, headers, concurrency })

  async function draw(task: Task, body: string, signal: AbortSignal): Promise<Buffer> {
    const response = await http.send({
      method: 'POST',
      path: `/models/${task.endpoint}:generateContent`,
      headers: { 'content-type': 'application/json' },
      body,
      signal,
      timeoutMs,
      maxBytes: answerLimit,
    })
    if (response.status !== 200) throw responseError(response, key)
    return pictureIn(parseJson('gemini', response), key)
  }

  return {
    name: 'gemini',
    async start(task, signal) {
      const input = withInlineData(task)
      const calls = Array.from({ length: task.count ?? 1 }, (_, at) => draw(task, toJson(reseeded(input, at)), signal))
      return resultOf(await Promise.allSettled(calls))
    },
    async test(signal) {
      const response = await http.send({ method: 'GET', path: '/models?pageSize=1', signal, timeoutMs: testMs })
      if (response.status !== 200) throw responseError(response, key)
      parseJson('gemini', response)
    },
    close: () => http.close(),
  }
}

const seededShape = z.looseObject({ generationConfig: z.looseObject({ seed: z.number().int() }) })

/** The same seed would draw the same picture again. */
function reseeded(input: Json, call: number): Json {
  const seeded = seededShape.safeParse(input).data
  if (!seeded) return input
  const { generationConfig } = seeded
  return {
    ...seeded,
    generationConfig: { ...generationConfig, seed: (generationConfig.seed + call) % seedLimit },
  } as Json
}

function withInlineData({ input, images }: Task): Json {
  return placeImages(input, (image) => {
    const file = images[image]
    return file ? { mimeType: file.type, data: file.data.toString('base64') } : null
  })
}

/** Throws the error of a call if none has a picture, preferably one of a call that may have run. */
function resultOf(calls: readonly PromiseSettledResult<Buffer>[]): Progress {
  const images = calls.flatMap((call) => (call.status === 'fulfilled' ? [call.value] : []))
  const errors = calls.flatMap((call) => (call.status === 'rejected' ? [call.reason as unknown] : []))
  if (images.length === 0) throw errors.find((error) => !(error instanceof AppError && error.neverRan)) ?? errors[0]
  const missing: Note = { kind: 'some_missing', data: { count: images.length, asked: calls.length } }
  return { state: 'done', images, notes: errors.length > 0 ? [missing] : [] }
}
