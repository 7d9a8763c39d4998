/** JSON in which whole numbers beyond 2^53 stay exact: they are marked strings while the emulator handles them. */
import { z } from 'zod'

const mark = '@integer:'

export const Seed = z.union([z.int(), z.string().startsWith(mark)])

export function parseMarked(text: string): unknown {
  const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g
  return JSON.parse(text.replace(tokens, (token) => (/^-?\d{16,}$/.test(token) ? `"${mark}${token}"` : token)))
}

export function marked(integer: bigint): string {
  return `${mark}${integer}`
}

export function stringifyMarked(value: unknown): string {
  return JSON.stringify(value).replace(new RegExp(`"${mark}(-?\\d+)"`, 'g'), '$1')
}
