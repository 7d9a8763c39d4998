/** Signs webhooks by the Standard Webhooks specification, so that its libraries can verify them. */
import { createHmac } from 'node:crypto'
import type { KeyHolder } from '../../../core/accounts/api-keys.ts'

export interface Message {
  /** The same for all attempts. */
  id: string
  /** Time of this attempt. */
  at: Date
  body: string
}

type Owner = Pick<KeyHolder, 'keyId' | 'userId'>

/** 'whsec_' and base64. Derived from SECRET_KEY for each API key, and stored nowhere. */
export function webhookSecret(secretKey: Buffer, { keyId, userId }: Owner): string {
  return `whsec_${signingKey(secretKey, { keyId, userId }).toString('base64')}`
}

export function signedHeaders(secretKey: Buffer, owner: Owner, { id, at, body }: Message): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1000))
  const signature = createHmac('sha256', signingKey(secretKey, owner))
    .update(`${id}.${timestamp}.${body}`)
    .digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` }
}

function signingKey(secretKey: Buffer, { keyId, userId }: Owner): Buffer {
  return createHmac('sha256', secretKey)
    .update(`webhook ${keyId ?? `operator ${userId}`}`)
    .digest()
}
