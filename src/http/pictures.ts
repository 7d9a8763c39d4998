/** `GET /image/{key}`: pictures of the store, for whoever has a link that is signed and not expired. */
import { createHash } from 'node:crypto'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { ObjectStore } from '../core/ports.ts'
import { localeOf, wordsFor } from '../locales/index.ts'

export interface PicturesOptions {
  store: ObjectStore
  verify(link: { key: string; expires: string; signature: string; now: number }): 'ok' | 'expired' | 'forged'
}

interface Params {
  Params: { '*': string }
  Querystring: { expires?: string; signature?: string }
}

export function pictures({ store, verify }: PicturesOptions): FastifyPluginAsync {
  return async (app) => {
    app.get<Params>('/image/*', async (request, reply) => {
      const key = request.params['*']
      const { expires = '', signature = '' } = request.query
      const now = Math.floor(Date.now() / 1000)
      const words = wordsFor(localeOf(request.headers['accept-language'])).link
      const verdict = verify({ key, expires, signature, now })
      if (verdict !== 'ok') {
        const message = words[verdict]
        return reply.code(403).send({ error: { kind: verdict, message } })
      }
      const object = await store.get(key)
      if (!object) return reply.code(404).send({ error: { kind: 'not_found', message: words.missing } })
      reply.headers({
        'content-type': object.type,
        'cache-control': `private, max-age=${Number(expires) - now}, immutable`,
        'content-disposition': `inline; filename="${key.slice(key.lastIndexOf('/') + 1)}"`,
        'content-security-policy': "default-src 'none'; sandbox",
        'cross-origin-resource-policy': 'cross-origin',
        'accept-ranges': 'bytes',
        etag: `"${createHash('sha256').update(object.data).digest('base64url').slice(0, 27)}"`,
      })
      return send(request, reply, object.data)
    })
  }
}

function send(request: FastifyRequest, reply: FastifyReply, data: Buffer): FastifyReply {
  if (request.headers['if-none-match'] === reply.getHeader('etag')) return reply.code(304).send()
  const range = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '')
  if (!range || (range[1] === '' && range[2] === '')) return reply.send(data)
  const last = data.length - 1
  const start = range[1] === '' ? Math.max(0, data.length - Number(range[2])) : Number(range[1])
  const end = range[1] === '' || range[2] === '' ? last : Math.min(last, Number(range[2]))
  if (start > end) return reply.code(416).header('content-range', `bytes */${data.length}`).send()
  return reply
    .code(206)
    .header('content-range', `bytes ${start}-${end}/${data.length}`)
    .send(data.subarray(start, end + 1))
}
