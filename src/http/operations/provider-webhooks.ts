/** `POST /hooks/{provider}/{generation}/{token}`: providers report here that a generation is done. */
import type { FastifyPluginAsync } from 'fastify'
import type { WebhookCall } from '../../core/generation/provider-webhook.ts'

interface Params {
  Params: { provider: string; id: string; token: string }
}

const bodyLimit = 4 * 1024 * 1024

/** `receive` throws AppError 'forged' when the message cannot be proven to come from the provider. */
export function hooks(receive: (call: WebhookCall) => Promise<void>): FastifyPluginAsync {
  return async (app) => {
    // signatures cover the raw bytes
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit }, (_request, body, done) => done(null, body))
    app.post<Params>('/hooks/:provider/:id/:token', { bodyLimit }, async (request, reply) => {
      const headers = Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]),
      )
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
      await receive({ ...request.params, headers, body })
      return reply.code(200).send({ status: 'ok' })
    })
  }
}
