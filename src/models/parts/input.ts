import type { BigInteger } from '../../core/ports/models.ts'
import type { Json } from '../../db/json.ts'

/** The entries that have a value. */
export function given(input: Readonly<Record<string, Json | undefined>>): { [key: string]: Json } {
  return Object.fromEntries(
    Object.entries(input).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

/** A seed as the number that JSON can hold, or marked as one that it cannot. */
export function seedNumber(seed: string | undefined): number | BigInteger | undefined {
  if (seed === undefined) return undefined
  return Number.isSafeInteger(Number(seed)) ? Number(seed) : { $integer: seed }
}
