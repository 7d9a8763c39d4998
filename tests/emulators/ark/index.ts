/**
 * Volcengine Ark's image API on a local port: strict about parameters, billing only what it drew.
 *
 * Words in a prompt: 'nsfw' is refused, 'nsfwout' is drawn and then refused, 'onefails' spoils the last of the group.
 */

import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLinks } from '../links.ts'
import { picture } from '../pictures.ts'
import { type EmulatorServer, type Received, type Sent, startServer } from '../server.ts'
import { envelope, errors, faultAnswers, invalid, refuse } from './errors.ts'
import { type ArkBody, type ArkModel, arkModels, groupOf, readArk, sidesOf } from './models.ts'

export interface ArkOptions {
  port?: number
  key?: string
  /** Of the subscription; good for /api/plan/v3 only. */
  planKey?: string
  workMs?: number
  /** Bytes of each result. Absent: a real picture of the asked size. */
  picture?: () => Promise<Buffer>
  random?: () => number
  keepRequests?: number
}

export interface Ark extends EmulatorServer {
  /** What a client is configured with. */
  baseUrl: string
  key: string
  /** Requests that were drawn and billed. */
  accepted(): number
  /** Pictures that were drawn and billed. */
  billed(): number
  /** The bodies of accepted requests, with defaults filled in. */
  bodies: ArkBody[]
  switches: {
    quotaExceeded: boolean
    overloaded: boolean
    overdue: boolean
    /** What is not there is null, as some gateways write it, rather than left out. */
    nulls: boolean
    /** Models that this account has not opened. */
    notOpen: Set<string>
  }
  /** 24 hours later. */
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
    const count = groupOf(body)
    const [width, height] = sidesOf(model, body.size)
    const type = body.output_format ?? 'jpeg'
    const spoilt = /\bnsfwout\b/.test(body.prompt) ? count : /\bonefails\b/.test(body.prompt) ? 1 : 0
    const good = Array.from({ length: count - spoilt }, async (_, at): Promise<Item> => {
      const make = options.picture ?? (() => picture(width, height, type, at))
      const size = `${width}x${height}`
      if (body.response_format === 'b64_json') return { b64_json: (await make()).toString('base64'), size }
      return { url: server.url + links.add(query, make, `image/${type}`), size }
    })
    const bad = Array.from({ length: spoilt }, (): Item => ({ error: faultOf() }))
    return [...(await Promise.all(good)), ...bad]
  }

  async function generate(received: Received, res: ServerResponse): Promise<Sent | 'streamed'> {
    const raw = parse(received.body)
    if (raw === undefined) return refuse(invalid('body', 'not a JSON object'))
    const refused = modelRefusal(raw.model)
    if (refused) return refused
    const model = arkModels[String(raw.model)] as ArkModel
    const reading = readArk(model, raw)
    if (!('body' in reading)) {
      const { param, missing, message } = reading
      const wrong = invalid(param, message)
      return refuse(missing ? { ...wrong, code: 'MissingParameter', message: `missing parameter: ${param}` } : wrong)
    }
    const { body } = reading
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
    const told = switches.nulls ? items.map((item) => ({ url: null, error: null, ...item })) : items
    const answer = { ...answerOf(body, told), ...(switches.nulls && { error: null }) }
    return body.stream ? stream(res, answer) : { status: 200, body: answer }
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
      const known = /^\/api\/(plan\/)?v3\/images\/generations$/.test(received.path) && received.method === 'POST'
      return known ? generate(received, res) : refuse(errors.path)
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

function faultOf(): { code: string; message: string } {
  const { code, message } = envelope(errors.output).error as { code: string; message: string }
  return { code, message }
}

function answerOf(body: ArkBody, items: Item[]) {
  const sizes = items.flatMap(({ size }) => (size ? [size.split('x').map(Number)] : []))
  const tokens = sizes.reduce((sum, [width = 0, height = 0]) => sum + Math.floor((width * height) / 256), 0)
  const usage = { generated_images: sizes.length, output_tokens: tokens, total_tokens: tokens }
  return { model: body.model, created: Math.floor(Date.now() / 1000), data: items, usage }
}

/** Nothing comes before the first picture is done, not even the headers. */
function stream(res: ServerResponse, { model, created, data, usage }: ReturnType<typeof answerOf>): 'streamed' {
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
