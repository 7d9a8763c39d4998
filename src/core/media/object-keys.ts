/**
 * Names of objects in the store: 'image/<generation>/<position>-<secret>.png'. The secret makes them unguessable; it is
 * derived, so a repeated step overwrites its object instead of leaving a second one, and keys are known without a row.
 */
import { createHmac } from 'node:crypto'
import { AppError } from '../errors.ts'

interface Signer {
  secretKey: Buffer
}

/** `id`: of the generation or upload. `type`: a media type. */
export const inputKey = (signer: Signer, id: string, position: number, type: string) =>
  objectKey(signer, `input/${id}/${position}`, type)

export const maskKey = (signer: Signer, id: string, type: string) => objectKey(signer, `input/${id}/mask`, type)

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

/** No valid key leads out of a folder or needs escaping in a URL. */
const keyPattern = /^(image|input)(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+\.(png|jpg|webp)$/

/** Returns a valid key; throws AppError internal for any other. */
export function checkKey(key: string): string {
  if (!keyPattern.test(key)) throw new AppError('internal', {}, { cause: new Error('not a valid object key') })
  return key
}

/** 'image/jpeg' → 'jpg'. */
export const extensionOf = (type: string) => type.replace('image/', '').replace('jpeg', 'jpg')

function objectKey({ secretKey }: Signer, name: string, type: string): string {
  const secret = createHmac('sha256', secretKey).update(name).digest('base64url').slice(0, 22)
  return `${name}-${secret}.${extensionOf(type)}`
}
