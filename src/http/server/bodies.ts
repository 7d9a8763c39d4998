/** Large bodies are kept in memory: only so many at a time, from when they begin to come until what they ask for is accepted. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { KeyHolder } from '../../core/accounts/api-keys.ts'
import { megabyte } from '../api/parts.ts'
import { whenOver } from './over.ts'

/** Bodies above a megabyte that this process has at a time; the operator's programs may have all places. */
const mostBodies = 16
const mostOfAccount = 3
/** A body that comes more slowly than this keeps a place from others: 67 MB at five megabits a second. */
const longestMs = 120_000

export interface Bodies {
  /** False: there is no place. To be asked before the body is read. */
  enter(holder: KeyHolder, request: FastifyRequest, reply: FastifyReply): boolean
  /** Nobody holds its body any more. */
  leave(request: FastifyRequest): void
}

export function createBodies(): Bodies {
  const of = new Map<string, number>()
  const leaving = new WeakMap<FastifyRequest, () => void>()
  let held = 0

  function take(account: string): () => void {
    held++
    of.set(account, (of.get(account) ?? 0) + 1)
    let left = false
    return () => {
      if (left) return
      left = true
      held--
      const now = (of.get(account) ?? 1) - 1
      if (now === 0) of.delete(account)
      else of.set(account, now)
    }
  }

  return {
    enter({ userId, keyId }, request, reply) {
      if (!isLarge(request)) return true
      const most = keyId === null ? mostBodies : mostOfAccount
      if (held >= mostBodies || (of.get(userId) ?? 0) >= most) return false
      const { raw } = request
      const patience = setTimeout(() => raw.complete || raw.destroy(), longestMs)
      patience.unref()
      const leave = take(userId)
      leaving.set(request, leave)
      raw.once('close', () => clearTimeout(patience))
      // answered, also with a refusal, or broken off; of one that is refused the rest may never come
      whenOver(reply, leave)
      return true
    },
    leave: (request) => leaving.get(request)?.(),
  }
}

function isLarge({ method, headers }: FastifyRequest): boolean {
  // whatever comes with these is not read
  if (method === 'GET' || method === 'HEAD') return false
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length']) > megabyte
}
