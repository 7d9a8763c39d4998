import type { Json } from '../../db/json.ts'

/** Strings come first, so that digits inside them are left alone. */
const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g
const long = /^-?\d{16,}$/

/** Like JSON.parse, but whole numbers of 16 and more digits become strings. Throws SyntaxError. */
export function parseExactly(text: string): Json {
  return JSON.parse(text.replace(tokens, (token) => (long.test(token) ? `"${token}"` : token))) as Json
}
