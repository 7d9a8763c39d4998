import { createTurns, type TurnLimits } from '../../core/media/turns.ts'
import type { ImageTools } from '../../core/ports/images.ts'
import type { StoredObject } from '../../core/ports/storage.ts'

/** `name` stands for the picture and its form. undefined: there is no such picture. Rejects with AppError overloaded. */
export type Renditions = (
  name: string,
  make: () => Promise<StoredObject | undefined>,
) => Promise<StoredObject | undefined>

interface Limits extends TurnLimits {
  /** Of what is kept. */
  bytes: number
  /** Not longer, so that pictures that were erased are soon gone from here too. */
  keepMs: number
}

const usual: Limits = { bytes: 64 * 1024 * 1024, keepMs: 5 * 60_000, atATime: 2, waiting: 100 }
/** What keeping one costs besides its bytes, so that a million tiny ones count too. */
const entryBytes = 500

const known = new WeakMap<ImageTools, Renditions>()

/** One for all who work with the same tools, so that the limits hold for all of them together. */
export function renditionsOf(images: ImageTools): Renditions {
  const renditions = known.get(images) ?? createRenditions()
  known.set(images, renditions)
  return renditions
}

export function createRenditions(limits: Limits = usual): Renditions {
  const kept = createKept(limits)
  const inTurn = createTurns(limits)
  const making = new Map<string, Promise<StoredObject | undefined>>()

  async function make(name: string, work: () => Promise<StoredObject | undefined>) {
    try {
      const made = await inTurn(work)
      if (made) kept.add(name, made)
      return made
    } finally {
      making.delete(name)
    }
  }

  return async (name, work) => {
    const before = kept.get(name)
    if (before) return before
    const made = making.get(name) ?? make(name, work)
    making.set(name, made)
    return made
  }
}

/** Those used longest ago go first. */
function createKept({ bytes: mostBytes, keepMs }: Limits) {
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
      entries.set(name, { object, until: performance.now() + keepMs })
      bytes += sizeOf(object)
      for (const oldest of entries.keys()) {
        if (bytes <= mostBytes) break
        remove(oldest)
      }
    },
  }
}
