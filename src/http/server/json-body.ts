/** Bodies in JSON. What would be small on the wire and enormous in memory is refused before it is parsed. */
import type { FastifyInstance } from 'fastify'
import { InvalidRequest } from './validation.ts'

/** Lists, objects and what stands between commas: a few milliseconds' work, and more than any real request has. */
const mostParts = 250_000
const marks = [',', '[', '{'].map((mark) => mark.charCodeAt(0))

/** Clients say 'application/json' with every request: one without a body has none, and is not broken. */
export function acceptJson(app: FastifyInstance): void {
  // else it would be text where an object is needed, and refused in stranger words
  app.removeContentTypeParser('text/plain')
  const parse = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) return done(null, undefined)
    if (hasMoreParts(body)) return done(tooManyParts())
    parse(request, body.toString(), done)
  })
}

/** Pictures in base64 are passed over at the speed of memory: they have none of the marks. */
function hasMoreParts(body: Buffer): boolean {
  let left = mostParts
  for (const mark of marks) {
    for (let at = body.indexOf(mark); at >= 0; at = body.indexOf(mark, at + 1)) {
      if (--left < 0) return true
    }
  }
  return false
}

const tooManyParts = () =>
  new InvalidRequest([{ name: undefined, message: `it has more than ${mostParts} parts`, problem: 'value' }])
