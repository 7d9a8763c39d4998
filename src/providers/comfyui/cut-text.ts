/**
 * Cuts a prompt to the length that a text encoder can process. Without a tokenizer, lengths are estimated, rather too
 * long than too short: a cut made here is reported to the person, one made by the encoder is not.
 */

/** Ideographs and syllables stand alone; letters and marks form words; each digit and sign counts. */
const piece = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}]|[\p{L}\p{M}]+|\p{N}|[^\s\p{L}\p{M}\p{N}]/gu
const standsAlone = /^[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}]$/u
/** Tokens that mark start and end. */
const markerTokens = 2

/** Cuts between words where it can. `tokens`: the encoder's limit, including its start and end markers. */
export function cutText(text: string, tokens: number): { text: string; cut: boolean } {
  let left = tokens - markerTokens
  let boundary = 0
  for (const match of text.matchAll(piece)) {
    const [word] = match
    if (match.index > 0 && startsWord(text, match.index, word)) boundary = match.index
    left -= tokensIn(word)
    if (left >= 0) continue
    // a single endless word has no boundary
    const at = boundary > 0 ? boundary : match.index + Math.max(0, word.length + left * charactersPerToken(word))
    return { text: text.slice(0, withoutHalf(text, at)).trimEnd(), cut: true }
  }
  return { text, cut: false }
}

/** Moves a cut between the two halves of a surrogate pair to before the pair. */
function withoutHalf(text: string, at: number): number {
  return /[\uDC00-\uDFFF]/.test(text[at] ?? '') ? at - 1 : at
}

function startsWord(text: string, at: number, word: string): boolean {
  return /\s/.test(text[at - 1] ?? '') || standsAlone.test(word) || standsAlone.test(text[at - 1] ?? '')
}

function tokensIn(word: string): number {
  return standsAlone.test(word) ? 1 : Math.ceil(word.length / charactersPerToken(word))
}

function charactersPerToken(word: string): number {
  return /^\p{ASCII}+$/u.test(word) ? 4 : 2
}
