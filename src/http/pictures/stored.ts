/** Loads pictures from the store, whole or as thumbnails, within limits that hold for the whole process. */
import { z } from 'zod'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import { loadThumbnail, thumbnailEdge } from '../../core/media/thumbnails.ts'
import { createTurns } from '../../core/media/turns.ts'
import type { StoredObject } from '../../core/ports/storage.ts'
import { createRenditions, type Renditions } from './renditions.ts'

export interface StoredPictures {
  /** Resolves to undefined when the store has no such picture. */
  load(key: string): Promise<StoredObject | undefined>
  /** `width`: as requested; it is rounded up to one of a few sizes, so that caches stay small and hits are likely. */
  thumbnail(key: string, width: number): Thumbnail
  /** Other forms of stored pictures, cached for a while. */
  renditions: Renditions
}

export interface Thumbnail {
  /** Pixels of the longer side, unless the picture is smaller. */
  edge: number
  /** Resolves to undefined when the store has no such picture. Rejects with AppError overloaded. */
  load(): Promise<StoredObject | undefined>
}

const edges = [64, 128, 256, 512, 1024, 2048] as const
const [minWidth, maxWidth] = [16, 2048]
/** Pictures being loaded at a time. The rest waits without a limit, because `sending` limits what clients load. */
const loadsAtATime = 8

const widthRule = `must be a whole number from ${minWidth} to ${maxWidth}`

/** The query parameter `w`. */
export const widthParam = z.coerce
  .number(widthRule)
  .int(widthRule)
  .min(minWidth, widthRule)
  .max(maxWidth, widthRule)
  .optional()
  .describe(`Returns a WebP whose longer side has about so many pixels, rounded up to one of ${edges.join(', ')}.`)

type Parts = Pick<Core, 'database' | 'store' | 'images' | 'secretKey' | 'thumbnailTurns' | 'log'>

export function createStoredPictures(core: Parts): StoredPictures {
  const { store, images } = core
  const loads = createTurns({ atATime: loadsAtATime, waiting: Number.POSITIVE_INFINITY })
  const renditions = createRenditions()

  async function shrink(key: string, edge: number): Promise<StoredObject | undefined> {
    const small = edge <= thumbnailEdge ? await loadThumbnail(core, key).catch(rejectUnmade) : undefined
    if (small && edge === thumbnailEdge) return small
    const original = small ?? (await store.get(key))
    return original && images.thumbnail(original, edge).catch(rejectStored)
  }

  return {
    load: (key) => loads(() => store.get(key)),
    thumbnail: (key, width) => {
      const edge = edges.find((each) => each >= width) ?? maxWidth
      return { edge, load: () => renditions(`${edge} ${key}`, () => shrink(key, edge)) }
    },
    renditions,
  }
}

function rejectUnmade(error: unknown): never {
  if (error instanceof AppError && error.kind === 'bad_result') rejectStored(error)
  throw error
}

/** Pictures were checked before they were stored: one that cannot be read is a defect of ours, not of the image service. */
export function rejectStored(error: unknown): never {
  throw new AppError('internal', {}, { cause: error })
}
