/** Text that people send us, made harmless to show and to search. */

/** Control characters, lone surrogates, and marks that reorder or hide text. Joiners stay: emoji and scripts need them. */
const hidden = /[\p{Cc}\p{Cs}\p{Bidi_Control}\u00AD\u180E\u200B\u2028\u2029\u2060-\u206F\uFEFF\uFFF9-\uFFFB]/gu

/** Without hidden characters and lone surrogates, white space folded to single spaces, in Unicode's composed form. */
export function cleanText(text: string): string {
  return text.replace(hidden, ' ').replace(/\s+/gu, ' ').trim().normalize('NFC')
}

/** At most `limit` characters as a person counts them, with an ellipsis where it was cut. */
export function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text
  const letters = [...text]
  return letters.length <= limit
    ? text
    : `${letters
        .slice(0, limit - 1)
        .join('')
        .trimEnd()}…`
}
