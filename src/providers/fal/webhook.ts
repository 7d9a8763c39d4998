/** Verifies that calls of our webhook come from fal, and keeps the fields that are needed. */
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import type { Json } from '../../db/json.ts'
import { createDownloader } from '../../net/download.ts'
import { NetError } from '../../net/errors.ts'
import { detailShape } from './errors.ts'
import { parseExactly } from './responses.ts'
import { requestIdShape } from './ticket.ts'

/** Drops the prompt and the timings, which are not needed. */
const payload = z.object({
  images: z.array(z.object({ url: z.string() })).optional(),
  seed: z.union([z.number(), z.string()]).nullish(),
  has_nsfw_concepts: z.array(z.boolean()).nullish(),
  detail: detailShape.optional().catch(undefined),
  error_type: z.string().nullish(),
})

export const webhookMessageShape = z.object({
  request_id: requestIdShape,
  status: z.string(),
  payload: payload.nullish().catch(undefined),
  error: z.string().nullish().catch(undefined),
})
export type WebhookMessage = z.infer<typeof webhookMessageShape>

export interface WebhookCall {
  headers: Readonly<Record<string, string | undefined>>
  body: Buffer
}

export interface Receiver {
  /** Rejects with AppError 'forged', or with 'provider_failed' when the keys cannot be downloaded at present. */
  receive(call: WebhookCall): Promise<Json>
  close(): Promise<void>
}

/** Largest difference between a call's timestamp and our clock. */
const leewaySeconds = 300
const keysMaxAgeMs = 24 * 60 * 60_000
/** Minimum time between downloads of the keys when a signature fits none, so that forged calls cannot flood fal. */
const refreshMs = 60_000
const keysLimits = { maxBytes: 64 * 1024, timeoutMs: 10_000 }
const falKeysUrl = 'https://rest.fal.ai/.well-known/jwks.json'

const keySetShape = z.looseObject({
  keys: z.array(z.looseObject({ kty: z.string(), crv: z.string(), x: z.string() })),
})

/** Uses the keys of the relay if it publishes some, else fal's. `keysUrl`: where fal publishes its keys. */
export function createReceiver(baseUrl: string, keysUrl = falKeysUrl): Receiver {
  const { origin, hostname } = new URL(baseUrl)
  const downloader = createDownloader({ trusted: [origin] })
  const isFal = /(^|\.)fal(run\.com|\.run|\.ai)$/.test(hostname)
  let keys: readonly KeyObject[] = []
  let fetchedAt = Number.NEGATIVE_INFINITY
  let fetching: Promise<void> | undefined

  async function download(url: string): Promise<readonly KeyObject[]> {
    const { body } = await downloader.get(url, { ...keysLimits, signal: AbortSignal.timeout(keysLimits.timeoutMs) })
    const published = keySetShape.parse(JSON.parse(body.toString('utf8'))).keys
    const ed25519 = published.filter(({ kty, crv }) => kty === 'OKP' && crv === 'Ed25519')
    return ed25519.map(({ x }) => createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }))
  }

  async function downloadKeys(): Promise<readonly KeyObject[]> {
    if (isFal) return download(keysUrl)
    try {
      return await download(`${origin}/.well-known/jwks.json`)
    } catch (error) {
      if (!hasNoKeys(error)) throw error
      return download(keysUrl)
    }
  }

  async function refresh(): Promise<void> {
    fetching ??= downloadKeys()
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
      if (ageMs > keysMaxAgeMs) await refresh()
      else if (ageMs > refreshMs && !fits()) await refresh()
      if (!fits()) throw new AppError('forged')
      return messageOf(body)
    },
    close: () => downloader.close(),
  }
}

/** Whether this error means that the relay publishes no keys: a status 4xx, or a response that is not a key set. */
function hasNoKeys(error: unknown): boolean {
  if (!(error instanceof NetError)) return error instanceof SyntaxError || error instanceof z.ZodError
  const { kind, status = 0 } = error
  return kind === 'too_big' || (status >= 400 && status <= 499)
}

function proofOf(headers: WebhookCall['headers'], body: Buffer): { message: Buffer; signature: Buffer } {
  const named = (name: string) => headers[`x-fal-webhook-${name}`] ?? ''
  const [requestId, userId, timestamp, signature] = ['request-id', 'user-id', 'timestamp', 'signature'].map(named)
  const wellFormed = /^\d{1,12}$/.test(timestamp ?? '') && /^[0-9a-f]{128}$/i.test(signature ?? '')
  const stale = Math.abs(Date.now() / 1000 - Number(timestamp)) > leewaySeconds
  if (!requestId || !userId || !wellFormed || stale) throw new AppError('forged')
  const digest = createHash('sha256').update(body).digest('hex')
  return {
    message: Buffer.from([requestId, userId, timestamp, digest].join('\n')),
    signature: Buffer.from(signature ?? '', 'hex'),
  }
}

function messageOf(body: Buffer): Json {
  try {
    return webhookMessageShape.parse(parseExactly(body.toString('utf8'))) as Json
  } catch (cause) {
    throw new AppError('bad_result', { provider: 'fal' }, { cause })
  }
}
