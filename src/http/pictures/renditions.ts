/** Caches pictures in another form, and limits how many are made at a time. */
import { createTurns, type TurnLimits } from '../../core/media/turns.ts'
import type { StoredObject } from '../../core/ports/storage.ts'

/**
 * `name` identifies the picture and its form. Resolves to undefined when there is no such picture. Rejects with AppError
 * overloaded.
 */
export type Renditions = (
  name: string,
  make: () => Promise<StoredObject | undefined>,
) => Promise<StoredObject | undefined>

interface Limits extends TurnLimits {
  /** Bytes that the cache may take. */
  bytes: number
  /** Milliseconds that a rendition is cached. Short, so that erased pictures disappear soon. */
  cacheMs: number
}

const defaultLimits: Limits = { bytes: 64 * 1024 * 1024, cacheMs: 5 * 60_000, atATime: 2, waiting: 100 }
/** Overhead of an entry, so that a million tiny ones count too. */
const entryBytes = 500

export function createRenditions(limits: Limits = defaultLimits): Renditions {
  const cache = createCache(limits)
  const inTurn = createTurns(limits)
  const making = new Map<string, Promise<StoredObject | undefined>>()

  async function make(name: string, work: () => Promise<StoredObject | undefined>) {
    try {
      const made = await inTurn(work)
      if (made) cache.add(name, made)
      return made
    } finally {
      making.delete(name)
    }
  }

  return async (name, work) => {
    const cached = cache.get(name)
    if (cached) return cached
    const made = making.get(name) ?? make(name, work)
    making.set(name, made)
    return made
  }
}

/** Evicts the least recently used entries first. */
function createCache({ bytes: maxBytes, cacheMs }: Limits) {
  const entries = new Map<string, { object: StoredObject; until: number }>()
  let bytes = 0
  const sizeOf = ({ data }: StoredObject) => data.length + entryBytes

  function remove(name: string): void {
    const entry = entries.get(name)
    if (entry) bytes -= sizeOf(entry.object)
    entries.delete(name)
  }

  return {
    get(name: string): StoredObject | undefined {
      const entry = entries.get(name)
      if (!entry) return undefined
      if (entry.until < performance.now()) {
        remove(name)
        return undefined
      }
      entries.delete(name)
      entries.set(name, entry)
      return entry.object
    },
    add(name: string, object: StoredObject): void {
      remove(name)
      entries.set(name, { object, until: performance.now() + cacheMs })
      bytes += sizeOf(object)
      for (const oldest of entries.keys()) {
        if (bytes <= maxBytes) break
        remove(oldest)
      }
    },
  }
}
