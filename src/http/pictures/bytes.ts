/** A picture as an answer: whole, in part, or not again. Pictures never change, so their names stand for their bytes. */
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { StoredObject } from '../../core/ports/storage.ts'

export interface Sending {
  /** Another picture, or another form of it, has another one. */
  identity: string
  /** As browsers save it. */
  fileName: string
  cacheControl: string
  /** undefined: there is no such picture. Not called when the client has it already. */
  load(): Promise<StoredObject | undefined>
}

/** undefined: there is no such picture, and nothing was answered. RFC 9110 §13 and §14. */
export async function sendPicture(
  request: FastifyRequest,
  reply: FastifyReply,
  { identity, fileName, cacheControl, load }: Sending,
): Promise<FastifyReply | undefined> {
  const etag = `"${createHash('sha256').update(identity).digest('base64url').slice(0, 27)}"`
  const caching = { etag, 'cache-control': cacheControl, 'access-control-expose-headers': exposed }
  if (hasAlready(request.headers['if-none-match'], etag)) return reply.code(304).headers(caching).send()
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
  return sendPart(reply, object.data, partWanted(request, etag))
}

/** What pages of other origins may read. */
const exposed = 'etag, content-length, content-range, accept-ranges, x-request-id'

/** Compared weakly: a proxy that packs answers marks their tags so. */
function hasAlready(given: string | undefined, etag: string): boolean {
  const tags = [...(given ?? '').matchAll(/\*|(?:W\/)?("[^"]*")/g)]
  return tags.some(([whole, quoted]) => whole === '*' || quoted === etag)
}

/** undefined: all of it. Several parts at once are answered with all of it, and so is what is no range. */
function partWanted({ method, headers }: FastifyRequest, etag: string): [first: string, last: string] | undefined {
  const [, first = '', last = ''] = /^bytes=\s*(\d*)-(\d*)\s*$/i.exec(headers.range ?? '') ?? []
  const backwards = first !== '' && last !== '' && Number(last) < Number(first)
  if (method !== 'GET' || backwards || first + last === '') return undefined
  // a client that has the beginning of something else gets all of this
  const condition = headers['if-range']
  return condition === undefined || condition === etag ? [first, last] : undefined
}

function sendPart(reply: FastifyReply, data: Buffer, wanted: [string, string] | undefined): FastifyReply {
  if (!wanted) return reply.send(data)
  const [first, last] = wanted
  const size = data.length
  // without a beginning: that many from the end
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size - 1 : Math.min(size - 1, Number(last))
  if (start > end) return reply.code(416).header('content-range', `bytes */${size}`).send()
  return reply
    .code(206)
    .header('content-range', `bytes ${start}-${end}/${size}`)
    .send(data.subarray(start, end + 1))
}
