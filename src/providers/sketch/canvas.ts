/** A raw RGB canvas with gradients, ellipses, polygons and small letters. */
import { glyphs } from './font.ts'

export type Colour = readonly [red: number, green: number, blue: number]

export type Point = readonly [x: number, y: number]

/** Returns the next random number, from 0 to 1. */
export type Random = () => number

export interface Canvas {
  readonly width: number
  readonly height: number
  readonly pixels: Buffer
}

export function createCanvas(width: number, height: number): Canvas {
  return { width, height, pixels: Buffer.alloc(width * height * 3) }
}

export const mix = (a: Colour, b: Colour, share: number): Colour => [
  a[0] + (b[0] - a[0]) * share,
  a[1] + (b[1] - a[1]) * share,
  a[2] + (b[2] - a[2]) * share,
]

/** Fills the canvas with a gradient from top to bottom. */
export function gradient({ width, height, pixels }: Canvas, top: Colour, bottom: Colour): void {
  for (let y = 0; y < height; y++) {
    const [red, green, blue] = mix(top, bottom, y / height)
    for (let at = y * width * 3, end = at + width * 3; at < end; at += 3) {
      pixels[at] = red
      pixels[at + 1] = green
      pixels[at + 2] = blue
    }
  }
}

function blend({ width, height, pixels }: Canvas, x: number, y: number, colour: Colour, cover: number): void {
  if (x < 0 || y < 0 || x >= width || y >= height || cover <= 0) return
  const at = (y * width + x) * 3
  for (let channel = 0; channel < 3; channel++) {
    const old = pixels[at + channel] ?? 0
    pixels[at + channel] = old + ((colour[channel] ?? 0) - old) * Math.min(1, cover)
  }
}

export interface Ellipse {
  x: number
  y: number
  rx: number
  ry: number
}

export function ellipse(canvas: Canvas, { x, y, rx, ry }: Ellipse, colour: Colour, opacity = 1): void {
  const edge = Math.min(rx, ry)
  for (let row = Math.floor(y - ry - 1); row <= y + ry + 1; row++) {
    for (let column = Math.floor(x - rx - 1); column <= x + rx + 1; column++) {
      const distance = Math.hypot((column + 0.5 - x) / rx, (row + 0.5 - y) / ry)
      blend(canvas, column, row, colour, Math.max(0, Math.min(1, (1 - distance) * edge + 0.5)) * opacity)
    }
  }
}

/** Light that fades with the distance from its centre. */
export function glow(
  canvas: Canvas,
  { x, y, r }: { x: number; y: number; r: number },
  colour: Colour,
  opacity = 1,
): void {
  for (let row = Math.max(0, Math.floor(y - r)); row <= Math.min(canvas.height - 1, y + r); row++) {
    for (let column = Math.max(0, Math.floor(x - r)); column <= Math.min(canvas.width - 1, x + r); column++) {
      const near = 1 - ((column - x) ** 2 + (row - y) ** 2) / (r * r)
      if (near > 0) blend(canvas, column, row, colour, near * near * near * opacity)
    }
  }
}

export function rectangle(
  canvas: Canvas,
  { x, y, w, h }: { x: number; y: number; w: number; h: number },
  colour: Colour,
  opacity = 1,
): void {
  const corners = [
    [x, y],
    [x + w, y],
    [x + w, y + h],
    [x, y + h],
  ] as const
  polygon(canvas, corners, colour, opacity)
}

/** A line from one point to another, `thick` pixels wide. */
export function line(
  canvas: Canvas,
  [[x1, y1], [x2, y2]]: readonly [Point, Point],
  thick: number,
  colour: Colour,
  opacity = 1,
): void {
  const length = Math.hypot(x2 - x1, y2 - y1) || 1
  const [dx, dy] = [((y1 - y2) / length) * (thick / 2), ((x2 - x1) / length) * (thick / 2)]
  const corners = [
    [x1 + dx, y1 + dy],
    [x2 + dx, y2 + dy],
    [x2 - dx, y2 - dy],
    [x1 - dx, y1 - dy],
  ] as const
  polygon(canvas, corners, colour, opacity)
}

/** A filled polygon; four samples in each row smooth its edges. */
export function polygon(canvas: Canvas, points: readonly Point[], colour: Colour, opacity = 1): void {
  const ys = points.map(([, y]) => y)
  const [first, last] = [
    Math.max(0, Math.floor(Math.min(...ys))),
    Math.min(canvas.height - 1, Math.ceil(Math.max(...ys))),
  ]
  const xs = points.map(([x]) => x)
  const from = Math.max(0, Math.floor(Math.min(...xs)))
  const to = Math.min(canvas.width, Math.ceil(Math.max(...xs)) + 1)
  if (from >= to) return
  const samples = 4
  const cover = new Float32Array(canvas.width)
  for (let row = first; row <= last; row++) {
    cover.fill(0, from, to)
    for (let sample = 0; sample < samples; sample++)
      addSpans(cover, points, row + (sample + 0.5) / samples, opacity / samples)
    for (let column = from; column < to; column++) blend(canvas, column, row, colour, cover[column] ?? 0)
  }
}

function addSpans(cover: Float32Array, points: readonly Point[], y: number, share: number): void {
  const crossings: number[] = []
  for (const [index, [x1, y1]] of points.entries()) {
    const [x2, y2] = points[(index + 1) % points.length] ?? [x1, y1]
    if (y1 <= y !== y2 <= y) crossings.push(x1 + ((y - y1) / (y2 - y1)) * (x2 - x1))
  }
  crossings.sort((a, b) => a - b)
  for (let pair = 0; pair + 1 < crossings.length; pair += 2) {
    const [from, to] = [crossings[pair] ?? 0, crossings[pair + 1] ?? 0]
    for (let x = Math.max(0, Math.floor(from)); x < Math.min(cover.length, Math.ceil(to)); x++) {
      cover[x] = (cover[x] ?? 0) + share * (Math.min(to, x + 1) - Math.max(from, x))
    }
  }
}

/** Writes letters of 5 × 7 dots, each `size` pixels wide; unknown letters are blank. Returns the width in pixels. */
export function write(
  canvas: Canvas,
  text: string,
  at: { x: number; y: number; size: number },
  colour: Colour,
): number {
  let { x } = at
  for (const letter of text.toUpperCase()) {
    const rows = glyphs[letter]
    for (const [row, bits] of (rows ?? []).entries()) {
      for (let column = 0; column < 5; column++) {
        if (!((bits >> (4 - column)) & 1)) continue
        for (let dot = 0; dot < at.size * at.size; dot++) {
          const [dx, dy] = [dot % at.size, Math.floor(dot / at.size)]
          blend(canvas, x + column * at.size + dx, at.y + row * at.size + dy, colour, 1)
        }
      }
    }
    x += 6 * at.size
  }
  return x - at.x
}
