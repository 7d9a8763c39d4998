/** Pictures that show what their words say, for photos of people and for the emulated fal: the built-in provider draws them. */
import { randomUUID } from 'node:crypto'
import sharp from 'sharp'
import type { ImageFile } from '../../src/core/ports/images.ts'
import { sketch } from '../../src/providers/sketch/sketch.ts'
import type { Drawing } from '../emulators/fal/outcome.ts'
import { keepLog } from '../helpers/log.ts'

const provider = sketch.create({ baseUrl: 'sketch:', timeoutMs: 30_000, concurrency: 1 }, { log: keepLog() })

interface Painting {
  prompt: string
  width: number
  height: number
  seed?: number
  images?: readonly ImageFile[]
}

export async function paint({ prompt, width, height, seed = 1, images = [] }: Painting): Promise<Buffer> {
  const task = {
    id: randomUUID(),
    endpoint: 'sketch',
    input: { prompt, width, height, count: 1, seed: String(seed) },
    images,
  }
  const drawn = await provider.start(task, AbortSignal.timeout(30_000))
  if (drawn.state !== 'done') throw new Error(`the painter did not draw ${prompt}`)
  const [picture] = drawn.images
  if (!Buffer.isBuffer(picture)) throw new Error(`the painter returned no bytes for ${prompt}`)
  return picture
}

/** What the emulated fal draws, in the type that was asked for. An input without words is enlarged. */
export async function paintFor({ prompt, width, height, type, seed, inputs }: Drawing): Promise<Buffer> {
  const images = await Promise.all(inputs.map(fileAt))
  const [first] = images
  if (prompt === '' && first) {
    return sharp(first.data).resize(width, height, { fit: 'fill' }).toFormat(type).toBuffer()
  }
  // as the real service, it keeps the shape of a picture
  const size = first ? { width: first.width, height: first.height } : { width, height }
  return sharp(await paint({ prompt, ...size, seed, images }))
    .toFormat(type)
    .toBuffer()
}

async function fileAt(url: string): Promise<ImageFile> {
  const data = Buffer.from(await (await fetch(url)).arrayBuffer())
  const { width, height, format } = await sharp(data).metadata()
  return { data, type: `image/${format === 'webp' || format === 'png' ? format : 'jpeg'}`, width, height }
}
