/** Lists every mistake in a pack, each with its place and its cure. */
export class PackError extends Error {
  readonly mistakes: readonly string[]
  constructor(mistakes: readonly string[]) {
    super(mistakes.join('; '))
    this.name = 'PackError'
    this.mistakes = mistakes
  }
}
