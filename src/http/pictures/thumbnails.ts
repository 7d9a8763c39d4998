/** `?w=`: small pictures of those in the store. In a few sizes only, so that caches stay small and hits are likely. */
import { z } from 'zod'
import type { Core } from '../../core/core.ts'
import { thumbnailKeyOf } from '../../core/media/object-keys.ts'
import type { StoredObject } from '../../core/ports/storage.ts'
import { renditionsOf } from './renditions.ts'

export interface Thumbnail {
  /** Pixels on its longer side, unless the picture is smaller. */
  edge: number
  /** undefined: there is no such picture. Rejects with AppError overloaded. */
  load(): Promise<StoredObject | undefined>
}

/** Of the picture under that key; `width` as it was asked for. */
export type Thumbnails = (key: string, width: number) => Thumbnail

const edges = [64, 128, 256, 512, 1024, 2048] as const
const [least, most] = [16, 2048]
/** Of the small picture that is stored beside each one drawn. */
const storedEdge = 512

const widthWords = `must be a whole number from ${least} to ${most}`

export const widthParam = z.coerce
  .number(widthWords)
  .int(widthWords)
  .min(least, widthWords)
  .max(most, widthWords)
  .optional()
  .describe(`A WebP of at most about so many pixels on its longer side, rounded up to one of ${edges.join(', ')}.`)

export function createThumbnails(core: Core): Thumbnails {
  const { store, images } = core
  const renditions = renditionsOf(images)

  async function make(key: string, edge: number): Promise<StoredObject | undefined> {
    const stored = edge <= storedEdge ? thumbnailKeyOf(core, key) : undefined
    const small = stored === undefined ? undefined : await store.get(stored)
    if (small && edge === storedEdge) return small
    const original = small ?? (await store.get(key))
    return original && images.thumbnail(original, edge)
  }

  return (key, width) => {
    const edge = edges.find((each) => each >= width) ?? most
    return { edge, load: () => renditions(`${edge} ${key}`, () => make(key, edge)) }
  }
}
