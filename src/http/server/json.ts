/** JSON both ways: request bodies with a limit on what they become in memory, and responses that carry pictures. */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { InvalidRequest } from './validation.ts'

/** Arrays, objects and the values in them: parsed within milliseconds, and more than real requests have. */
const maxParts = 250_000
const marks = [',', '[', '{'].map((mark) => mark.charCodeAt(0))

/** An empty body is accepted: clients send 'application/json' with every request, also without a body. */
export function acceptJson(app: FastifyInstance): void {
  // without this the text would reach the schema, which would only say that it expects an object
  app.removeContentTypeParser('text/plain')
  const parse = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) return done(null, undefined)
    if (hasTooManyParts(body)) return done(tooManyParts())
    parse(request, body.toString(), done)
  })
}

/** Base64 contains none of the marks, so pictures are skipped at the speed of memory. */
function hasTooManyParts(body: Buffer): boolean {
  let left = maxParts
  for (const mark of marks) {
    for (let at = body.indexOf(mark); at >= 0; at = body.indexOf(mark, at + 1)) {
      if (--left < 0) return true
    }
  }
  return false
}

const tooManyParts = () =>
  new InvalidRequest([{ name: undefined, message: `it has more than ${maxParts} parts`, problem: 'value' }])

/** A picture in base64. Serializers other than `toJson` see a string. */
export interface Base64 {
  toJSON(): string
}

/** Takes the place of a picture in the text. Random, so that no text of a request can be mistaken for it. */
const placeholder = `<${randomUUID()}>`
/** Pictures that the current call of `toJson` has found. The call is synchronous, so there is only one at a time. */
let found: Buffer[] | undefined

export function base64(data: Buffer): Base64 {
  return {
    toJSON: () => {
      if (!found) return data.toString('base64')
      found.push(data)
      return placeholder
    },
  }
}

/**
 * Returns bytes when the value contains pictures, else text. Base64 needs no escaping, so pictures are copied into place:
 * as strings they would be scanned three times, to escape, to measure and to send them.
 */
export function toJson(value: unknown): string | Buffer {
  const pictures: Buffer[] = []
  let text: string
  found = pictures
  try {
    text = JSON.stringify(value)
  } finally {
    found = undefined
  }
  return pictures.length === 0 ? text : withPictures(text.split(placeholder), pictures)
}

/** Puts a picture after each text but the last. */
function withPictures(texts: readonly string[], pictures: readonly Buffer[]): Buffer {
  const sizes = pictures.map(({ length }) => Math.ceil(length / 3) * 4)
  const bytes = [...texts.map((text) => Buffer.byteLength(text)), ...sizes].reduce((sum, size) => sum + size, 0)
  const json = Buffer.allocUnsafe(bytes)
  let at = 0
  for (const [n, text] of texts.entries()) {
    at += json.write(text, at)
    const picture = pictures[n]
    if (picture) at += json.write(picture.toString('base64'), at, 'latin1')
  }
  return json
}
