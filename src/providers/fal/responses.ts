/**
 * What fal returns for a request: its status while it runs, and its result. There is no status "failed": a request that
 * failed is "COMPLETED", and its result is an error.
 */
import { z } from 'zod'
import type { ResultPlace } from '../../core/ports/models.ts'
import type { Json } from '../../db/json.ts'
import { textsAt, valuesAt } from '../places.ts'

const logEntry = z.looseObject({ message: z.string().catch('') })

export const statusShape = z.looseObject({
  status: z.string(),
  queue_position: z.number().nullish().catch(undefined),
  logs: z.array(logEntry).nullish().catch(undefined),
  metrics: z.looseObject({ inference_time: z.number() }).optional().catch(undefined),
  error: z.string().nullish().catch(undefined),
  error_type: z.string().nullish().catch(undefined),
})
export type Status = z.infer<typeof statusShape>

const picture = z.looseObject({ url: z.string() })

const severalShape = z.looseObject({
  images: z.array(picture).min(1),
  /** A string if it exceeds 2^53; see `parseExactly`. */
  seed: z.union([z.number(), z.string()]).nullish().catch(undefined),
  has_nsfw_concepts: z.array(z.boolean()).nullish().catch(undefined),
})

/** Endpoints that enlarge a picture return `image` instead of `images`. */
const oneShape = z
  .looseObject({ image: picture })
  .transform(({ image, ...others }) => severalShape.parse({ ...others, images: [image] }))

const resultShape = z.union([severalShape, oneShape])
export type Result = z.infer<typeof resultShape>

/** undefined: it has no pictures in a place where they are expected. `place`: where the model says that they are. */
export function resultIn(body: Json | undefined, place: ResultPlace = {}): Result | undefined {
  if (body === undefined) return undefined
  const { pictures, seed: seedPlace } = place
  const [seed] = seedPlace === undefined ? [] : valuesAt(body, seedPlace)
  const own = typeof seed === 'number' || typeof seed === 'string' ? { seed } : {}
  if (pictures === undefined) {
    const { data } = resultShape.safeParse(body)
    return data && { ...data, ...own }
  }
  const images = textsAt(body, pictures).map((url) => ({ url }))
  const { data } = severalShape.safeParse({ ...(body as object), images, ...own })
  return data
}

const emptyResultShape = z.looseObject({ images: z.tuple([]) })

/** A final result without pictures; reading it again returns the same. */
export function isEmptyResult(body: Json | undefined, { pictures }: ResultPlace = {}): boolean {
  if (pictures !== undefined) return body !== undefined && textsAt(body, pictures).length === 0
  return emptyResultShape.safeParse(body).success
}

/** Pictures that the request asked for. */
export function requestedCount(input: Json): number {
  const { data } = z.looseObject({ num_images: z.number() }).safeParse(input)
  return data?.num_images ?? 1
}

export function isDone({ status }: Status): boolean {
  return status === 'COMPLETED'
}

/** Place in fal's queue, from 1. undefined: not queued. */
export function positionOf({ status, queue_position: position }: Status): number | undefined {
  return status === 'IN_QUEUE' && typeof position === 'number' ? position + 1 : undefined
}

/** A progress bar in a log line. */
export interface ProgressBar {
  percent: number
  /** Time left at the speed that the bar shows. Absent: it shows none. */
  leftMs?: number
}

const barLine = /(\d{1,3})%\|[^|]*\|\s*(\d+)\/(\d+)(?:\s*\[[^\],]*,\s*([\d.]+)(it\/s|s\/it))?/

/** The last bar in the logs; models log one line for each step. */
export function progressBarOf({ logs }: Status): ProgressBar | undefined {
  for (const { message } of [...(logs ?? [])].reverse()) {
    const bar = parseBar(message)
    if (bar) return bar
  }
  return undefined
}

function parseBar(line: string): ProgressBar | undefined {
  const [, percent, done, total, speed, unit] = barLine.exec(line) ?? []
  if (percent === undefined || Number(percent) > 100) return undefined
  const stepMs = unit === 's/it' ? Number(speed) * 1000 : 1000 / Number(speed)
  // on average a line is half a step old when it is read
  const steps = Math.max(0, Number(total) - Number(done) - 0.5)
  return { percent: Number(percent), leftMs: Number.isFinite(stepMs) ? steps * stepMs : undefined }
}

/** Strings are matched first, so that digits inside them stay as they are. */
const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g
const longInteger = /^-?\d{16,}$/

/** Like JSON.parse, but turns whole numbers of 16 or more digits into strings, since seeds may exceed 2^53. */
export function parseExactly(text: string): Json {
  return JSON.parse(text.replace(tokens, (token) => (longInteger.test(token) ? `"${token}"` : token))) as Json
}
