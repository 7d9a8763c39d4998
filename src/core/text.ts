/** Cleans text that people send, so that it is safe to show and to search. */

/** Control characters, lone surrogates, and marks that reorder or hide text. Joiners stay: emoji and scripts need them. */
const hidden = /[\p{Cc}\p{Cs}\p{Bidi_Control}\u00AD\u180E\u200B\u2028\u2029\u2060-\u206F\uFEFF\uFFF9-\uFFFB]/gu

/** Removes hidden characters, folds white space to single spaces and composes the text (Unicode NFC). */
export function cleanText(text: string): string {
  return text.replace(hidden, ' ').replace(/\s+/gu, ' ').trim().normalize('NFC')
}

/** Cuts to at most `limit` code points, so that no emoji is cut in half. An ellipsis marks the cut. */
export function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text
  const characters = [...text]
  if (characters.length <= limit) return text
  return `${characters
    .slice(0, limit - 1)
    .join('')
    .trimEnd()}…`
}
