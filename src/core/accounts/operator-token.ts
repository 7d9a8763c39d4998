/** Proves that a program on the operator's machine can read the secret key. It is never shown, unlike the sign-in link. */
import { createHmac } from 'node:crypto'

export function operatorToken(secretKey: Buffer): string {
  return createHmac('sha256', secretKey).update('operator commands').digest('base64url')
}
