/** The object store, which holds all pictures. */

export interface StoredObject {
  data: Buffer
  type: string
}

export interface ObjectStore {
  /** Whether links can be opened from outside this machine and its network. */
  readonly reachable: boolean
  /** Overwrites an existing object. Keys look like 'image/<id>/<n>-<random>.png'. */
  put(key: string, body: Buffer, type: string): Promise<void>
  /** Resolves to undefined when there is no such object. */
  get(key: string): Promise<StoredObject | undefined>
  /** A signed URL that works without any other credentials until it expires. */
  link(key: string, ttlSeconds: number): Promise<string>
  /** Deleting a missing object is no error. */
  delete(key: string): Promise<void>
}
