/** The picture in an answer: bytes as they are, or base64 in JSON, whatever the answer says that it is. */
import { AppError } from '../../core/errors.ts'
import type { Json } from '../../db/json.ts'
import type { ProviderResponse } from '../http.ts'
import { readEnvelope, refusal } from './errors.ts'

/** How deep `image` may hide: `result.image` is the usual place. */
const deepest = 4

/** Throws an AppError. `key` is kept out of it. */
export function readPicture(answer: ProviderResponse, key: string): Buffer {
  const { status, body } = answer
  const envelope = readEnvelope(body)
  if (status < 200 || status >= 300 || envelope?.failed) throw refusal(answer, { envelope, key })
  if (looksLikePicture(body)) return body
  const bytes = Buffer.from(base64In(envelope?.json ?? null, deepest) ?? '', 'base64')
  if (looksLikePicture(bytes)) return bytes
  throw new AppError(
    'bad_result',
    { provider: 'cloudflare' },
    { cause: new Error('there is no picture in the answer') },
  )
}

function base64In(value: Json, depth: number): string | undefined {
  if (value === null || typeof value !== 'object' || Array.isArray(value) || depth === 0) return undefined
  if (typeof value.image === 'string') return value.image.replace(/^data:[^,]{0,100},/, '')
  return base64In(value.image ?? value.result ?? null, depth - 1)
}

/** By the first bytes: types are announced wrongly now and then. */
function looksLikePicture(bytes: Buffer): boolean {
  const start = bytes.toString('latin1', 0, 12)
  return start.startsWith('\xff\xd8\xff') || start.startsWith('\x89PNG\r\n') || /^RIFF....WEBP/s.test(start)
}
