/**
 * Large request bodies, which are held in memory: how large they may be, and how many at a time. A body takes a slot before
 * it is read, and frees it once the request was accepted.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { KeyHolder } from '../../core/accounts/api-keys.ts'
import { whenClosed } from './reply-closed.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Frees the slot of a large body before the reply is sent. Call it once the body is no longer needed. */
    releaseBody?: () => void
  }
}

export const megabyte = 1024 * 1024
/** Bytes of all pictures of one request together. */
export const picturesBytes = 50 * megabyte
/** Bytes of a body that may hold pictures as data URLs: four characters for three bytes, and a megabyte of other fields. */
export const bodyWithPicturesBytes = Math.ceil(picturesBytes / 3) * 4 + megabyte

/** Bodies above a megabyte in this process. The operator's programs may take all slots. */
const maxBodies = 16
const maxBodiesPerAccount = 3
/** Enough for 67 MB at five megabits a second. A slower body would block a slot for others. */
const receiveMs = 120_000

export interface Bodies {
  /** False: no slot is free. Call it before the body is read. */
  enter(holder: KeyHolder, reply: FastifyReply): boolean
}

export function createBodies(): Bodies {
  /** Account → slots that it takes. */
  const slots = new Map<string, number>()
  let taken = 0

  function take(account: string): () => void {
    taken++
    slots.set(account, (slots.get(account) ?? 0) + 1)
    let freed = false
    return () => {
      if (freed) return
      freed = true
      taken--
      const rest = (slots.get(account) ?? 1) - 1
      if (rest === 0) slots.delete(account)
      else slots.set(account, rest)
    }
  }

  return {
    enter({ userId, keyId }, reply) {
      const { request } = reply
      if (!isLarge(request)) return true
      const max = keyId === null ? maxBodies : maxBodiesPerAccount
      if (taken >= maxBodies || (slots.get(userId) ?? 0) >= max) return false
      const { raw } = request
      const timer = setTimeout(() => raw.complete || raw.destroy(), receiveMs)
      timer.unref()
      raw.once('close', () => clearTimeout(timer))
      const free = take(userId)
      request.releaseBody = free
      // a refused request may never send the rest of its body
      whenClosed(reply, free)
      return true
    },
  }
}

function isLarge({ method, headers }: FastifyRequest): boolean {
  // a body of these is not read
  if (method === 'GET' || method === 'HEAD') return false
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length']) > megabyte
}
