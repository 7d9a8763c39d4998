/** The HTTP side: what every answer has in common, and errors as JSON. Families of routes are plugins. */
import { randomUUID } from 'node:crypto'
import fastify, { type FastifyError, type FastifyInstance, type FastifyPluginAsync } from 'fastify'
import { AppError } from '../../core/errors.ts'
import { localeOf, wordsFor } from '../../locales/index.ts'
import { status, tellProgramsFromBrowsers } from '../operations/status.ts'
import { statusOf } from './error-status.ts'
import { toJson } from './json.ts'
import { refuseWhatIsNoRequest } from './no-request.ts'
import { createSending, type SendingLimits } from './sending.ts'

export interface AppOptions {
  log: { debug(data: object, message: string): void; error(data: object, message: string): void }
  /** Part → what is missing; undefined: ready. */
  ready(): Promise<Record<string, string | undefined>>
  /** Where people reach us. Absent: addresses are told as paths. */
  publicUrl?: string
  plugins: readonly FastifyPluginAsync[]
  /** Given the app before its routes. */
  countAnswers?(app: FastifyInstance): void
  /** Requests under way when we close get this long. Default 5,000. */
  closeMs?: number
  /** A client that takes nothing of its answer for that long, or twice as long at most, is let go. Default 30,000. */
  unreadMs?: number
  sending?: SendingLimits
}

/** A request must have come in full by then. */
const receiveMs = 300_000

export function createApp(options: AppOptions): FastifyInstance {
  const { log, ready, publicUrl, plugins, closeMs = 5_000, unreadMs = 30_000 } = options
  const app = fastify({
    logger: false,
    bodyLimit: 1024 * 1024,
    genReqId: () => randomUUID(),
    trustProxy: false,
    forceCloseConnections: 'idle',
    requestTimeout: receiveMs,
    connectionTimeout: unreadMs,
    clientErrorHandler: refuseWhatIsNoRequest(log),
    rewriteUrl: ({ url = '/' }) => decodable(url),
    // as long as a line of HTTP may be: names that are too long are unknown like any other
    routerOptions: { maxParamLength: 16_384, ignoreTrailingSlash: true },
  })

  // bytes are sent as they are, whatever the type says
  app.setReplySerializer(toJson as (value: unknown) => string)
  app.decorate('sending', createSending(options.sending))
  app.addHook('onRequest', async (request, reply) => {
    // nothing moved for that long; while the answer is still being made, nothing has to
    reply.raw.on('timeout', () => reply.raw.writableLength > 0 && request.raw.socket.destroy())
    reply.headers({ 'x-request-id': request.id, 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' })
  })
  app.addHook('onSend', async (_request, reply, payload) => {
    // of a part, the whole is in memory
    if (Buffer.isBuffer(payload)) reply.server.sending.add(reply, payload.buffer.byteLength)
    if (typeof payload === 'string') reply.server.sending.add(reply, payload.length)
  })
  app.addHook('onResponse', async (request, reply) => {
    // without the query, which holds signatures, and without a webhook's token
    const path = request.url.split('?')[0]?.replace(/^(\/hooks\/[^/]+\/[^/]+\/).*/, '$1…')
    log.debug(
      { id: request.id, method: request.method, path, status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
      'http',
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
  options.countAnswers?.(app)
  tellProgramsFromBrowsers(app)
  for (const plugin of plugins) app.register(plugin)
  app.register(status({ ready, publicUrl }))
  return app
}

/** What is no percent-encoding stands for itself, so that whoever answers unknown paths answers these as well. */
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
