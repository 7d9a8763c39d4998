/** What all families of routes have in common: keys, rate limits, large bodies, and errors in the family's own format. */
import multipart from '@fastify/multipart'
import { errorCodes, type FastifyPluginAsync, type FastifyReply, type FastifyRequest } from 'fastify'
import type { KeyHolder } from '../../core/accounts/api-keys.ts'
import { limitsFor, type PaceLeft, paceLeft } from '../../core/accounts/limits.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import { continueTrace } from '../../core/trace.ts'
import { cors } from '../server/cors.ts'
import { acceptJson } from '../server/json.ts'
import { clientDisconnected } from '../server/reply-closed.ts'
import { assertShallow, type TypedApp, withoutBlanks, withSchemas } from '../server/validation.ts'
import { refuseOtherMethods } from '../server/wrong-method.ts'
import { admitAnonymous, type FamilyName } from './anonymous.ts'
import type { ApiParts } from './parts.ts'

/** The app to which a family adds its routes. */
export type ApiApp = TypedApp

/** What the routes of a family work with. */
export interface Family extends Pick<ApiParts, 'core' | 'authenticate' | 'fetcher'> {
  parts: ApiParts
}

/** A response to an error. */
export interface Answer {
  status: number
  headers: Readonly<Record<string, string>>
  body: object
}

export interface FamilyOptions {
  /** As ANONYMOUS_API names it. */
  name: FamilyName
  /** Absent: the paths of its routes begin at the root. */
  prefix?: string
  /** Path below which the family answers unknown paths. Absent: its prefix, if it has one. */
  owns?: string
  /** Returns undefined for a defect, whose details clients must not see. */
  answerTo(error: unknown, request: FastifyRequest): Answer | undefined
  /** The response to a defect. */
  defect: Answer
  routes(app: ApiApp, family: Family): void
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route needs no key. A function decides for each request. */
    open?: boolean | ((request: FastifyRequest) => boolean)
  }
  interface FastifyRequest {
    /** As it was when the request was accepted. Absent: nothing was accepted. */
    pace?: PaceLeft
  }
}

export function createFamily(parts: ApiParts, { prefix, ...options }: FamilyOptions): FastifyPluginAsync {
  return async (app) => {
    await app.register(routesOf(parts, { owns: prefix && '', ...options }), { prefix })
  }
}

function routesOf(parts: ApiParts, options: Omit<FamilyOptions, 'prefix'>): FastifyPluginAsync {
  const { core, authenticate, throttle, bodies, fetcher } = parts
  return async (plain) => {
    const app = withSchemas(plain)
    await app.register(multipart)
    // every family closes it, which is harmless
    app.addHook('onClose', () => fetcher.close())
    acceptJson(plain)
    cors(plain)
    // before the body is read, so that strangers cannot fill our memory
    app.addHook('onRequest', async (request, reply) => {
      reply.header('cache-control', 'no-store')
      admitAnonymous(parts.anonymous, options.name, request)
      if (request.is404 || isOpen(request)) return
      const holder = await authenticate(request)
      await throttle(holder)
      if (!bodies.enter(holder, reply)) throw new AppError('overloaded')
    })
    app.addHook('preValidation', async (request) => {
      const { schema } = request.routeOptions
      if (request.isMultipart() && schema?.body) {
        throw new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE('multipart/form-data')
      }
      assertShallow(request.body)
      request.body = withoutBlanks(request.body)
    })
    // not earlier: reading the body loses the context
    app.addHook('preHandler', ({ headers }, _reply, done) => continueTrace(String(headers.traceparent ?? ''), done))
    app.addHook('onSend', async (request, reply) => {
      if (request.method !== 'POST') return
      // errors of the key or the database are already in the response
      const headers = await authenticate(request)
        .then(async (holder) => rateLimitHeaders(request.pace ?? (await paceOf(core, holder))))
        .catch(() => ({}))
      reply.headers(headers)
    })
    app.setErrorHandler(async (error, _request, reply) => sendError(core, reply, { format: options, error }))
    if (options.owns !== undefined) await app.register(unknownPaths, { prefix: options.owns })
    refuseOtherMethods(plain, () => options.routes(app, { core, parts, fetcher, authenticate }))
  }
}

const unknownPaths: FastifyPluginAsync = async (app) => {
  // before the body is read
  app.addHook('onRequest', async ({ method, url }) => {
    throw new AppError('unknown_path', { name: `${method} ${url.split('?')[0]?.slice(0, 200)}` })
  })
  app.setNotFoundHandler(async () => undefined)
}

function isOpen(request: FastifyRequest): boolean {
  const { open = false } = request.routeOptions.config
  return typeof open === 'function' ? open(request) : open
}

const paceOf = (core: Core, holder: KeyHolder) => paceLeft(core, holder.userId, limitsFor(core, holder))

/** Requests that the account may still send in this minute. */
const rateLimitHeaders = ({ left, of }: PaceLeft) => ({
  'x-ratelimit-limit-requests': String(of),
  'x-ratelimit-remaining-requests': String(left),
})

interface Failure {
  format: Pick<FamilyOptions, 'answerTo' | 'defect'>
  error: unknown
}

function sendError(core: Core, reply: FastifyReply, failure: Failure): FastifyReply {
  if (clientDisconnected(reply)) return reply.code(499).send()
  const { status, headers, body } = errorAnswer(core, { ...failure, request: reply.request })
  const challenge = status === 401 ? { 'www-authenticate': 'Bearer' } : {}
  return reply
    .code(status)
    .headers({ ...challenge, ...headers })
    .send(body)
}

/** Converts an error to a response. A defect is logged with the id that the client receives. */
export function errorAnswer({ log }: Core, { format, error, request }: Failure & { request: FastifyRequest }): Answer {
  const answer = format.answerTo(error, request)
  if (answer) return answer
  log.error({ id: request.id, err: error }, 'a request failed')
  return format.defect
}
