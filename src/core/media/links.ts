/** Signed links: a link opens what it names (a key of the store, or the id of a request) until it expires. */
import { createHmac, timingSafeEqual } from 'node:crypto'

export function signLink(secretKey: Buffer, key: string, expires: number): string {
  return createHmac('sha256', secretKey).update(`${expires}\n${key}`).digest('base64url')
}

/** `expires` and `now` in whole seconds since 1970. */
export function verifyLink(
  secretKey: Buffer,
  { key, expires, signature, now }: { key: string; expires: string; signature: string; now: number },
): 'ok' | 'expired' | 'forged' {
  if (!/^\d{1,12}$/.test(expires)) return 'forged'
  const expected = Buffer.from(signLink(secretKey, key, Number(expires)))
  const given = Buffer.from(signature)
  if (expected.length !== given.length || !timingSafeEqual(expected, given)) return 'forged'
  return Number(expires) < now ? 'expired' : 'ok'
}
