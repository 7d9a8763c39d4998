/** The HTTP server: what all responses have in common, and errors as JSON. Routes come as plugins. */
import { randomUUID } from 'node:crypto'
import fastify, { type FastifyError, type FastifyInstance, type FastifyPluginAsync } from 'fastify'
import { AppError } from '../../core/errors.ts'
import { requestIds } from '../../core/programs/request-ids.ts'
import { localeOf, wordsFor } from '../../locales/index.ts'
import { statusOf } from './error-status.ts'
import { toJson } from './json.ts'
import { refuseMalformed } from './malformed.ts'
import { createSending, type SendingLimits } from './sending.ts'

export interface AppOptions {
  log: { debug(data: object, message: string): void; error(data: object, message: string): void }
  plugins: readonly FastifyPluginAsync[]
  /** Called with the app before routes are added. */
  countResponses?(app: FastifyInstance): void
  /** Milliseconds that requests under way get when the app closes. Default 5,000. */
  closeMs?: number
  /** Milliseconds without reading after which a client is disconnected, or up to twice as many. Default 30,000. */
  unreadMs?: number
  sending?: SendingLimits
  /** Path of the public address, '' or '/path'. Requests arrive with it, or without it from a proxy that removes it. */
  basePath?: string
}

/** Milliseconds in which a whole request must arrive. */
const receiveMs = 300_000

export function createApp(options: AppOptions): FastifyInstance {
  const { log, plugins, closeMs = 5_000, unreadMs = 30_000, basePath = '' } = options
  const app = fastify({
    logger: false,
    bodyLimit: 1024 * 1024,
    genReqId: () => randomUUID(),
    trustProxy: false,
    forceCloseConnections: 'idle',
    requestTimeout: receiveMs,
    connectionTimeout: unreadMs,
    clientErrorHandler: refuseMalformed(log),
    rewriteUrl: ({ url = '/' }) => decodable(routeAddress(withoutBase(url, basePath))),
    // the length of a line of HTTP, so that names of any length reach the routes and are reported as unknown
    routerOptions: { maxParamLength: 16_384, ignoreTrailingSlash: true },
  })

  // it may return bytes, which fastify sends unchanged for any content type
  app.setReplySerializer(toJson as (value: unknown) => string)
  app.decorate('sending', createSending(options.sending))
  app.decorateRequest('keyHolder', undefined)
  app.decorateRequest('releaseBody', undefined)
  separatePagesFromData(app)
  app.addHook('onRequest', async (request, reply) => {
    // nothing was read for so long; a response that is still being made is not waiting for its client
    reply.raw.on('timeout', () => reply.raw.writableLength > 0 && request.raw.socket.destroy())
    reply.headers({ 'x-request-id': request.id, 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' })
  })
  // not earlier: reading the body loses the context
  app.addHook('preHandler', (request, _reply, done) => requestIds.run(request.id, done))
  app.addHook('onSend', async (_request, reply, payload) => {
    // a part of a picture keeps the whole picture in memory
    if (Buffer.isBuffer(payload)) reply.server.sending.add(reply, payload.buffer.byteLength)
    if (typeof payload === 'string') reply.server.sending.add(reply, payload.length)
  })
  if (basePath !== '') {
    app.addHook('onSend', async (_request, reply) => {
      for (const name of ['location', 'content-location']) {
        const path = reply.getHeader(name)
        const isShort = typeof path === 'string' && path.startsWith('/') && !path.startsWith(`${basePath}/`)
        if (isShort) reply.header(name, basePath + path)
      }
    })
  }
  app.addHook('onResponse', async (request, reply) => {
    // without the query, which holds signatures, and without the token of a webhook or an archive
    const path = request.url.split('?')[0]?.replace(/^(\/hooks\/[^/]+\/[^/]+\/|\/exports\/).*/, '$1…')
    log.debug(
      { id: request.id, method: request.method, path, status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
      'http request',
    )
  })
  app.addHook('preClose', async () => {
    setTimeout(() => app.server.closeAllConnections(), closeMs).unref()
  })

  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ error: { kind: 'not_found', message: 'There is nothing here.' } }),
  )
  app.setErrorHandler<FastifyError | AppError>((error, request, reply) => {
    const words = wordsFor(localeOf(request.headers['accept-language']))
    if (error instanceof AppError && error.kind !== 'internal') {
      const message = words.errors[error.kind](error.data)
      if (error.retryAfterMs !== undefined) reply.header('retry-after', Math.ceil(error.retryAfterMs / 1000))
      return reply.code(statusOf[error.kind]).send({ error: { kind: error.kind, message } })
    }
    const status = ('statusCode' in error && error.statusCode) || 500
    if (status >= 400 && status < 500) {
      return reply.code(status).send({ error: { kind: 'bad_request', message: error.message } })
    }
    log.error({ id: request.id, err: error }, 'a request failed')
    return reply.code(500).send({ error: { kind: 'internal', message: words.errors.internal() } })
  })
  options.countResponses?.(app)
  for (const plugin of plugins) app.register(plugin)
  return app
}

/** Path prefixes that some clients use → prefixes of the routes. */
const prefixes: readonly (readonly [RegExp, string])[] = [[/^\/api\/flux(?=[/?]|$)/, '/api/v1/flux']]

function routeAddress(url: string): string {
  const prefix = prefixes.find(([pattern]) => pattern.test(url))
  return prefix ? url.replace(...prefix) : url
}

function withoutBase(url: string, basePath: string): string {
  if (basePath === '' || !url.startsWith(basePath)) return url
  const rest = url.slice(basePath.length)
  if (rest === '' || rest.startsWith('?')) return `/${rest}`
  return rest.startsWith('/') ? rest : url
}

/** Escapes an invalid percent-encoding, so that it becomes an unknown path like any other. */
function decodable(url: string): string {
  if (!url.includes('%')) return url
  const [path = '', ...query] = url.split(/(?=[?#])/)
  try {
    decodeURIComponent(path)
    return url
  } catch {
    return path.replaceAll('%', '%25') + query.join('')
  }
}

type Strategy = Parameters<FastifyInstance['addConstraintStrategy']>[0]
type Stored = Parameters<ReturnType<Strategy['storage']>['set']>[1]

/** Lets two routes share a path: the one with the constraint `asks: 'data'` serves programs, the other one browsers. */
function separatePagesFromData(app: FastifyInstance): void {
  app.addConstraintStrategy({
    name: 'asks',
    storage: () => {
      const stored = new Map<unknown, Stored>()
      return { get: (asks) => stored.get(asks) ?? null, set: (asks, route) => void stored.set(asks, route) }
    },
    deriveConstraint: ({ headers, url }) => (isSignInLink(url) || prefersPage(headers.accept) ? 'page' : 'data'),
  })
}

/** Answers a program that opens the link as it would a browser. */
const isSignInLink = (url = '') => /^\/\?(.*&)?token=/.test(url)

/** Browsers list `text/html` without a weight. Programs that accept anything do not list it, or weigh it less. */
function prefersPage(accept = ''): boolean {
  const weight = (type: string) => {
    const range = accept.split(',').find((each) => each.split(';')[0]?.trim().toLowerCase() === type)
    return range === undefined ? 0 : Number(/;\s*q=([\d.]+)/i.exec(range)?.[1] ?? 1)
  }
  return weight('text/html') > weight('application/json')
}
