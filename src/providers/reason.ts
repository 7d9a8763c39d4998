/** Error messages of providers, cleaned so that a person may see them. */

const limit = 300

/**
 * The message without request ids, addresses (which may be signed), base64 pictures and keys: those that look like one,
 * and `key` itself. undefined: nothing is left.
 */
export function readableReason(message: string | undefined, key?: string): string | undefined {
  let reason = message ?? ''
  if (key) reason = reason.replaceAll(key, '…')
  reason = reason
    .replace(/\bdata:image\/\S+/gi, '…')
    .replace(/\bhttps?:\/\/\S+/gi, '…')
    .replace(/\b(sk|ark)-[\w*-]{4,}/gi, '…')
    .replace(/[\s,;.(]*request[ _]?id\s*[:=].*$/is, '')
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim()
  return reason === '' ? undefined : reason.slice(0, limit)
}
