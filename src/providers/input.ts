/** Turns the input from a route into the JSON that the provider receives. */
import type { Task } from '../core/ports/providers.ts'
import type { Json } from '../db/json.ts'

/** Replaces each `{ $image: n }` by what `place` returns for input picture n. */
export function placeImages(input: Json, place: (image: number) => Json): Json {
  if (Array.isArray(input)) return input.map((item) => placeImages(item, place))
  if (input === null || typeof input !== 'object') return input
  if (typeof input.$image === 'number') return place(input.$image)
  return Object.fromEntries(Object.entries(input).map(([name, value]) => [name, placeImages(value, place)]))
}

/** The task's input with a link for each picture that has one, and a data: URL for each that has none. */
export function withImageUrls(task: Task): Json {
  return placeImages(task.input, (image) => {
    const file = task.images[image]
    const url = task.imageUrls?.[image]
    if (url !== undefined || !file) return url ?? null
    return `data:${file.type};base64,${file.data.toString('base64')}`
  })
}

/** Like JSON.stringify, but writes `{ $integer: '17454220438242315174' }` as the bare number. */
export function toJson(value: Json): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(toJson).join(',')}]`
  if (typeof value.$integer === 'string') return BigInt(value.$integer).toString()
  return `{${Object.entries(value)
    .map(([name, item]) => `${JSON.stringify(name)}:${toJson(item)}`)
    .join(',')}}`
}
