/**
 * Volcengine Ark's image API on a local port. It checks parameters strictly and bills only pictures that it delivers.
 *
 * Words in a prompt: 'nsfw' is refused, 'nsfwout' is drawn and then refused, 'onefails' fails the last of a group.
 */

import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLinks } from '../links.ts'
import { picture } from '../pictures.ts'
import { type EmulatorServer, type Received, type Sent, startServer } from '../server.ts'
import { envelope, errors, faultAnswers, invalid, refuse } from './errors.ts'
import { type ArkBody, type ArkModel, arkModels, groupSize, parseArk, sizeInPixels } from './models.ts'

export interface ArkOptions {
  port?: number
  key?: string
  /** Key of a subscription, valid only below /api/plan/v3. */
  planKey?: string
  workMs?: number
  /** Makes the bytes of each picture. Default: real pictures of the requested size. */
  picture?: () => Promise<Buffer>
  random?: () => number
  keepRequests?: number
}

export interface Ark extends EmulatorServer {
  /** The address to configure a client with. */
  baseUrl: string
  key: string
  /** Number of billed requests. */
  accepted(): number
  /** Number of billed pictures. */
  billed(): number
  /** Bodies of the billed requests, with defaults filled in. */
  bodies: ArkBody[]
  switches: {
    quotaExceeded: boolean
    overloaded: boolean
    overdue: boolean
    /** Sends absent fields as null, as some gateways do, instead of leaving them out. */
    nulls: boolean
    /** Models that this account has not activated. */
    notOpen: Set<string>
  }
  /** Refuses all links from now on, as after their lifetime of 24 hours. */
  expireLinks(): void
}

interface Item {
  url?: string | null
  b64_json?: string
  size?: string
  error?: { code: string; message: string } | null
}

export async function startArk(options: ArkOptions = {}): Promise<Ark> {
  const { key = 'ark-emulated-key-0001', planKey = 'ark-plan-key-0001', workMs = 0 } = options
  const links = createLinks('/ark-content', 'jpeg')
  const bodies: ArkBody[] = []
  const switches: Ark['switches'] = {
    quotaExceeded: false,
    overloaded: false,
    overdue: false,
    nulls: false,
    notOpen: new Set(),
  }
  let images = 0

  function keyRefusal({ path, headers }: Received): Sent | undefined {
    const expected = path.startsWith('/api/plan/v3/') ? planKey : key
    return headers.authorization === `Bearer ${expected}` ? undefined : refuse(errors.key)
  }

  function modelRefusal(id: unknown): Sent | undefined {
    if (typeof id !== 'string') {
      return refuse({ status: 400, code: 'MissingParameter', message: 'missing parameter: model', param: 'model' })
    }
    if (!arkModels[id]) {
      const message = `The model or endpoint ${id} does not exist or you do not have access to it.`
      return refuse({ status: 404, code: 'InvalidEndpointOrModel.NotFound', message })
    }
    if (switches.notOpen.has(id)) {
      const message = `Your account has not activated the model ${id}.`
      return refuse({ status: 404, code: 'ModelNotOpen', message })
    }
    return undefined
  }

  function stateRefusal(body: ArkBody): Sent | undefined {
    if (switches.overdue) return refuse(errors.overdue)
    if (switches.quotaExceeded) return refuse(errors.quota)
    if (switches.overloaded) return refuse(errors.overloaded)
    if (/\bnsfw\b/.test(body.prompt)) return refuse(errors.input)
    return undefined
  }

  async function draw(body: ArkBody, model: ArkModel): Promise<Item[]> {
    const count = groupSize(body)
    const [width, height] = sizeInPixels(model, body.size)
    const type = body.output_format ?? 'jpeg'
    const failing = /\bnsfwout\b/.test(body.prompt) ? count : /\bonefails\b/.test(body.prompt) ? 1 : 0
    const pictures = Array.from({ length: count - failing }, async (_, at): Promise<Item> => {
      const make = options.picture ?? (() => picture(width, height, type, at))
      const size = `${width}x${height}`
      if (body.response_format === 'b64_json') return { b64_json: (await make()).toString('base64'), size }
      return { url: server.url + links.add(query, make, `image/${type}`), size }
    })
    const failures = Array.from({ length: failing }, (): Item => ({ error: outputFault() }))
    return [...(await Promise.all(pictures)), ...failures]
  }

  async function generate(received: Received, res: ServerResponse): Promise<Sent | 'streamed'> {
    const raw = parse(received.body)
    if (raw === undefined) return refuse(invalid('body', 'not a JSON object'))
    const refused = modelRefusal(raw.model)
    if (refused) return refused
    const model = arkModels[String(raw.model)] as ArkModel
    const parsed = parseArk(model, raw)
    if (!('body' in parsed)) {
      const { param, missing, message } = parsed
      const error = invalid(param, message)
      return refuse(missing ? { ...error, code: 'MissingParameter', message: `missing parameter: ${param}` } : error)
    }
    const { body } = parsed
    const forbidden = stateRefusal(body)
    if (forbidden) return forbidden
    const items = await draw(body, model)
    const drawn = items.filter(({ error }) => !error).length
    if (drawn > 0) {
      images += drawn
      bodies.push(body)
    }
    if (workMs > 0) await sleep(workMs)
    if (drawn === 0) return refuse(errors.output)
    const data = switches.nulls ? items.map((item) => ({ url: null, error: null, ...item })) : items
    const result = { ...resultOf(body, data), ...(switches.nulls && { error: null }) }
    return body.stream ? stream(res, result) : { status: 200, body: result }
  }

  const server = await startServer({
    port: options.port,
    random: options.random,
    keepRequests: options.keepRequests,
    answers: faultAnswers,
    async handle(received, res) {
      const link = await links.serve(received)
      if (link) return link
      const refused = keyRefusal(received)
      if (refused) return refused
      const exists = /^\/api\/(plan\/)?v3\/images\/generations$/.test(received.path) && received.method === 'POST'
      return exists ? generate(received, res) : refuse(errors.path)
    },
  })

  return {
    ...server,
    baseUrl: `${server.url}/api/v3`,
    key,
    accepted: () => bodies.length,
    billed: () => images,
    bodies,
    switches,
    expireLinks: () => links.expire(),
  }
}

const query = (signature: string) => ({
  'X-Tos-Algorithm': 'TOS4-HMAC-SHA256',
  'X-Tos-Credential': 'AKLTemulated/20261001/cn-beijing/tos/request',
  'X-Tos-Date': '20261001T000000Z',
  'X-Tos-Expires': '86400',
  'X-Tos-Signature': signature,
  'X-Tos-SignedHeaders': 'host',
})

function outputFault(): { code: string; message: string } {
  const { code, message } = envelope(errors.output).error as { code: string; message: string }
  return { code, message }
}

function resultOf(body: ArkBody, items: Item[]) {
  const sizes = items.flatMap(({ size }) => (size ? [size.split('x').map(Number)] : []))
  const tokens = sizes.reduce((sum, [width = 0, height = 0]) => sum + Math.floor((width * height) / 256), 0)
  const usage = { generated_images: sizes.length, output_tokens: tokens, total_tokens: tokens }
  return { model: body.model, created: Math.floor(Date.now() / 1000), data: items, usage }
}

/** Like the real service, it sends nothing before the first picture is done, not even headers. */
function stream(res: ServerResponse, { model, created, data, usage }: ReturnType<typeof resultOf>): 'streamed' {
  const event = (type: string, rest: object) =>
    `event: image_generation.${type}\ndata: ${JSON.stringify({ type: `image_generation.${type}`, model, created, ...rest })}\n\n`
  const events = data.map((item, at) =>
    event(item.error ? 'partial_failed' : 'partial_succeeded', { image_index: at, ...item }),
  )
  res.writeHead(200, { 'content-type': 'text/event-stream' })
  res.end(`${events.join('')}${event('completed', { usage })}data: [DONE]\n\n`)
  return 'streamed'
}

function parse(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
