/**
 * JSON of answers that carry pictures. Base64 has nothing to escape, so a megabyte of it is copied into place instead of
 * being looked through three times: as a value, as a string to measure, and as a string to send.
 */
import { randomUUID } from 'node:crypto'

/** Stands for a picture in base64: a string to whatever makes JSON of it. */
export interface Base64 {
  toJSON(): string
}

/** Nobody else writes this, so that nothing can be mistaken for a place to fill. */
const place = `<${randomUUID()}>`
/** What `toJson` meets while it runs, which nothing interrupts. */
let met: Buffer[] | undefined

export function base64(data: Buffer): Base64 {
  return {
    toJSON: () => {
      if (!met) return data.toString('base64')
      met.push(data)
      return place
    },
  }
}

/** Bytes where there are pictures in it, else text. */
export function toJson(value: unknown): string | Buffer {
  const pictures: Buffer[] = []
  let text: string
  met = pictures
  try {
    text = JSON.stringify(value)
  } finally {
    met = undefined
  }
  return pictures.length === 0 ? text : filled(text.split(place), pictures)
}

function filled(between: readonly string[], pictures: readonly Buffer[]): Buffer {
  const sizes = pictures.map(({ length }) => Math.ceil(length / 3) * 4)
  const bytes = [...between.map((text) => Buffer.byteLength(text)), ...sizes].reduce((sum, size) => sum + size, 0)
  const whole = Buffer.allocUnsafe(bytes)
  let at = 0
  for (const [n, text] of between.entries()) {
    at += whole.write(text, at)
    const picture = pictures[n]
    if (picture) at += whole.write(picture.toString('base64'), at, 'latin1')
  }
  return whole
}
