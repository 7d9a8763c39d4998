/**
 * Names of objects in the store: 'image/<generation>/<position>-<secret>.png'. The secret makes them unguessable; it is
 * derived, so a repeated step overwrites its object instead of leaving a second one, and keys are known without a row.
 */
import { createHmac } from 'node:crypto'

interface Signer {
  secretKey: Buffer
}

/** `id`: of the generation or upload. `type`: a media type. */
export const inputKey = (signer: Signer, id: string, position: number, type: string) =>
  objectKey(signer, `input/${id}/${position}`, type)

export const outputKey = (signer: Signer, id: string, position: number, type: string) =>
  objectKey(signer, `image/${id}/${position}`, type)

export const thumbnailKey = (signer: Signer, id: string, position: number) =>
  objectKey(signer, `image/${id}/${position}-small`, 'image/webp')

/** undefined: the key is not that of an output picture. */
export function thumbnailKeyOf(signer: Signer, key: string): string | undefined {
  const [, id, position] = /^image\/([0-9a-f-]{36})\/(\d{1,3})-[\w-]{22}\.[a-z]+$/.exec(key) ?? []
  return id === undefined ? undefined : thumbnailKey(signer, id, Number(position))
}

/** Every key that a generation of so many pictures may have stored outputs under, recorded or not. */
export function possibleOutputKeys(signer: Signer, id: string, pictures: number): string[] {
  return Array.from({ length: pictures }, (_, position) => [
    thumbnailKey(signer, id, position),
    ...['image/png', 'image/jpeg', 'image/webp'].map((type) => outputKey(signer, id, position, type)),
  ]).flat()
}

/** 'image/jpeg' → 'jpg'. */
export const extensionOf = (type: string) => type.replace('image/', '').replace('jpeg', 'jpg')

function objectKey({ secretKey }: Signer, name: string, type: string): string {
  const secret = createHmac('sha256', secretKey).update(name).digest('base64url').slice(0, 22)
  return `${name}-${secret}.${extensionOf(type)}`
}
