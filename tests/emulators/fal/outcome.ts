/** The outcome of a request: pictures or an error, as the words in its prompt or in the address of its picture decide. */
import sharp from 'sharp'
import type { z } from 'zod'
import { type PictureType, picture } from '../pictures.ts'
import { broken, contentRefused, type InfrastructureError, infrastructure, invalid, type Outcome } from './errors.ts'
import { marked } from './exact.ts'
import { type AnyEndpoint, type AnyInput, allSchemas, flags, withoutSeed } from './pack-schemas.ts'

export interface Drawing {
  width: number
  height: number
  type: PictureType
  seed: number
  prompt: string
  /** Addresses of the input pictures, most of them data: URLs. */
  inputs: readonly string[]
}

export interface OutcomeOptions {
  requestId: string
  random: () => number
  /** Address below which pictures can be downloaded. */
  filesUrl: string
  /** Stores a picture to be drawn on download; returns its file name. */
  keep(drawing: Drawing): string
  /** Makes the bytes of each picture. Absent: they are drawn. */
  picture?: (drawing: Drawing) => Promise<Buffer>
  /** Flags all pictures of such prompts. Absent: the words in a prompt decide. */
  flags?: RegExp
}

/** Runs at submission, but is only shown with the result, as the real queue does. */
export async function outcomeOf(endpoint: AnyEndpoint, body: unknown, options: OutcomeOptions): Promise<Outcome> {
  const parsed = (allSchemas[endpoint] as z.ZodType<AnyInput>).safeParse(body, { reportInput: true })
  if (!parsed.success) return invalid(parsed.error, body)
  const input = parsed.data
  const address = input.image_url?.startsWith('http') ? input.image_url : ''
  const words = new Set(`${input.prompt ?? ''} ${address}`.toLowerCase().match(/[\w-]+/g))
  if (words.has('nsfw')) return contentRefused(body)
  const failure = Object.keys(infrastructure).find((type) => words.has(type)) as InfrastructureError | undefined
  if (failure) return broken(failure, 'It did not work')
  if (words.has('nothing')) return { status: 200, body: { images: [], seed: 1 } }
  const enlarges = enlargers[endpoint]?.(input)
  if (enlarges !== undefined) return enlarged(endpoint, { input, factor: enlarges, options })
  return drawn(endpoint, input, { ...options, words })
}

/** Endpoint whose result is one picture → the factor by which it enlarges. */
const enlargers: Readonly<Partial<Record<AnyEndpoint, (input: AnyInput) => number>>> = {
  'fal-ai/clarity-upscaler': ({ upscale_factor: factor = 2 }) => factor,
  'fal-ai/aura-sr': () => 4,
  'fal-ai/bria/background/remove': () => 1,
}

interface Enlarging {
  input: AnyInput
  factor: number
  options: OutcomeOptions
}

/** The result names one picture, a PNG. */
async function enlarged(endpoint: AnyEndpoint, { input, factor, options }: Enlarging): Promise<Outcome> {
  const [, base64] = /^data:[^,]+,(.*)$/.exec(input.image_url ?? '') ?? []
  // addresses are not fetched: their pictures count as square
  const { width = 256, height = 256 } =
    base64 === undefined ? {} : await sharp(Buffer.from(base64, 'base64')).metadata()
  const size = { width: width * factor, height: height * factor }
  const url = `${options.filesUrl}/${options.keep({ ...size, type: 'png', seed: 0, prompt: '', inputs: [input.image_url ?? ''] })}`
  const image = { url, ...size, content_type: 'image/png' }
  const headers = { 'x-fal-request-id': options.requestId, 'x-fal-billable-units': '1' }
  const seed = endpoint === 'fal-ai/clarity-upscaler' ? { seed: input.seed ?? newSeed(options.random) } : {}
  return { status: 200, headers, body: { image, ...seed, timings: { inference: 1.23 } } }
}

async function drawn(
  endpoint: AnyEndpoint,
  input: AnyInput,
  {
    requestId,
    random,
    filesUrl,
    keep,
    picture: replace,
    flags: flagging,
    words,
  }: OutcomeOptions & { words: ReadonlySet<string> },
): Promise<Outcome> {
  const { width, height } = sizeOf(input)
  const type = input.output_format ?? 'jpeg'
  const seed = input.seed ?? newSeed(random)
  const inputs = input.image_urls ?? (input.image_url === undefined ? [] : [input.image_url])
  const images = []
  const count = input.num_images ?? 1
  for (let n = 0; n < count; n++) {
    const hue = (Number(String(seed).replace(/\D/g, '').slice(-6)) + n) % 360
    const drawing = { width, height, type, seed: hue, prompt: input.prompt ?? '', inputs }
    const inline = input.sync_mode || words.has('datauri')
    const bytes = inline ? await (replace?.(drawing) ?? picture(width, height, type, drawing.seed)) : undefined
    const url = bytes ? `data:image/${type};base64,${bytes.toString('base64')}` : `${filesUrl}/${keep(drawing)}`
    images.push({ url, width, height, content_type: `image/${type}` })
  }
  const headers = { 'x-fal-request-id': requestId, 'x-fal-billable-units': String(count) }
  if (withoutSeed.test(endpoint)) return { status: 200, headers, body: { images, description: '' } }
  if (!flags.test(endpoint)) return { status: 200, headers, body: { images, seed } }
  const allFlagged = words.has('nsfwflag') || flagging?.test(input.prompt ?? '') === true
  const flagged = images.map((_, n) => allFlagged || (words.has('nsfwfirst') && n === 0))
  const more = { timings: { inference: 1.23 }, has_nsfw_concepts: flagged, prompt: input.prompt ?? '' }
  return { status: 200, headers, body: { images, seed, ...more } }
}

/** Up to 64 bits, as from the real service. */
function newSeed(random: () => number): number | string {
  const seed = (BigInt(Math.floor(random() * 2 ** 32)) << 32n) | BigInt(Math.floor(random() * 2 ** 32))
  return seed <= Number.MAX_SAFE_INTEGER ? Number(seed) : marked(seed)
}

const presets: Readonly<Record<string, readonly [number, number]>> = {
  square_hd: [1024, 1024],
  square: [512, 512],
  portrait_4_3: [768, 1024],
  portrait_16_9: [576, 1024],
  landscape_4_3: [1024, 768],
  landscape_16_9: [1024, 576],
}

function sizeOf({ image_size: size, aspect_ratio: ratio }: AnyInput): { width: number; height: number } {
  if (typeof size === 'object') return size
  if (size !== undefined && presets[size]) return { width: presets[size][0], height: presets[size][1] }
  const [w = 1, h = 1] = ratio === 'auto' ? [] : (ratio?.split(':').map(Number) ?? [])
  const side = (part: number) => Math.round((1024 * Math.sqrt(part)) / 16) * 16
  return { width: side(w / h), height: side(h / w) }
}
