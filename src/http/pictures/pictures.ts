/** `GET /image/{key}`: pictures of the store, opened by a signed link that has not expired. */
import type { FastifyPluginAsync } from 'fastify'
import { z } from 'zod'
import { localeOf, wordsFor } from '../../locales/index.ts'
import { cors } from '../server/cors.ts'
import { withSchemas } from '../server/validation.ts'
import { sendPicture } from './reply.ts'
import { type StoredPictures, widthParam } from './stored.ts'

export interface PicturesOptions {
  load: StoredPictures['load']
  /** Absent: `w` is ignored. */
  thumbnail?: StoredPictures['thumbnail']
  verify(link: { key: string; expires: string; signature: string; now: number }): 'ok' | 'expired' | 'forged'
}

const segment = z.string().max(200)
const error = z
  .object({ error: z.object({ kind: z.string(), message: z.string() }) })
  .meta({ id: 'PictureError', description: 'The message is in the language of `Accept-Language`.' })
const picture = { content: { 'image/png': { schema: z.file() } } }

const schema = {
  summary: 'Returns an image by its link.',
  description:
    'Responses of the API contain links; they are signed and expire. `Range`, `If-Range` and `If-None-Match` are supported. ' +
    'A link stays valid when `w` is added, changed or removed.',
  operationId: 'picture',
  tags: ['Pictures'],
  params: z.object({ folder: segment, id: segment, name: segment }),
  querystring: z.object({
    expires: z.string().max(20).optional().describe('Seconds since 1970.'),
    signature: z.string().max(200).optional(),
    w: widthParam,
  }),
  response: {
    200: { description: 'PNG, JPEG or WebP. With `w`: WebP.', ...picture },
    206: { description: 'The requested range.', ...picture },
    304: z.null().describe('The client has the image already.'),
    416: z.null().describe('The image has fewer bytes than the range starts at.'),
    '4xx': error,
    503: error.describe('Too many thumbnails are being made, or too many bytes are being sent.'),
  },
}

export function pictures({ load, thumbnail, verify }: PicturesOptions): FastifyPluginAsync {
  return async (plain) => {
    const app = withSchemas(plain)
    cors(plain)
    app.get('/image/:folder/:id/:name', { config: { open: true }, schema }, async (request, reply) => {
      const { folder, id, name } = request.params
      const { expires = '', signature = '', w } = request.query
      const key = `${folder}/${id}/${name}`
      const now = Math.floor(Date.now() / 1000)
      const words = wordsFor(localeOf(request.headers['accept-language'])).link
      const refuse = (status: number, kind: string, message: string) =>
        reply.code(status).header('cache-control', 'no-store').send({ error: { kind, message } })
      const verdict = verify({ key, expires, signature, now })
      if (verdict !== 'ok') return refuse(403, verdict, words[verdict])
      const small = w === undefined ? undefined : thumbnail?.(key, w)
      const sent = await sendPicture({
        request,
        reply,
        identity: small ? `${small.edge} ${key}` : key,
        fileName: small ? name.replace(/\.\w+$/, `-${small.edge}.webp`) : name,
        cacheControl: `private, max-age=${Number(expires) - now}, immutable`,
        load: small?.load ?? (() => load(key)),
      })
      return sent ?? refuse(404, 'not_found', words.missing)
    })
  }
}
