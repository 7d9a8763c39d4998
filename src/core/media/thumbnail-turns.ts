/** Limits how many thumbnails one process makes on request. */
import type { StoredObject } from '../ports/storage.ts'
import { createTurns } from './turns.ts'

/** Makes each thumbnail once at a time, and limits how many are made. Rejects with AppError overloaded when too many wait. */
export type ThumbnailTurns = (
  key: string,
  make: () => Promise<StoredObject | undefined>,
) => Promise<StoredObject | undefined>

/** One at a time, so that results always find a turn to be decoded (turns.ts). */
const defaultLimits = { atATime: 1, waiting: 100 }

export function createThumbnailTurns(limits = defaultLimits): ThumbnailTurns {
  const inTurn = createTurns(limits)
  const making = new Map<string, Promise<StoredObject | undefined>>()
  return (key, make) => {
    const made = making.get(key) ?? inTurn(make).finally(() => making.delete(key))
    making.set(key, made)
    return made
  }
}
