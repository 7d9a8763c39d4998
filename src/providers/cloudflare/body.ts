/** What is sent: JSON, or a form for the models that take pictures. */
import sharp from 'sharp'
import { FormData } from 'undici'
import { AppError } from '../../core/errors.ts'
import type { ImageFile } from '../../core/ports/images.ts'
import type { Task } from '../../core/ports/providers.ts'
import type { Json } from '../../db/json.ts'
import { toJson } from '../input.ts'

interface Endpoint {
  /** Takes multipart/form-data, with pictures or without, and nothing else. */
  form?: boolean
  /** Refuses every other name. */
  only?: readonly string[]
  /** Most steps. Present: the configured number of steps is for it. */
  steps?: number
}

/** Everything else takes JSON as the route made it. */
const endpoints: Readonly<Record<string, Endpoint>> = {
  '@cf/black-forest-labs/flux-1-schnell': { only: ['prompt', 'steps'], steps: 8 },
  '@cf/black-forest-labs/flux-2-dev': { form: true },
  '@cf/black-forest-labs/flux-2-klein-4b': { form: true },
  '@cf/black-forest-labs/flux-2-klein-9b': { form: true },
}

/** Pixels of an input picture's longer side: larger ones are refused. */
const longestEdge = 512
const pixelLimit = 16_777_216
const secondsLimit = 20

export interface Body {
  body: string | FormData
  headers: Record<string, string>
}

/** `steps`: for the models that are meant by it, when the request names none. */
export async function bodyOf(task: Task, steps?: number): Promise<Body> {
  const endpoint = endpoints[task.endpoint] ?? {}
  const input = chosen(task.input, endpoint, steps)
  const headers = { accept: 'application/json, image/*' }
  if (endpoint.form) return { body: await formOf(input, task.images), headers }
  return { body: toJson(input), headers: { ...headers, 'content-type': 'application/json' } }
}

function chosen(input: Json, { only, steps: most }: Endpoint, steps?: number): { [name: string]: Json } {
  const entries = Object.entries(input ?? {}).filter(([name]) => !only || only.includes(name))
  const configured = most === undefined || steps === undefined ? [] : [['steps', Math.min(steps, most)]]
  return Object.fromEntries([...configured, ...entries])
}

async function formOf(input: { [name: string]: Json }, images: readonly ImageFile[]): Promise<FormData> {
  const form = new FormData()
  for (const [name, value] of Object.entries(input)) {
    const file = images[imageAt(value)]
    if (file) form.append(name, new Blob([new Uint8Array(await shrink(file))], { type: 'image/png' }), `${name}.png`)
    else form.append(name, typeof value === 'string' ? value : toJson(value))
  }
  return form
}

function imageAt(value: Json): number {
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
