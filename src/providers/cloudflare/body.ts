/** The body of a run: JSON, or a form for the models that take pictures. */
import sharp from 'sharp'
import { FormData } from 'undici'
import { AppError } from '../../core/errors.ts'
import type { Turns } from '../../core/media/turns.ts'
import type { ImageFile } from '../../core/ports/images.ts'
import type { Task } from '../../core/ports/providers.ts'
import type { Json } from '../../db/json.ts'
import { toJson } from '../input.ts'

interface Endpoint {
  /** Takes only multipart/form-data, with and without pictures. */
  form?: boolean
  /** The only fields that it accepts. Absent: all. */
  only?: readonly string[]
  /** Most steps. Absent: the configured number of steps is not for this endpoint. */
  maxSteps?: number
}

/** All other endpoints take the route's input as JSON. */
const endpoints: Readonly<Record<string, Endpoint>> = {
  '@cf/black-forest-labs/flux-1-schnell': { only: ['prompt', 'steps'], maxSteps: 8 },
  '@cf/black-forest-labs/flux-2-dev': { form: true },
  '@cf/black-forest-labs/flux-2-klein-4b': { form: true },
  '@cf/black-forest-labs/flux-2-klein-9b': { form: true },
}

/** Pixels of an input picture's longer side; Cloudflare refuses larger pictures. */
const longestEdge = 512
const pixelLimit = 16_777_216
const secondsLimit = 20

export interface Body {
  body: string | FormData
  headers: Record<string, string>
}

interface Making {
  /** The configured number, used where the request names none. */
  steps?: number
  /** Runs the shrinking of pictures in turn with other such work. Absent: it runs at once. */
  decode?: Turns
}

export async function bodyFor(task: Task, { steps, decode = (work) => work() }: Making = {}): Promise<Body> {
  const endpoint = endpoints[task.endpoint] ?? {}
  const input = inputFor(endpoint, task.input, steps)
  const headers = { accept: 'application/json, image/*' }
  if (endpoint.form) return { body: await formFor(input, task.images, decode), headers }
  return { body: toJson(input), headers: { ...headers, 'content-type': 'application/json' } }
}

function inputFor({ only, maxSteps }: Endpoint, input: Json, steps?: number): { [name: string]: Json } {
  const entries = Object.entries(input ?? {}).filter(([name]) => !only || only.includes(name))
  const configured = maxSteps === undefined || steps === undefined ? [] : [['steps', Math.min(steps, maxSteps)]]
  return Object.fromEntries([...configured, ...entries])
}

async function formFor(
  input: { [name: string]: Json },
  images: readonly ImageFile[],
  decode: Turns,
): Promise<FormData> {
  const form = new FormData()
  for (const [name, value] of Object.entries(input)) {
    const file = images[imageIndex(value)]
    if (file)
      form.append(
        name,
        new Blob([new Uint8Array(await decode(() => shrink(file)))], { type: 'image/png' }),
        `${name}.png`,
      )
    else form.append(name, typeof value === 'string' ? value : toJson(value))
  }
  return form
}

/** NaN: the value is not a placeholder for an input picture. */
function imageIndex(value: Json): number {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? Number(value.$image) : Number.NaN
}

async function shrink({ data }: ImageFile): Promise<Buffer> {
  try {
    return await sharp(data, { limitInputPixels: pixelLimit, pages: 1, sequentialRead: true })
      .timeout({ seconds: secondsLimit })
      .resize({ width: longestEdge, height: longestEdge, fit: 'inside', withoutEnlargement: true })
      .png({ compressionLevel: 3 })
      .toBuffer()
  } catch (error) {
    throw new AppError('image_unreadable', {}, { cause: error, neverRan: true })
  }
}
