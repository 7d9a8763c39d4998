/**
 * The Gemini API for image models on a local port. Parameters are checked strictly. A call draws one picture.
 *
 * Words in a prompt: 'nsfw' is blocked as a prompt, 'nsfwout' as a picture, 'copyright' for the rights of others, all with status 200;
 * 'talk' is answered with words alone, 'silent' with neither, 'thinking' with a draft before the picture.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import sharp from 'sharp'
import type { Answer, Fault } from '../faults.ts'
import { picture } from '../pictures.ts'
import { type EmulatorServer, type Received, type Sent, startServer } from '../server.ts'
import { type GeminiBody, models, requestShape, sizes } from './schemas.ts'

export interface GeminiOptions {
  port?: number
  key?: string
  workMs?: number
  /** Makes the bytes of each picture. Default: real pictures of the requested size. */
  picture?: () => Promise<Buffer>
  random?: () => number
  keepRequests?: number
}

export interface Gemini extends EmulatorServer {
  /** The address to configure a client with. */
  baseUrl: string
  key: string
  /** Number of billed calls. */
  accepted(): number
  /** Bodies of the billed calls. */
  bodies: GeminiBody[]
  switches: {
    /** The project has no billing, or the country no API. */
    noBilling: boolean
    /** Calls until the quota of the minute is used up. */
    callsLeft: number
  }
}

const errorBody = (code: number, status: string, message: string, details?: object[]) => ({
  error: { code, message, status, ...(details && { details }) },
})
const refuse = (code: number, status: string, message: string, details?: object[]): Sent => ({
  status: code,
  body: errorBody(code, status, message, details),
})

const wrongKey = () =>
  refuse(400, 'INVALID_ARGUMENT', 'API key not valid. Please pass a valid API key.', [
    {
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason: 'API_KEY_INVALID',
      domain: 'googleapis.com',
      metadata: { service: 'generativelanguage.googleapis.com' },
    },
  ])
const noBilling = () =>
  refuse(
    400,
    'FAILED_PRECONDITION',
    'User location is not supported for the API use, or the free tier is not available. Enable billing on your project.',
  )
const exhausted = () =>
  refuse(429, 'RESOURCE_EXHAUSTED', 'You exceeded your current quota, please check your plan and billing details.', [
    { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '21s' },
  ])

const json = { 'content-type': 'application/json; charset=UTF-8' }
const plain = (code: number, status: string, message: string, headers: Record<string, string> = {}): Answer => ({
  status: code,
  headers: { ...json, ...headers },
  body: JSON.stringify(errorBody(code, status, message)),
})
const faultAnswers = {
  '429': ({ retryAfterSeconds = 1 }: Fault) =>
    plain(429, 'RESOURCE_EXHAUSTED', 'Resource has been exhausted (e.g. check quota).', {
      'retry-after': String(retryAfterSeconds),
    }),
  '500': () => plain(500, 'INTERNAL', 'An internal error has occurred. Please retry.'),
  '503': () => plain(503, 'UNAVAILABLE', 'The model is overloaded. Please try again later.'),
  gone: () => plain(404, 'NOT_FOUND', 'Requested entity was not found.'),
}

export async function startGemini(options: GeminiOptions = {}): Promise<Gemini> {
  const { key = 'AIza-emulated-key-0001', workMs = 0 } = options
  const bodies: GeminiBody[] = []
  const switches: Gemini['switches'] = { noBilling: false, callsLeft: Number.POSITIVE_INFINITY }

  async function generate(id: string, received: Received): Promise<Sent> {
    const model = models[id]
    if (!model) {
      return refuse(404, 'NOT_FOUND', `models/${id} is not found for API version v1beta, or is not supported.`)
    }
    const parsed = requestShape.safeParse(jsonIn(received))
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      const path = issue?.path.join('.') ?? ''
      const name = issue?.code === 'unrecognized_keys' ? `Unknown name "${issue.keys[0]}"` : issue?.message
      return refuse(400, 'INVALID_ARGUMENT', `Invalid JSON payload received. ${name} at '${path}'`)
    }
    const body = parsed.data
    const { imageSize } = body.generationConfig?.imageConfig ?? {}
    if (imageSize !== undefined && !model.tiers.includes(imageSize)) {
      return refuse(400, 'INVALID_ARGUMENT', `Image size ${imageSize} is not supported for this model.`)
    }
    const parts = body.contents.flatMap((content) => content.parts)
    const inputs = parts.flatMap((part) => ('inlineData' in part ? [part.inlineData.data] : []))
    if (inputs.length > model.images) return refuse(400, 'INVALID_ARGUMENT', 'Too many images in the request.')
    if (switches.noBilling) return noBilling()
    if (switches.callsLeft-- <= 0) return exhausted()
    const words = new Set(
      parts.flatMap((part) => ('text' in part ? (part.text.toLowerCase().match(/\w+/g) ?? []) : [])),
    )
    if (words.has('nsfw')) {
      return { status: 200, body: { promptFeedback: { blockReason: 'PROHIBITED_CONTENT' }, modelVersion: id } }
    }
    bodies.push(body)
    if (workMs > 0) await sleep(workMs)
    if (words.has('nsfwout')) return answer([], 'IMAGE_SAFETY', 'Unable to show the generated image.')
    if (words.has('copyright')) return answer(undefined, 'IMAGE_RECITATION')
    if (words.has('silent')) return answer(undefined, 'NO_IMAGE')
    if (words.has('talk')) return answer([{ text: 'I can only draw one thing at a time. Which one?' }], 'STOP')
    const data = (await (options.picture ?? (() => draw(body, inputs)))()).toString('base64')
    const draft = (await picture(256, 256, 'png', 1)).toString('base64')
    return answer(
      [
        ...(words.has('thinking') ? [{ inlineData: { mimeType: 'image/png', data: draft }, thought: true }] : []),
        { text: 'Here it is: ' },
        { inlineData: { mimeType: 'image/png', data } },
      ],
      'STOP',
    )
  }

  async function handle(received: Received): Promise<Sent> {
    const { method, path, headers } = received
    if (headers['x-goog-api-key'] !== key) return wrongKey()
    if (method === 'GET' && path === '/v1beta/models') {
      return { status: 200, body: { models: Object.keys(models).map((id) => ({ name: `models/${id}` })) } }
    }
    const [, id] = /^\/v1beta\/models\/([^/:]+):generateContent$/.exec(path) ?? []
    if (method === 'POST' && id !== undefined) return generate(id, received)
    return refuse(404, 'NOT_FOUND', 'Requested entity was not found.')
  }

  const { port, random, keepRequests } = options
  const server = await startServer({ port, random, keepRequests, answers: faultAnswers, handle })
  return { ...server, baseUrl: `${server.url}/v1beta`, key, accepted: () => bodies.length, bodies, switches }
}

const answer = (parts: object[] | undefined, finishReason: string, finishMessage?: string): Sent => ({
  status: 200,
  body: {
    candidates: [{ ...(parts && { content: { role: 'model', parts } }), finishReason, finishMessage, index: 0 }],
    usageMetadata: { promptTokenCount: 12, candidatesTokenCount: 1290, totalTokenCount: 1302 },
  },
})

/** Without a ratio, a picture has the shape of the first input picture, or is square. */
async function draw({ generationConfig }: GeminiBody, inputs: readonly string[]): Promise<Buffer> {
  const { aspectRatio, imageSize = '1K' } = generationConfig?.imageConfig ?? {}
  const times = { '512': 0.5, '1K': 1, '2K': 2, '4K': 4 }[imageSize]
  const [width, height] = sizes[aspectRatio ?? (await ratioOf(inputs[0]))] ?? [1024, 1024]
  return picture(width * times, height * times, 'png', generationConfig?.seed ?? 0)
}

async function ratioOf(input: string | undefined): Promise<string> {
  if (input === undefined) return '1:1'
  const { width, height } = await sharp(Buffer.from(input, 'base64')).metadata()
  const distance = (ratio: string) => {
    const [across = 1, down = 1] = ratio.split(':').map(Number)
    return Math.abs(Math.log((width / height / across) * down))
  }
  return Object.keys(sizes).sort((one, other) => distance(one) - distance(other))[0] ?? '1:1'
}

function jsonIn({ body }: Received): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
