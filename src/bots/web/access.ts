/**
 * Who may use the page: a browser that opened the sign-in link, which the start prints, or that sent the operator's key. Both
 * make it an administrator. Where a request comes from gives no rights: behind a proxy, all come from this machine.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { basePathOf, isOwnHost } from '../../net/own-address.ts'
import { createTries } from '../../net/tries.ts'

export interface Access {
  /** The visitor's id. undefined: the visitor has to sign in first. */
  visitor(request: FastifyRequest): string | undefined
  signIn(key: string, request: FastifyRequest, reply: FastifyReply): 'ok' | 'wrong_key' | 'too_many_tries'
  /** Signs the browser in if the token is that of the sign-in link. */
  openLink(token: unknown, request: FastifyRequest, reply: FastifyReply): void
  /** Requests from other sites' pages, or through a name that is not ours, are not meant by the person. */
  foreign(request: FastifyRequest): boolean
  /** The error for a visitor who may not come in. */
  readonly entrance: 'sign_in' | 'closed'
}

export interface AccessOptions {
  secretKey: Buffer
  publicUrl: string
  apiKey?: string
}

const cookieName = 'fluxbot_visitor'
const yearSeconds = 365 * 86_400
const triesAMinute = 5
/** Only `signInAsOperator` makes such ids, and cookies are signed. */
const operatorId = /^web:[0-9a-f]{18}-operator$/

/** Whether an identity is a browser that signed in as administrator. */
export const isOperator = (identity: string): boolean => operatorId.test(identity)

/** The token of the sign-in link. It changes with the secret key only, so that no process has to store it. */
export function signInToken(secretKey: Buffer): string {
  return createHmac('sha256', secretKey).update('sign-in link').digest('base64url')
}

export function createAccess({ secretKey, publicUrl, apiKey }: AccessOptions): Access {
  const secure = publicUrl.startsWith('https:')
  const { host } = new URL(publicUrl)
  const token = signInToken(secretKey)
  /** A changed API_KEY signs out the browsers that signed in with the old one. */
  const scopes = ['link', ...(apiKey === undefined ? [] : [`key ${apiKey}`])]
  const tries = createTries(triesAMinute)

  function sign(visitor: string, scope: string): string {
    return createHmac('sha256', secretKey).update(`visitor\n${scope}\n${visitor}`).digest('base64url')
  }

  function visitorOf(request: FastifyRequest): string | undefined {
    const [visitor = '', signature = ''] = request.cookies[cookieName]?.split('.') ?? []
    return visitor !== '' && scopes.some((scope) => same(signature, sign(visitor, scope))) ? visitor : undefined
  }

  /** A browser that is signed in stays the same visitor and keeps its conversation. */
  function signInAsOperator(request: FastifyRequest, reply: FastifyReply, scope: string): void {
    const current = visitorOf(request)
    const isSignedIn = current !== undefined && isOperator(`web:${current}`)
    const visitor = isSignedIn ? current : `${randomBytes(9).toString('hex')}-operator`
    const path = basePathOf(publicUrl) || '/'
    const options = { path, httpOnly: true, sameSite: 'strict', secure, maxAge: yearSeconds } as const
    reply.setCookie(cookieName, `${visitor}.${sign(visitor, scope)}`, options)
  }

  return {
    entrance: apiKey === undefined ? 'closed' : 'sign_in',
    visitor: visitorOf,
    signIn: (key, request, reply) => {
      if (tries.waitSeconds(request.ip) > 0) return 'too_many_tries'
      if (apiKey === undefined || !same(key, apiKey)) {
        tries.count(request.ip)
        return 'wrong_key'
      }
      signInAsOperator(request, reply, `key ${apiKey}`)
      return 'ok'
    },
    openLink: (given, request, reply) => {
      if (typeof given === 'string' && same(given, token)) signInAsOperator(request, reply, 'link')
    },
    foreign: ({ headers }) => {
      const asked = headers.host ?? ''
      return !isOwnHost(asked, publicUrl) || !fromOurPage(headers, [asked, host])
    },
  }
}

/** Browsers say where a request comes from; programs that are no browsers say nothing. A proxy may change the Host header. */
function fromOurPage(headers: FastifyRequest['headers'], hosts: readonly string[]): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false
  // 'null' and the like are no addresses, so not ours
  return headers.origin === undefined || (URL.canParse(headers.origin) && hosts.includes(new URL(headers.origin).host))
}

/** Takes the same time for all inputs, also when the lengths differ. */
function same(given: string, wanted: string): boolean {
  const digest = (text: string) => createHmac('sha256', 'compare').update(text).digest()
  return timingSafeEqual(digest(given), digest(wanted))
}
