/** Conversations that a surface itself keeps. */
export interface Conversations {
  /**
   * What these identities wrote, in pieces: it may be too long to be in memory at once. Answers are left out: they may hold an API key or a
   * link that signs in.
   */
  read(identities: readonly string[]): AsyncIterable<WrittenMessage>
  /** Deletes them, with the answers. */
  forget(identities: readonly string[]): Promise<void>
}

export interface WrittenMessage {
  text: string
  /** What the person chose beside the text. */
  options: Readonly<Record<string, string | number | boolean>> | null
  /** Names of the files that the person attached. */
  files: readonly string[] | null
  createdAt: Date
}
