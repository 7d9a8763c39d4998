/** What a key of the object store looks like: nothing in it leads out of a folder or needs escaping in a URL. */
import { AppError } from '../core/errors.ts'

const form = /^(image|input)(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+\.(png|jpg|webp)$/

export function checkKey(key: string): string {
  if (!form.test(key)) throw new AppError('internal', {}, { cause: new Error('not a key of the store') })
  return key
}
