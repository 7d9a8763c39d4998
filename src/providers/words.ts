/** A provider's own words, made fit for a person's eyes. */

const limit = 300

/** Without request ids, addresses (they may be signed), pictures in base64 and keys. undefined: nothing is left. */
export function reasonOf(message: string | undefined, key?: string): string | undefined {
  let words = message ?? ''
  if (key) words = words.replaceAll(key, '…')
  words = words
    .replace(/\bdata:image\/\S+/gi, '…')
    .replace(/\bhttps?:\/\/\S+/gi, '…')
    .replace(/\b(sk|ark)-[\w*-]{4,}/gi, '…')
    .replace(/[\s,;.(]*request[ _]?id\s*[:=].*$/is, '')
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim()
  return words === '' ? undefined : words.slice(0, limit)
}
