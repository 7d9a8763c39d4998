/** Who may use the playground: every visitor while only this machine can reach it, else visitors who have the operator's key. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { createTries } from '../../net/tries.ts'

export interface Access {
  /** The visitor's id. undefined: the visitor has to sign in first. */
  visitor(request: FastifyRequest, reply: FastifyReply): string | undefined
  signIn(key: string, request: FastifyRequest, reply: FastifyReply): 'ok' | 'wrong_key' | 'too_many_tries'
  /** Requests from other sites' pages, or through a name that is not ours, are not meant by the person. */
  foreign(request: FastifyRequest): boolean
  /** The error for a visitor who may not come in. */
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
const loopback = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/

export function createAccess({ secretKey, publicUrl, local, apiKey }: AccessOptions): Access {
  const secure = publicUrl.startsWith('https:')
  const { host } = new URL(publicUrl)
  // a changed API_KEY signs out every visitor who came in with the old one
  const scope = local ? 'local' : `key ${apiKey}`
  const sign = (visitor: string) =>
    createHmac('sha256', secretKey).update(`visitor\n${scope}\n${visitor}`).digest('base64url')
  const tries = createTries(triesAMinute)

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
      if (tries.waitSeconds(request.ip) > 0) return 'too_many_tries'
      if (apiKey === undefined || !same(key, apiKey)) {
        tries.count(request.ip)
        return 'wrong_key'
      }
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

/** Takes the same time for all inputs, also when the lengths differ. */
function same(given: string, wanted: string): boolean {
  const digest = (text: string) => createHmac('sha256', 'compare').update(text).digest()
  return timingSafeEqual(digest(given), digest(wanted))
}
