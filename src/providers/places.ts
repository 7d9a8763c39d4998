/** Fields in the answer of a provider, found by a path such as 'images[].url'. */
import type { Json } from '../db/json.ts'

/** Values to read at most: answers are untrusted. */
const maxValues = 100

/** All values at the path, in order. '[]' after a name stands for every item of the list there. */
export function valuesAt(answer: Json, path: string): Json[] {
  let found: Json[] = [answer]
  for (const step of path.split('.')) {
    const name = step.replace(/(\[\])+$/, '')
    const lists = (step.length - name.length) / 2
    found = found.flatMap((value) => (name === '' ? [value] : fieldOf(value, name)))
    for (let level = 0; level < lists; level++) found = found.flatMap((value) => (Array.isArray(value) ? value : []))
    found = found.slice(0, maxValues)
  }
  return found
}

/** Texts at the path. An empty one stands for an absent one. */
export const textsAt = (answer: Json, path: string): string[] =>
  valuesAt(answer, path).filter((value): value is string => typeof value === 'string' && value.trim() !== '')

function fieldOf(value: Json, name: string): Json[] {
  if (value === null || typeof value !== 'object' || Array.isArray(value) || !Object.hasOwn(value, name)) return []
  const field = value[name]
  return field === undefined ? [] : [field]
}
