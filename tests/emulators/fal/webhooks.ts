/** Calls webhooks: signed as fal signs, retried until accepted, and on demand late, repeated, forged or without payload. */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import { stringifyMarked } from './exact.ts'
import type { Job } from './jobs.ts'

export interface HookSwitches {
  /** Whether webhooks are called. */
  on: boolean
  /** Number of deliveries of each call. */
  copies: number
  /** Delay of each call in milliseconds. */
  lateMs: number
  /** Sends a call with an unpublished key before the genuine one. */
  forged: boolean
  /** Milliseconds before the first retry; doubles with each further one. */
  retryMs: number
  /** Leaves out the payload, so that the result must be read. */
  bare: boolean
}

export interface Delivery {
  requestId: string
  url: string
  status: number
}

export interface SignOptions {
  requestId: string
  userId?: string
  /** Unix time in seconds. Default: now. */
  timestamp?: number
  key?: KeyObject
}

export interface Hooks {
  switches: HookSwitches
  deliveries: Delivery[]
  jwks(): { keys: object[] }
  /** Adds a key that signs from now on; older keys stay published. */
  rotate(): void
  sign(body: Buffer | string, options: SignOptions): Record<string, string>
  bodyOf(job: Job): Promise<string>
  call(job: Job): Promise<void>
  stop(): void
}

const maxAttempts = 31

export function createHooks(): Hooks {
  const switches: HookSwitches = { on: true, copies: 1, lateMs: 0, forged: false, retryMs: 100, bare: false }
  const keys = [generateKeyPairSync('ed25519')]
  const foreign = generateKeyPairSync('ed25519').privateKey
  const deliveries: Delivery[] = []
  const stopped = new AbortController()

  function headersFor(body: Buffer | string, { requestId, userId = 'user_123', timestamp, key }: SignOptions) {
    const time = String(timestamp ?? Math.floor(Date.now() / 1000))
    const digest = createHash('sha256').update(body).digest('hex')
    const message = Buffer.from([requestId, userId, time, digest].join('\n'))
    const signer = key ?? keys.at(-1)?.privateKey
    if (!signer) throw new Error('no key to sign with')
    return {
      'content-type': 'application/json',
      'x-fal-webhook-request-id': requestId,
      'x-fal-webhook-user-id': userId,
      'x-fal-webhook-timestamp': time,
      'x-fal-webhook-signature': sign(null, message, signer).toString('hex'),
    }
  }

  async function bodyOf({ requestId, outcome }: Job): Promise<string> {
    const { status, body } = await outcome
    const ok = status < 400
    const error = ok ? null : `Invalid status code: ${status}`
    const payload = switches.bare ? null : body
    const more = switches.bare ? { payload_error: 'Response payload is not JSON serializable' } : {}
    const message = { error, gateway_request_id: requestId, payload, ...more, request_id: requestId }
    return stringifyMarked({ ...message, status: ok ? 'OK' : 'ERROR' })
  }

  async function post(job: Job, body: string, key?: KeyObject): Promise<number> {
    const url = job.webhook ?? ''
    const headers = headersFor(body, { requestId: job.requestId, key })
    try {
      const response = await request(url, { method: 'POST', headers, body, signal: stopped.signal })
      await response.body.dump()
      deliveries.push({ requestId: job.requestId, url, status: response.statusCode })
      return response.statusCode
    } catch {
      deliveries.push({ requestId: job.requestId, url, status: 0 })
      return 0
    }
  }

  async function deliver(job: Job, body: string): Promise<void> {
    for (let attempt = 0; attempt < maxAttempts && !stopped.signal.aborted; attempt++) {
      const status = await post(job, body)
      if (status >= 200 && status < 400) return
      await sleep(switches.retryMs * 2 ** Math.min(attempt, 6), undefined, { signal: stopped.signal })
    }
  }

  return {
    switches,
    deliveries,
    jwks: () => ({ keys: keys.map(({ publicKey }) => ({ ...publicKey.export({ format: 'jwk' }), use: 'sig' })) }),
    rotate: () => void keys.push(generateKeyPairSync('ed25519')),
    sign: headersFor,
    bodyOf,
    async call(job) {
      if (!job.webhook || !switches.on) return
      const body = await bodyOf(job)
      if (switches.forged) await post(job, body, foreign)
      if (switches.lateMs > 0) await sleep(switches.lateMs, undefined, { signal: stopped.signal })
      await Promise.all(Array.from({ length: switches.copies }, () => deliver(job, body)))
    },
    stop: () => stopped.abort(),
  }
}
