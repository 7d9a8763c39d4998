/**
 * The same text in ASCII signs: what keyboards write in many ways becomes one. It has the length of the text, so an index into
 * one is an index into the other.
 */
export function plainSigns(text: string): string {
  return text
    .replace(/[\uFF01-\uFF5E]/g, (sign) => String.fromCharCode(sign.charCodeAt(0) - 0xfee0))
    .replace(/[\u0660-\u0669\u06F0-\u06F9]/g, (digit) => String(digit.charCodeAt(0) % 16))
    .replace(/[\u2236\uFE13\uFE30\uFE55\uA789\u02D0\u02F8]/g, ':')
    .replace(/[\u00D7\u2715\u2716\u2A2F\u0445\u0425]/g, (sign) => (/\p{L}/u.test(sign) ? sign : 'x'))
    .replace(/[\u2010\u2011\u2043\u02D7\u2212\uFE63]/g, '-')
}

/** Signs that keyboards turn two hyphens into. Chinese and Japanese write two of them for one. */
export const longDash = '[\u2012-\u2015\u2E3A\u2E3B\uFE58\u2500\u2501]'
/** In plain signs. */
export const anyDash = '[-\u2012-\u2015\u2E3A\u2E3B\uFE58\u2500\u2501\u30FC]'
