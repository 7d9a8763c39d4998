/**
 * Encrypts secrets for the database: AES-256-GCM with a key derived from SECRET_KEY. The id of that key and the id of the row
 * are authenticated with the value, so that it can be decrypted in its own row only.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'

/** Returns 'v1.<key id>.<nonce>.<tag>.<data>'. */
export function seal(secretKey: Buffer, rowId: string, text: string): string {
  const { key, keyId } = sealingKey(secretKey)
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(`${keyId}\n${rowId}`))
  const data = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return ['v1', keyId, ...[nonce, cipher.getAuthTag(), data].map((part) => part.toString('base64url'))].join('.')
}

/** undefined: the value was sealed with another SECRET_KEY or for another row, or it was altered. */
export function unseal(secretKey: Buffer, rowId: string, sealed: string): string | undefined {
  const [version, keyId, ...parts] = sealed.split('.')
  const [nonce, tag, data] = parts.map((part) => Buffer.from(part, 'base64url'))
  const own = sealingKey(secretKey)
  if (version !== 'v1' || keyId !== own.keyId || nonce?.length !== 12 || tag?.length !== 16 || !data) return undefined
  try {
    const decipher = createDecipheriv('aes-256-gcm', own.key, nonce, { authTagLength: 16 })
    decipher.setAAD(Buffer.from(`${keyId}\n${rowId}`)).setAuthTag(tag)
    return Buffer.concat([decipher.update(data), decipher.final()]).toString('utf8')
  } catch {
    return undefined
  }
}

/** Names the SECRET_KEY that a value was sealed with. It is no secret. */
export const keyIdOf = (sealed: string): string => sealed.split('.')[1] ?? ''

function sealingKey(secretKey: Buffer): { key: Buffer; keyId: string } {
  const key = Buffer.from(hkdfSync('sha256', secretKey, 'fluxbot', 'stored provider keys', 32))
  return { key, keyId: createHash('sha256').update(key).digest('hex').slice(0, 8) }
}
