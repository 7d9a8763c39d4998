/** Authenticates API requests by the key that they carry. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { findKeyHolder, type KeyHolder, personalKey } from '../../core/accounts/api-keys.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import { type SharedTries, shareTries } from '../../core/programs/wrong-keys.ts'
import { createTries, networkOf } from '../../net/tries.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Holder of the request's key, once it was looked up. */
    keyHolder?: Promise<KeyHolder>
  }
}

/**
 * Looks the key up once for each request. Throws AppError key_missing, key_wrong, too_many_wrong_keys; with 'admin' also
 * admins_only.
 */
export type Authenticate = (request: FastifyRequest, need?: 'admin') => Promise<KeyHolder>

/** `operatorKey`: API_KEY. Absent: only keys that people created are accepted. */
export function createAuthenticate(core: Core, operatorKey: string | undefined): Authenticate {
  const guard = operatorKey === undefined ? undefined : createOperatorKeyGuard(operatorKey, shareTries(core, 'api'))

  async function lookUp(request: FastifyRequest): Promise<KeyHolder> {
    const presented = keyOf(request)
    if (presented === undefined) throw new AppError('key_missing')
    const possible = personalKey.test(presented) || guard?.accepts(presented, request.ip)
    const holder = possible ? await findKeyHolder(core, presented, operatorKey) : undefined
    if (!holder) throw new AppError('key_wrong')
    return holder
  }

  return async (request, need) => {
    request.keyHolder ??= lookUp(request)
    const holder = await request.keyHolder
    if (need === 'admin' && !holder.admin) throw new AppError('admins_only')
    return holder
  }
}

/** Whether the request has a key, valid or not. */
export const hasKey = (request: FastifyRequest) =>
  request.headers.authorization !== undefined || keyOf(request) !== undefined

/** `Authorization: Bearer …`, as OpenAI's clients send it, or `x-api-key`. */
function keyOf({ headers }: FastifyRequest): string | undefined {
  const bearer = /^bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1]
  const plain = headers['x-api-key']
  return bearer ?? (typeof plain === 'string' && plain !== '' ? plain : undefined)
}

export interface OperatorKeyGuard {
  /** Whether the key is API_KEY. Throws AppError too_many_wrong_keys. */
  accepts(presented: string, address: string): boolean
}

const wrongKeysPerMinute = 20
/** Above a day, so that a program that runs once a night stays trusted. */
const trustedMs = 25 * 3_600_000
const maxTrusted = 1_000

/**
 * Limits guessing of API_KEY, which may be a word that a person chose; people's keys cannot be guessed. An address that keeps
 * sending wrong keys gets no answer for a while, unless API_KEY itself has come from there: behind a proxy all clients share
 * one address, and strangers must not lock out the operator's programs.
 */
export function createOperatorKeyGuard(operatorKey: string, shared: SharedTries): OperatorKeyGuard {
  /** Network → when its trust expires, the least recently used first. */
  const trusted = new Map<string, number>()
  const isTrusted = (network: string) => (trusted.get(network) ?? 0) > Date.now()
  const tries = createTries(wrongKeysPerMinute, async (network) => {
    const all = await shared.count(network)
    if (all?.trusted && !isTrusted(network)) trust(network)
    return all
  })

  function trust(network: string): void {
    trusted.delete(network)
    trusted.set(network, Date.now() + trustedMs)
    const [oldest] = trusted.keys()
    if (trusted.size > maxTrusted && oldest !== undefined) trusted.delete(oldest)
  }

  return {
    accepts(presented, address) {
      const network = networkOf(address)
      const seconds = isTrusted(network) ? 0 : tries.waitSeconds(address)
      if (seconds > 0) throw new AppError('too_many_wrong_keys', { seconds }, { retryAfterMs: seconds * 1_000 })
      const right = equal(presented, operatorKey)
      if (right && !isTrusted(network)) void shared.trust(network, trustedMs)
      if (right) trust(network)
      else tries.count(address)
      return right
    },
  }
}

/** Takes the same time for all texts of one length. */
function equal(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}
