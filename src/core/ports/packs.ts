/** Packs in the database, which all processes share. Packs in files are not among them. */
export interface PackStore {
  /** In alphabetical order of their ids. */
  list(): Promise<StoredPack[]>
  /**
   * Checks a pack and stores it, in place of an earlier one of the same id. The model is known here at once, and to other processes
   * within seconds. `text`: JSON. `actor`: for the audit log.
   */
  store(text: string, actor: string): Promise<{ id: string } | { mistakes: readonly string[] }>
  /** false: there is none. */
  remove(id: string, actor: string): Promise<boolean>
}

export interface StoredPack {
  /** Of its model. */
  id: string
  /** JSON, as it was stored. */
  text: string
}
