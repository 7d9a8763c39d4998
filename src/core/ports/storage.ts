/** Where pictures are kept. */

export interface StoredObject {
  data: Buffer
  type: string
}

export interface ObjectStore {
  /** Whether links can be opened from outside this machine and its network. */
  readonly reachable: boolean
  /** Overwrites. Keys look like 'image/<id>/<n>-<random>.png'. */
  put(key: string, body: Buffer, type: string): Promise<void>
  /** undefined when there is no such object. */
  get(key: string): Promise<StoredObject | undefined>
  /** An address that anybody may open until it expires. */
  link(key: string, ttlSeconds: number): Promise<string>
  /** Deleting what is not there is no error. */
  delete(key: string): Promise<void>
}
