/** Replies with a picture: whole, in part, or 304. Pictures never change, so an ETag is a hash of the picture's name. */
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { StoredObject } from '../../core/ports/storage.ts'

export interface PictureReply {
  request: FastifyRequest
  reply: FastifyReply
  /** Identifies the picture and its form. */
  identity: string
  /** The name under which browsers save it. */
  fileName: string
  cacheControl: string
  /** Resolves to undefined when there is no such picture. Not called when the client has the picture already. */
  load(): Promise<StoredObject | undefined>
}

/** Resolves to undefined, without having replied, when there is no such picture. RFC 9110 §13 and §14. */
export async function sendPicture(picture: PictureReply): Promise<FastifyReply | undefined> {
  const { request, reply, identity, fileName, cacheControl, load } = picture
  const etag = `"${createHash('sha256').update(identity).digest('base64url').slice(0, 27)}"`
  const caching = { etag, 'cache-control': cacheControl, 'access-control-expose-headers': exposed }
  if (matches(request.headers['if-none-match'], etag)) return reply.code(304).headers(caching).send()
  const object = await load()
  if (!object) return undefined
  reply.headers({
    ...caching,
    'content-type': object.type,
    'content-disposition': `inline; filename="${fileName}"`,
    'content-security-policy': "default-src 'none'; sandbox",
    'cross-origin-resource-policy': 'cross-origin',
    'accept-ranges': 'bytes',
  })
  return sendRange(reply, object.data, rangeOf(request, etag))
}

/** Headers that pages of other origins may read. */
const exposed = 'etag, content-length, content-range, accept-ranges, x-request-id'

/** Ignores the weak mark, because proxies that compress responses add it. */
function matches(condition: string | undefined, etag: string): boolean {
  const tags = [...(condition ?? '').matchAll(/\*|(?:W\/)?("[^"]*")/g)]
  return tags.some(([tag, quoted]) => tag === '*' || quoted === etag)
}

/** Returns undefined for the whole picture, also when several ranges are requested or the range is invalid. */
function rangeOf({ method, headers }: FastifyRequest, etag: string): [first: string, last: string] | undefined {
  const [, first = '', last = ''] = /^bytes=\s*(\d*)-(\d*)\s*$/i.exec(headers.range ?? '') ?? []
  const backwards = first !== '' && last !== '' && Number(last) < Number(first)
  if (method !== 'GET' || backwards || first + last === '') return undefined
  // a client that has the beginning of another picture needs all of this one
  const condition = headers['if-range']
  return condition === undefined || condition === etag ? [first, last] : undefined
}

function sendRange(reply: FastifyReply, data: Buffer, range: [string, string] | undefined): FastifyReply {
  if (!range) return reply.send(data)
  const [first, last] = range
  const size = data.length
  // without a first byte, the range is the last bytes
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size - 1 : Math.min(size - 1, Number(last))
  if (start > end) return reply.code(416).header('content-range', `bytes */${size}`).send()
  return reply
    .code(206)
    .header('content-range', `bytes ${start}-${end}/${size}`)
    .send(data.subarray(start, end + 1))
}
