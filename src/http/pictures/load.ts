import { createTurns, type Turns } from '../../core/media/turns.ts'
import type { ObjectStore, StoredObject } from '../../core/ports/storage.ts'

type Store = Pick<ObjectStore, 'get'>

const loading = new WeakMap<Store, Turns>()

/** undefined: there is no such picture. */
export function loadPicture(store: Store, key: string): Promise<StoredObject | undefined> {
  const turns = loading.get(store) ?? createTurns({ atATime: 8, waiting: Number.POSITIVE_INFINITY })
  loading.set(store, turns)
  // whoever loads too many finds no room to send them
  return turns(() => store.get(key))
}
