/** Cloudflare Workers AI, directly or through an AI Gateway: one call that returns the picture. */
import { AppError } from '../../core/errors.ts'
import type { ProviderKind } from '../../core/ports/providers.ts'
import type { Json } from '../../db/json.ts'
import { createProviderHttp, type ProviderResponse } from '../http.ts'
import { addressesOf, checkAccess } from './addresses.ts'
import { bodyFor } from './body.ts'
import { parseEnvelope, responseError } from './errors.ts'

export const cloudflare: ProviderKind = {
  name: 'cloudflare',
  title: 'Cloudflare Workers AI',
  exampleUrl: 'https://api.cloudflare.com/client/v4/accounts/<account id>',
  needsKey: true,
  create({ baseUrl, key = '', timeoutMs, concurrency, steps }, { decode }) {
    const addresses = addressesOf(baseUrl, key)
    const bearer = `Bearer ${key}`
    const http = createProviderHttp({
      provider: 'cloudflare',
      baseUrl,
      // a gateway may require a key of its own, in a header of its own
      headers: { authorization: bearer, ...(addresses.gateway && { 'cf-aig-authorization': bearer }) },
      concurrency,
    })
    return {
      name: 'cloudflare',
      async start(task, signal) {
        const { body, headers } = await bodyFor(task, { steps, decode })
        signal.throwIfAborted()
        const path = addresses.run(task.endpoint)
        const response = await http.send({ method: 'POST', path, body, headers, signal, timeoutMs })
        return { state: 'done', images: [pictureIn(response, key)] }
      },
      test: (signal) => checkAccess(http, { addresses, key, signal }),
      close: () => http.close(),
    }
  },
}

/** Levels of `result` and `image` to search; the usual place is `result.image`. */
const maxDepth = 4

/**
 * The picture: the body itself, or base64 in JSON. Ignores the content type, which Cloudflare does not always set
 * correctly. Throws an AppError, from which `key` is removed.
 */
function pictureIn(response: ProviderResponse, key: string): Buffer {
  const { status, body } = response
  const envelope = parseEnvelope(body)
  if (status < 200 || status >= 300 || envelope?.failed) throw responseError(response, { envelope, key })
  if (startsLikePicture(body)) return body
  const bytes = Buffer.from(base64In(envelope?.json ?? null, maxDepth) ?? '', 'base64')
  if (startsLikePicture(bytes)) return bytes
  const cause = new Error('the response contains no picture')
  throw new AppError('bad_result', { provider: 'cloudflare' }, { cause })
}

function base64In(value: Json, depth: number): string | undefined {
  if (value === null || typeof value !== 'object' || Array.isArray(value) || depth === 0) return undefined
  if (typeof value.image === 'string') return value.image.replace(/^data:[^,]{0,100},/, '')
  return base64In(value.image ?? value.result ?? null, depth - 1)
}

function startsLikePicture(bytes: Buffer): boolean {
  const start = bytes.toString('latin1', 0, 12)
  return start.startsWith('\xff\xd8\xff') || start.startsWith('\x89PNG\r\n') || /^RIFF....WEBP/s.test(start)
}
