/** What all families of routes have in common: keys, pace, large bodies, and errors, each said in the family's own shape. */
import multipart from '@fastify/multipart'
import {
  errorCodes,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyPluginAsync,
  type FastifyReply,
  type FastifyRequest,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import { type Authenticate, authenticate } from '../server/auth.ts'
import { type Bodies, createBodies } from '../server/bodies.ts'
import { cors } from '../server/cors.ts'
import { acceptJson } from '../server/json-body.ts'
import { refuseOtherMethods } from '../server/methods.ts'
import { whenOver } from '../server/over.ts'
import { createThrottle, type Throttle } from '../server/throttle.ts'
import { assertShallow, checkWithZod, withoutBlanks } from '../server/validation.ts'
import { paceHeaders } from './pace.ts'
import { type ApiParts, createFetcher, type Fetcher } from './parts.ts'

/** Schemas of its routes are zod's: they check what comes in, give it its type, and make the OpenAPI document. */
export type ApiApp = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>

/** What the routes of a family work with. */
export interface Family {
  core: Core
  parts: ApiParts
  fetcher: Fetcher
  /** Throws AppError key_missing, key_wrong; with 'admin' also admins_only. */
  authenticate: Authenticate
  /** To be called when nobody needs its body any more, where that is before the answer. */
  releaseBody(request: FastifyRequest): void
  /** Idempotency keys that this process is answering, with whose they are → what was sent. */
  answering: Map<string, string>
}

export interface Answer {
  status: number
  headers: Readonly<Record<string, string>>
  body: object
}

export interface FamilyOptions {
  /** Absent: its paths begin at the root. */
  prefix?: string
  /** Unknown paths below it are answered by this family. Absent: those below its prefix, if it has one. */
  owns?: string
  /** The answer to whatever was thrown; undefined: a defect, of which nothing is told. */
  answerTo(error: unknown, request: FastifyRequest): Answer | undefined
  /** The answer to a defect. */
  defect: Answer
  routes(app: ApiApp, family: Family): void
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answered without a key; a function: those requests for which it says so. */
    open?: boolean | ((request: FastifyRequest) => boolean)
  }
}

export function createFamily(parts: ApiParts, { prefix, ...options }: FamilyOptions): FastifyPluginAsync {
  return async (app) => {
    await app.register(within(parts, { owns: prefix && '', ...options }), { prefix })
  }
}

type Within = Omit<FamilyOptions, 'prefix'>

function within(parts: ApiParts, options: Within): FastifyPluginAsync {
  const { core } = parts
  const { fetcher, authenticate, bodies, throttle, answering } = commonOf(parts)
  return async (plain) => {
    const app: ApiApp = plain.withTypeProvider<ZodTypeProvider>()
    await app.register(multipart)
    // closed once for each family: harmless
    app.addHook('onClose', () => fetcher.close())
    acceptJson(plain)
    app.setValidatorCompiler(checkWithZod)
    // answers are made by us: nothing to leave out of them
    app.setSerializerCompiler(() => JSON.stringify)
    cors(plain)
    // before the body is read: strangers cannot make us hold theirs
    app.addHook('onRequest', async (request, reply) => {
      reply.header('cache-control', 'no-store')
      if (request.is404) return
      if (isOpen(request)) return
      const holder = await authenticate(request)
      await throttle(holder)
      if (!bodies.enter(holder, request, reply)) throw new AppError('overloaded')
    })
    app.addHook('preValidation', async (request) => {
      const { schema } = request.routeOptions
      if (request.isMultipart() && schema?.body) {
        throw new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE('multipart/form-data')
      }
      assertShallow(request.body)
      request.body = withoutBlanks(request.body)
    })
    app.addHook('onSend', async (request, reply) => {
      if (request.method !== 'POST') return
      // whatever is wrong with the key or the database has been said by the answer itself
      const headers = await authenticate(request)
        .then((holder) => paceHeaders(core, holder))
        .catch(() => ({}))
      reply.headers(headers)
    })
    app.setErrorHandler(async (error, request, reply) => {
      if (hasGone(reply)) return reply.code(499).send()
      const { status, headers, body } = problemOf(core.log, options, request, error)
      const asks = status === 401 ? { 'www-authenticate': 'Bearer' } : {}
      return reply
        .code(status)
        .headers({ ...asks, ...headers })
        .send(body)
    })
    if (options.owns !== undefined) await app.register(unknownPaths, { prefix: options.owns })
    refuseOtherMethods(plain, () =>
      options.routes(app, { core, parts, fetcher, authenticate, releaseBody: bodies.leave, answering }),
    )
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

interface Common extends Pick<Family, 'fetcher' | 'authenticate' | 'answering'> {
  bodies: Bodies
  throttle: Throttle
}

const known = new WeakMap<ApiParts, Common>()

/** One for all families that are made of the same parts, so that limits hold for all of them together. */
function commonOf(parts: ApiParts): Common {
  const common = known.get(parts) ?? {
    fetcher: createFetcher(parts),
    authenticate: authenticate(parts.core, parts.operatorKey),
    bodies: createBodies(),
    throttle: createThrottle(parts.requestsPerMinute),
    answering: new Map<string, string>(),
  }
  known.set(parts, common)
  return common
}

/** What was thrown → the answer; defects are logged with the id that the client has. */
export function problemOf(
  log: { error(data: object, message: string): void },
  { answerTo, defect }: Pick<FamilyOptions, 'answerTo' | 'defect'>,
  request: FastifyRequest,
  error: unknown,
): Answer {
  const answer = answerTo(error, request)
  if (answer) return answer
  log.error({ id: request.id, err: error }, 'a request failed')
  return defect
}

/** Aborts when the answer is out, or the client has gone: whoever waits for a picture then waits no longer. */
export function untilAnswered(reply: FastifyReply): AbortSignal {
  const over = new AbortController()
  whenOver(reply, () => over.abort())
  return over.signal
}

/** Whether the client left before its answer was out. */
export const hasGone = (reply: FastifyReply) => reply.raw.closed && !reply.raw.writableFinished
