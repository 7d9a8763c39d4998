/**
 * Words that fit an encoder. No tokenizer is at hand, so lengths are estimated, rather too long than too short: what is
 * cut here is named to the person, what an encoder drops is not.
 */

/** Ideographs and syllables stand alone; letters and marks make words; digits and signs count each. */
const piece = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}]|[\p{L}\p{M}]+|\p{N}|[^\s\p{L}\p{M}\p{N}]/gu
const alone = /^[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}]$/u
/** Start and end. */
const frame = 2

/** Cut between words where there are any. */
export function cutText(text: string, tokens: number): { text: string; cut: boolean } {
  let left = tokens - frame
  let boundary = 0
  for (const match of text.matchAll(piece)) {
    const [word] = match
    if (match.index > 0 && startsWord(text, match.index, word)) boundary = match.index
    left -= costOf(word)
    if (left >= 0) continue
    // one endless word has no boundary
    const at = boundary > 0 ? boundary : match.index + Math.max(0, word.length + left * charactersOf(word))
    return { text: text.slice(0, wholeAt(text, at)).trimEnd(), cut: true }
  }
  return { text, cut: false }
}

/** Not between the halves of a character. */
function wholeAt(text: string, at: number): number {
  return /[\uDC00-\uDFFF]/.test(text[at] ?? '') ? at - 1 : at
}

function startsWord(text: string, at: number, word: string): boolean {
  return /\s/.test(text[at - 1] ?? '') || alone.test(word) || alone.test(text[at - 1] ?? '')
}

function costOf(word: string): number {
  return alone.test(word) ? 1 : Math.ceil(word.length / charactersOf(word))
}

/** For one token. */
function charactersOf(word: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what is meant
  return /^[\x00-\x7f]+$/.test(word) ? 4 : 2
}
