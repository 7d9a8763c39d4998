/** Signatures by the Standard Webhooks specification, so that its libraries verify them. */
import { createHmac } from 'node:crypto'
import type { KeyHolder } from '../../../core/accounts/api-keys.ts'

export interface Message {
  /** The same whenever the same is told again. */
  id: string
  /** When it is sent. */
  at: Date
  body: string
}

/** 'whsec_' and base64: a key's own, for as long as SECRET_KEY stays. Kept nowhere. */
export function webhookSecret(secretKey: Buffer, { keyId, userId }: Pick<KeyHolder, 'keyId' | 'userId'>): string {
  return `whsec_${keyOf(secretKey, { keyId, userId }).toString('base64')}`
}

/** The headers that prove a message. */
export function signed(
  secretKey: Buffer,
  whose: Pick<KeyHolder, 'keyId' | 'userId'>,
  { id, at, body }: Message,
): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1000))
  const signature = createHmac('sha256', keyOf(secretKey, whose)).update(`${id}.${timestamp}.${body}`).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` }
}

function keyOf(secretKey: Buffer, { keyId, userId }: Pick<KeyHolder, 'keyId' | 'userId'>): Buffer {
  return createHmac('sha256', secretKey)
    .update(`webhook ${keyId ?? `operator ${userId}`}`)
    .digest()
}
