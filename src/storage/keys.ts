/** The form of object keys. No valid key leads out of a folder or needs escaping in a URL. */
import { AppError } from '../core/errors.ts'

const keyPattern = /^(image|input)(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+\.(png|jpg|webp)$/

/** Returns a valid key; throws AppError internal for any other. */
export function checkKey(key: string): string {
  if (!keyPattern.test(key)) throw new AppError('internal', {}, { cause: new Error('not a valid object key') })
  return key
}
