/** Helpers for `Route.input`: the parameters that a provider is sent. */
import type { BigInteger } from '../../core/ports/models.ts'
import type { Json } from '../../db/json.ts'

/** Leaves out the entries that are undefined. */
export function defined(input: Readonly<Record<string, Json | undefined>>): { [key: string]: Json } {
  return Object.fromEntries(
    Object.entries(input).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

/** A number where JSON holds the seed exactly, otherwise its digits marked as a number. */
export function seedNumber(seed: string | undefined): number | BigInteger | undefined {
  if (seed === undefined) return undefined
  return Number.isSafeInteger(Number(seed)) ? Number(seed) : { $integer: seed }
}
