/** `GET /image/{key}`: pictures of the store, for whoever has a link that is signed and not expired. */
import type { FastifyPluginAsync } from 'fastify'
import { z } from 'zod'
import type { ObjectStore } from '../../core/ports/storage.ts'
import { localeOf, wordsFor } from '../../locales/index.ts'
import type { ApiApp } from '../api/family.ts'
import { cors } from '../server/cors.ts'
import { checkWithZod } from '../server/validation.ts'
import { sendPicture } from './bytes.ts'
import { loadPicture } from './load.ts'
import { type Thumbnails, widthParam } from './thumbnails.ts'

export interface PicturesOptions {
  store: Pick<ObjectStore, 'get'>
  verify(link: { key: string; expires: string; signature: string; now: number }): 'ok' | 'expired' | 'forged'
  /** Absent: pictures are sent as they are, whatever `w` says. */
  thumbnails?: Thumbnails
}

const segment = z.string().max(200)
const refusal = z
  .object({ error: z.object({ kind: z.string(), message: z.string() }) })
  .meta({ id: 'PictureError', description: 'In the language of `Accept-Language`.' })
const part = { content: { 'image/png': { schema: z.file() } } }

const schema = {
  summary: 'A picture by its link.',
  description:
    'Links come with answers; they are signed and expire. `Range`, `If-Range` and `If-None-Match` are heeded. ' +
    'A link stays as good with another `w`, or without.',
  operationId: 'picture',
  tags: ['Pictures'],
  params: z.object({ folder: segment, id: segment, name: segment }),
  querystring: z.object({
    expires: z.string().max(20).optional().describe('Seconds since 1970.'),
    signature: z.string().max(200).optional(),
    w: widthParam,
  }),
  response: {
    200: { description: 'PNG, JPEG or WebP; with `w`, WebP.', ...part },
    206: { description: 'The part of it that was asked for.', ...part },
    304: z.null().describe('The client has it already.'),
    416: z.null().describe('It is shorter than that.'),
    '4xx': refusal,
    503: refusal.describe('Too many thumbnails are being made, or too much is being sent.'),
  },
}

export function pictures({ store, verify, thumbnails }: PicturesOptions): FastifyPluginAsync {
  return async (plain) => {
    const app = plain.withTypeProvider() as ApiApp
    app.setValidatorCompiler(checkWithZod)
    app.setSerializerCompiler(() => JSON.stringify)
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
      const small = w === undefined ? undefined : thumbnails?.(key, w)
      const sent = await sendPicture(request, reply, {
        identity: small ? `${small.edge} ${key}` : key,
        fileName: small ? name.replace(/\.\w+$/, `-${small.edge}.webp`) : name,
        cacheControl: `private, max-age=${Number(expires) - now}, immutable`,
        load: small?.load ?? (() => loadPicture(store, key)),
      })
      return sent ?? refuse(404, 'not_found', words.missing)
    })
  }
}
