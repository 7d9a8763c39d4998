/** A contact sheet: small pictures in rows, in reading order, each with its number. */
import sharp, { type OverlayOptions } from 'sharp'
import type { ImageFile } from '../core/ports/images.ts'

/** Side of a cell and gap between cells, in pixels. */
export const cellEdge = 256
const gap = 8
const mostColumns = 3

const paper = { r: 24, g: 26, b: 30 }
const empty = { r: 46, g: 49, b: 56 }

/** Digits of 3 × 5 dots. Each number is a row of three bits, the highest bit on the left. */
const digits: Readonly<Record<string, readonly number[]>> = {
  0: [7, 5, 5, 5, 7],
  1: [2, 6, 2, 2, 7],
  2: [7, 1, 7, 4, 7],
  3: [7, 1, 7, 1, 7],
  4: [5, 5, 7, 1, 1],
  5: [7, 4, 7, 1, 7],
  6: [7, 4, 7, 5, 7],
  7: [7, 1, 2, 2, 2],
  8: [7, 5, 7, 5, 7],
  9: [7, 5, 7, 1, 7],
}
/** Pixels on each side of a dot. */
const dot = 6

/** `shrink`: makes the longer side at most `cellEdge`. */
export async function sheet(
  cells: readonly (Buffer | undefined)[],
  shrink: (bytes: Buffer) => Promise<ImageFile>,
): Promise<ImageFile> {
  const columns = Math.min(mostColumns, cells.length)
  const rows = Math.ceil(cells.length / columns)
  const [width, height] = [columns, rows].map((count) => count * (cellEdge + gap) + gap) as [number, number]
  const layers: OverlayOptions[] = []
  for (const [index, cell] of cells.entries()) {
    const left = gap + (index % columns) * (cellEdge + gap)
    const top = gap + Math.floor(index / columns) * (cellEdge + gap)
    layers.push({ input: { create: { width: cellEdge, height: cellEdge, channels: 3, background: empty } }, left, top })
    if (cell) layers.push(centred(await shrink(cell), left, top))
    layers.push({ ...badge(index + 1), left, top })
  }
  const canvas = sharp({ create: { width, height, channels: 3, background: paper } })
  const data = await canvas.composite(layers).jpeg({ quality: 85 }).toBuffer()
  return { data, type: 'image/jpeg', width, height }
}

const centred = ({ data, width, height }: ImageFile, left: number, top: number): OverlayOptions => ({
  input: data,
  left: left + Math.floor((cellEdge - width) / 2),
  top: top + Math.floor((cellEdge - height) / 2),
})

/** Draws the number in white dots on a dark box. */
function badge(number: number): OverlayOptions {
  const text = [...String(number)].map((digit) => digits[digit] ?? [])
  const [columns, rows] = [text.length * 4 + 1, 7]
  const [width, height] = [columns * dot, rows * dot]
  const data = Buffer.alloc(width * height * 4)
  for (let at = 0; at < width * height; at++) {
    const [x, y] = [Math.floor((at % width) / dot) - 1, Math.floor(at / width / dot) - 1]
    const isDot = ((text[Math.floor(x / 4)]?.[y] ?? 0) & (4 >> (x % 4))) !== 0 && x >= 0 && x % 4 < 3
    data.set(isDot ? [255, 255, 255, 255] : [0, 0, 0, 170], at * 4)
  }
  return { input: data, raw: { width, height, channels: 4 } }
}
