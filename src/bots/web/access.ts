/** Who may use the playground: everybody while only this machine can reach it, else whoever has the operator's key. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'

export interface Access {
  /** The visitor's id; undefined: has to sign in, or nobody can. */
  visitor(request: FastifyRequest, reply: FastifyReply): string | undefined
  signIn(key: string, request: FastifyRequest, reply: FastifyReply): 'ok' | 'wrong' | 'wait'
  /** Requests from other sites' pages, or through a name that is not ours, are not meant by the person. */
  foreign(request: FastifyRequest): boolean
  readonly closed: boolean
}

export interface AccessOptions {
  secretKey: Buffer
  publicUrl: string
  local: boolean
  apiKey?: string
}

const cookieName = 'fluxbot_visitor'
const yearSeconds = 365 * 86_400
const triesAMinute = 5
const rememberedAddresses = 10_000

export function createAccess({ secretKey, publicUrl, local, apiKey }: AccessOptions): Access {
  const secure = publicUrl.startsWith('https:')
  const host = new URL(publicUrl).host
  const sign = (visitor: string) =>
    createHmac('sha256', secretKey).update(`visitor\n${local}\n${visitor}`).digest('base64url')
  const tries = new Map<string, { count: number; until: number }>()

  function known(request: FastifyRequest): string | undefined {
    const [visitor = '', signature = ''] = request.cookies[cookieName]?.split('.') ?? []
    return visitor !== '' && same(signature, sign(visitor)) ? visitor : undefined
  }

  function welcome(reply: FastifyReply): string {
    const visitor = randomBytes(9).toString('hex')
    const options = { path: '/', httpOnly: true, sameSite: 'strict', secure, maxAge: yearSeconds } as const
    reply.setCookie(cookieName, `${visitor}.${sign(visitor)}`, options)
    return visitor
  }

  return {
    closed: !local && apiKey === undefined,
    visitor: (request, reply) => known(request) ?? (local ? welcome(reply) : undefined),
    signIn: (key, request, reply) => {
      const now = Date.now()
      const before = tries.get(request.ip)
      const window = before && before.until > now ? before : { count: 0, until: now + 60_000 }
      if (window.count >= triesAMinute) return 'wait'
      if (tries.size >= rememberedAddresses) tries.clear()
      tries.set(request.ip, { ...window, count: window.count + 1 })
      if (apiKey === undefined || !same(key, apiKey)) return 'wrong'
      tries.delete(request.ip)
      welcome(reply)
      return 'ok'
    },
    foreign: (request) => {
      const asked = request.headers.host ?? ''
      const origin = request.headers.origin
      const ownName = asked === host || (local && /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(asked))
      return !ownName || (origin !== undefined && new URL(origin).host !== asked)
    },
  }
}

/** In constant time, whatever the lengths. */
function same(given: string, wanted: string): boolean {
  const digest = (text: string) => createHmac('sha256', 'compare').update(text).digest()
  return timingSafeEqual(digest(given), digest(wanted))
}
