/** The token that Kling takes in place of a key: a JSON Web Token (RFC 7519), signed with HMAC-SHA256. */
import { createHmac } from 'node:crypto'
import type { KeyPair } from '../key-pair.ts'

/** Kling's own examples use these. The second allows for a clock that is a little fast. */
const livesSeconds = 1_800
const earlySeconds = 5
/** A token is used for half of its life: a request may wait a while before Kling reads it. */
const usedForMs = (livesSeconds * 1_000) / 2

/** Returns a function that gives the current value of the Authorization header. */
export function createAuthorization({ access, secret }: KeyPair): () => string {
  if (secret === undefined) return () => `Bearer ${access}`
  let header = ''
  let madeAt = Number.NEGATIVE_INFINITY
  return () => {
    const now = Date.now()
    // also made anew where the clock was set back
    if (Math.abs(now - madeAt) > usedForMs) {
      madeAt = now
      header = `Bearer ${signed({ access, secret }, now)}`
    }
    return header
  }
}

function signed({ access, secret }: { access: string; secret: string }, now: number): string {
  const seconds = Math.floor(now / 1_000)
  const claims = { iss: access, exp: seconds + livesSeconds, nbf: seconds - earlySeconds }
  const content = [{ alg: 'HS256', typ: 'JWT' }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`
}
