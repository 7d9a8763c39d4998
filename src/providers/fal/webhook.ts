/** Calls of our webhook: proven to come from fal, and reduced to what matters. */
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import type { Json } from '../../db/json.ts'
import { createDownloader } from '../../net/download.ts'
import { NetError } from '../../net/errors.ts'
import { requestIdShape } from './addresses.ts'
import { detailShape } from './errors.ts'
import { parseExactly } from './exact.ts'

/** Without the prompt and the timings, which nobody needs again. */
const payload = z.object({
  images: z.array(z.object({ url: z.string() })).optional(),
  seed: z.union([z.number(), z.string()]).nullish(),
  has_nsfw_concepts: z.array(z.boolean()).nullish(),
  detail: detailShape.optional().catch(undefined),
  error_type: z.string().nullish(),
})

export const messageShape = z.object({
  request_id: requestIdShape,
  status: z.string(),
  payload: payload.nullish().catch(undefined),
  error: z.string().nullish().catch(undefined),
})
export type Message = z.infer<typeof messageShape>

export interface WebhookCall {
  headers: Readonly<Record<string, string | undefined>>
  body: Buffer
}

export interface Receiver {
  /** Rejects with AppError 'forged', and 'provider_failed' where the keys to judge it cannot be had now. */
  receive(call: WebhookCall): Promise<Json>
  close(): Promise<void>
}

const leewaySeconds = 300
const keysForMs = 24 * 60 * 60_000
/** At most this often for signatures that no key fits: forgeries must not make us ask fal all the time. */
const refreshMs = 60_000
const keysLimits = { maxBytes: 64 * 1024, timeoutMs: 10_000 }
const falKeysUrl = 'https://rest.fal.ai/.well-known/jwks.json'

const jwks = z.looseObject({
  keys: z.array(z.looseObject({ kty: z.string(), crv: z.string(), x: z.string() })),
})

/** `keysUrl`: where fal publishes its own keys. */
export function createReceiver(baseUrl: string, keysUrl = falKeysUrl): Receiver {
  const { origin, hostname } = new URL(baseUrl)
  const downloader = createDownloader({ trusted: [origin] })
  const own = /(^|\.)fal(run\.com|\.run|\.ai)$/.test(hostname)
  let keys: readonly KeyObject[] = []
  let fetchedAt = Number.NEGATIVE_INFINITY
  let fetching: Promise<void> | undefined

  async function read(url: string): Promise<readonly KeyObject[]> {
    const { body } = await downloader.get(url, { ...keysLimits, signal: AbortSignal.timeout(keysLimits.timeoutMs) })
    const known = jwks.parse(JSON.parse(body.toString('utf8'))).keys
    const fitting = known.filter(({ kty, crv }) => kty === 'OKP' && crv === 'Ed25519')
    return fitting.map(({ x }) => createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }))
  }

  async function readAny(): Promise<readonly KeyObject[]> {
    if (own) return read(keysUrl)
    try {
      return await read(`${origin}/.well-known/jwks.json`)
    } catch (error) {
      if (!isKeyless(error)) throw error
      return read(keysUrl)
    }
  }

  async function refresh(): Promise<void> {
    fetching ??= readAny()
      .then((fresh) => {
        keys = fresh
        fetchedAt = performance.now()
      })
      .finally(() => {
        fetching = undefined
      })
    try {
      await fetching
    } catch (cause) {
      throw new AppError('provider_failed', { provider: 'fal' }, { cause })
    }
  }

  return {
    async receive({ headers, body }) {
      const proof = proofOf(headers, body)
      const fits = () => keys.some((key) => verify(null, proof.message, key, proof.signature))
      const ageMs = performance.now() - fetchedAt
      if (ageMs > keysForMs) await refresh()
      else if (ageMs > refreshMs && !fits()) await refresh()
      if (!fits()) throw new AppError('forged')
      return messageOf(body)
    },
    close: () => downloader.close(),
  }
}

/** Whoever refuses its keys (4xx), or shows something else in their place, has none of its own. */
function isKeyless(error: unknown): boolean {
  if (!(error instanceof NetError)) return error instanceof SyntaxError || error instanceof z.ZodError
  const { kind, status = 0 } = error
  return kind === 'too_big' || (status >= 400 && status <= 499)
}

function proofOf(headers: WebhookCall['headers'], body: Buffer): { message: Buffer; signature: Buffer } {
  const named = (name: string) => headers[`x-fal-webhook-${name}`] ?? ''
  const [requestId, userId, timestamp, signature] = ['request-id', 'user-id', 'timestamp', 'signature'].map(named)
  const digits = /^\d{1,12}$/.test(timestamp ?? '') && /^[0-9a-f]{128}$/i.test(signature ?? '')
  const late = Math.abs(Date.now() / 1000 - Number(timestamp)) > leewaySeconds
  if (!requestId || !userId || !digits || late) throw new AppError('forged')
  const digest = createHash('sha256').update(body).digest('hex')
  return {
    message: Buffer.from([requestId, userId, timestamp, digest].join('\n')),
    signature: Buffer.from(signature ?? '', 'hex'),
  }
}

function messageOf(body: Buffer): Json {
  try {
    return messageShape.parse(parseExactly(body.toString('utf8'))) as Json
  } catch (cause) {
    throw new AppError('bad_result', { provider: 'fal' }, { cause })
  }
}
