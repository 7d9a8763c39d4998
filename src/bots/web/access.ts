/**
 * Who may use the page. A browser signs in with the link that the start prints or with API_KEY, which make it an
 * administrator, or with a person's API key or a link from `/panel`, which let it act for that person. Where a request comes from gives no
 * rights: behind a proxy, all come from this machine.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { personalKey } from '../../core/accounts/api-keys.ts'
import {
  closeSession,
  findKeyOwner,
  openSession,
  readSession,
  type Session,
  type SessionParts,
  usePanelLink,
} from '../../core/accounts/sessions.ts'
import type { Identity } from '../../core/ports/chat.ts'
import { shareTries } from '../../core/programs/wrong-keys.ts'
import { canParseUrl } from '../../net/can-parse-url.ts'
import { basePathOf, isOwnHost } from '../../net/own-address.ts'
import { createTries } from '../../net/tries.ts'

export interface Visitor {
  /** Identifies the conversation, which all browsers of one person share. */
  id: string
  from: Identity
}

export type SignInRefusal = 'wrong_key' | 'limited_key' | 'link_over' | 'too_many_tries'

export interface Access {
  /** undefined: the visitor has to sign in first. */
  visitor(request: FastifyRequest): Promise<Visitor | undefined>
  /** `key`: a person's API key, or API_KEY. `panel`: the token of a link from `/panel`. */
  signIn(
    proof: { key: string } | { panel: string },
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<'ok' | SignInRefusal>
  signOut(request: FastifyRequest, reply: FastifyReply): Promise<void>
  /** Signs the browser in if the token is that of the sign-in link. Resolves to whether it is. */
  openLink(token: unknown, request: FastifyRequest, reply: FastifyReply): Promise<boolean>
  /** Requests from other sites' pages, or through a name that is not ours, are not meant by the person. */
  foreign(request: FastifyRequest): boolean
}

export interface AccessOptions extends SessionParts {
  publicUrl: string
  apiKey?: string
  /** Identities of administrators. Absent: there are none in chats. */
  admins?: ReadonlySet<string>
}

const cookieName = 'fluxbot_session'
const cookieSeconds = 90 * 86_400
const triesAMinute = 5
/** Only `newOperator` makes such ids, and no one chooses the identity of a session. */
const operatorId = /^web:[0-9a-f]{18}-operator$/

/** Whether an identity is a browser that signed in as administrator. */
export const isOperator = (identity: string): boolean => operatorId.test(identity)

const newOperator = () => `web:${randomBytes(9).toString('hex')}-operator`

/** The token of the sign-in link. It changes with the secret key only, so that no process has to store it. */
export function signInToken(secretKey: Buffer): string {
  return createHmac('sha256', secretKey).update('sign-in link').digest('base64url')
}

export function createAccess({ database, secretKey, publicUrl, apiKey, admins = new Set() }: AccessOptions): Access {
  const parts = { database, secretKey }
  const { host } = new URL(publicUrl)
  const linkToken = signInToken(secretKey)
  const tries = createTries(triesAMinute, shareTries(parts, 'page').count)
  const cookie = {
    path: basePathOf(publicUrl) || '/',
    httpOnly: true,
    sameSite: 'strict',
    secure: publicUrl.startsWith('https:'),
  } as const

  const tokenOf = (request: FastifyRequest) => request.cookies[cookieName] ?? ''
  const sessionOf = (request: FastifyRequest) => readSession(parts, { token: tokenOf(request), operatorKey: apiKey })

  /** The earlier session of this browser ends. */
  async function start(request: FastifyRequest, reply: FastifyReply, token: string): Promise<void> {
    await closeSession(parts, tokenOf(request))
    reply.setCookie(cookieName, token, { ...cookie, maxAge: cookieSeconds })
  }

  /** A browser that is signed in as administrator keeps its conversation. */
  async function startAsOperator(request: FastifyRequest, reply: FastifyReply, operatorKey?: string): Promise<void> {
    const identity = (await sessionOf(request))?.identity ?? ''
    const operator = isOperator(identity) ? identity : newOperator()
    await start(request, reply, await openSession(parts, operator, { operatorKey }))
  }

  async function signInByKey(key: string, request: FastifyRequest, reply: FastifyReply): Promise<'ok' | SignInRefusal> {
    // a person's key cannot be guessed, so wrong tries from the same address do not lock it out
    const owner = personalKey.test(key) ? await findKeyOwner(parts, { key, admins }) : undefined
    if (owner === 'limited') return 'limited_key'
    if (owner) {
      await start(request, reply, await openSession(parts, owner.identity, { apiKeyId: owner.keyId }))
      return 'ok'
    }
    if (tries.waitSeconds(request.ip) > 0) return 'too_many_tries'
    if (apiKey === undefined || !same(key, apiKey)) {
      tries.count(request.ip)
      return 'wrong_key'
    }
    await startAsOperator(request, reply, apiKey)
    return 'ok'
  }

  async function signInByPanel(
    token: string,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<'ok' | SignInRefusal> {
    const identity = await usePanelLink(parts, token)
    if (identity === undefined) return 'link_over'
    await start(request, reply, await openSession(parts, identity))
    return 'ok'
  }

  return {
    visitor: async (request) => {
      const session = await sessionOf(request)
      return session && visitorOf(session)
    },
    signIn: (proof, request, reply) =>
      'key' in proof ? signInByKey(proof.key, request, reply) : signInByPanel(proof.panel, request, reply),
    signOut: async (request, reply) => {
      await closeSession(parts, tokenOf(request))
      reply.clearCookie(cookieName, cookie)
    },
    openLink: async (given, request, reply) => {
      const isRight = typeof given === 'string' && same(given, linkToken)
      if (isRight) await startAsOperator(request, reply)
      return isRight
    },
    foreign: ({ headers }) => {
      const asked = headers.host ?? ''
      return !isOwnHost(asked, publicUrl) || !fromOurPage(headers, [asked, host])
    },
  }
}

const visitorOf = ({ identity, person }: Session): Visitor => ({
  id: visitorIdOf(identity),
  from: person ?? { id: identity, name: identity.slice(0, 10) },
})

/** Identifies the conversation of an identity. */
export function visitorIdOf(identity: string): string {
  if (isOperator(identity)) return identity.slice('web:'.length)
  return createHash('sha256').update(identity).digest('hex').slice(0, 18)
}

/** Browsers say where a request comes from; programs that are no browsers say nothing. A proxy may change the Host header. */
function fromOurPage(headers: FastifyRequest['headers'], hosts: readonly string[]): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false
  // 'null' and the like are no addresses, so not ours
  return headers.origin === undefined || (canParseUrl(headers.origin) && hosts.includes(new URL(headers.origin).host))
}

/** Takes the same time for all inputs, also when the lengths differ. */
function same(given: string, wanted: string): boolean {
  const digest = (text: string) => createHmac('sha256', 'compare').update(text).digest()
  return timingSafeEqual(digest(given), digest(wanted))
}
