/** Who may use the playground: everybody while only this machine can reach it, else whoever has the operator's key. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'

export interface Access {
  /** The visitor's id; undefined: has to sign in, or nobody can. */
  visitor(request: FastifyRequest, reply: FastifyReply): string | undefined
  signIn(key: string, request: FastifyRequest, reply: FastifyReply): 'ok' | 'wrong_key' | 'too_many_tries'
  /** Requests from other sites' pages, or through a name that is not ours, are not meant by the person. */
  foreign(request: FastifyRequest): boolean
  /** What to tell whoever is not let in. */
  readonly entrance: 'sign_in' | 'closed'
}

export interface AccessOptions {
  secretKey: Buffer
  publicUrl: string
  /** Only this machine reaches us. */
  local: boolean
  apiKey?: string
}

const cookieName = 'fluxbot_visitor'
const yearSeconds = 365 * 86_400
const triesAMinute = 5
const rememberedAddresses = 10_000
const loopback = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/

export function createAccess({ secretKey, publicUrl, local, apiKey }: AccessOptions): Access {
  const secure = publicUrl.startsWith('https:')
  const { host } = new URL(publicUrl)
  // another operator's key signs everybody out who came in with the old one
  const scope = local ? 'local' : `key ${apiKey}`
  const sign = (visitor: string) =>
    createHmac('sha256', secretKey).update(`visitor\n${scope}\n${visitor}`).digest('base64url')
  const mayTry = createThrottle()

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
    entrance: apiKey === undefined ? 'closed' : 'sign_in',
    visitor: (request, reply) => {
      if (local) return known(request) ?? welcome(reply)
      return apiKey === undefined ? undefined : known(request)
    },
    signIn: (key, request, reply) => {
      if (!mayTry(request.ip)) return 'too_many_tries'
      if (apiKey === undefined || !same(key, apiKey)) return 'wrong_key'
      welcome(reply)
      return 'ok'
    },
    foreign: ({ headers }) => {
      const asked = headers.host ?? ''
      const ownName = asked === host || (local && loopback.test(asked))
      return !ownName || !fromOurPage(headers, asked)
    },
  }
}

/** Browsers say where a request comes from; programs that are no browsers say nothing. */
function fromOurPage(headers: FastifyRequest['headers'], host: string): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false
  // 'null' and the like are no addresses, so not ours
  return headers.origin === undefined || (URL.canParse(headers.origin) && new URL(headers.origin).host === host)
}

/** A number of tries a minute for each address; with more addresses than we can remember, new ones have to wait. */
function createThrottle(): (address: string) => boolean {
  const tries = new Map<string, { count: number; until: number }>()

  return (address) => {
    const now = Date.now()
    const before = tries.get(address)
    if (before && before.until > now) return ++before.count <= triesAMinute
    if (tries.size >= rememberedAddresses) {
      for (const [each, { until }] of tries) if (until <= now) tries.delete(each)
      if (tries.size >= rememberedAddresses) return false
    }
    tries.set(address, { count: 1, until: now + 60_000 })
    return true
  }
}

/** In constant time, whatever the lengths. */
function same(given: string, wanted: string): boolean {
  const digest = (text: string) => createHmac('sha256', 'compare').update(text).digest()
  return timingSafeEqual(digest(given), digest(wanted))
}
