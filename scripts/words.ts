/** Finds words that hide who acts, or that read like a translation. Name the process, user or caller instead. */

const words = [
  'nobody',
  'somebody',
  'everybody',
  'anybody',
  'whoever',
  'whatever',
  'wherever',
  'of whom',
  'to whom',
  '(?:is|was|be|are) told',
  'in so many words',
  'any more',
]

/** Also matches a phrase that continues on the next line. */
const pattern = new RegExp(`\\b(?:${words.join('|').replaceAll(' ', '\\s+')})\\b`, 'gi')

/** Matches all that `pattern` can match once escapes are blanked, so that it works on unparsed source. */
const loosePattern = new RegExp(words.join('|').replaceAll(' ', '(?:\\s|\\\\.)+'), 'i')

export interface Found {
  word: string
  /** Newlines in the text before the word. */
  newlines: number
}

export function findWords(text: string): Found[] {
  return [...text.matchAll(pattern)].map(({ 0: word, index }) => ({
    word: word.replace(/\s+/g, ' '),
    newlines: text.slice(0, index).split('\n').length - 1,
  }))
}

/** Whether a source may have a listed word in a literal; saves the time to build its syntax tree. */
export function mayHaveWords(source: string): boolean {
  return loosePattern.test(source)
}
