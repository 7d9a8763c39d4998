/**
 * Enlarges a picture with a Lanczos filter of three lobes. libvips always enlarges with a bicubic filter, which is softer,
 * whichever filter it is given. The work runs on this thread in slices, so that timers and sockets are served in between.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'

/** `data`: row by row, `channels` bytes for each pixel. The fourth channel is alpha. */
export interface Pixels {
  data: Uint8Array
  width: number
  height: number
  channels: 1 | 2 | 3 | 4
}

const lobes = 3
/** Source pixels on each axis that contribute to one new pixel. */
const taps = 2 * lobes + 1
const sliceMs = 4

export async function enlarge(
  source: Pixels,
  { scale, signal }: { scale: number; signal?: AbortSignal },
): Promise<Pixels> {
  const { width, height, channels } = source
  const filters = filtersFor(scale)
  const length = width * scale * channels
  const data = new Uint8Array(length * height * scale)
  // source rows that are already widened; `taps` of them, around a row of the source, make `scale` rows of the result
  const wide = Array.from({ length: taps }, () => new Float32Array(length))
  const rowAt = (y: number) => wide[clampTo(y, height) % taps] as Float32Array
  for (let y = 0; y < lobes; y++) if (y < height) widen(source, y, { filters, into: rowAt(y) })
  let sliceEnds = performance.now() + sliceMs
  for (let y = 0; y < height; y++) {
    if (y + lobes < height) widen(source, y + lobes, { filters, into: rowAt(y + lobes) })
    const rows = Array.from({ length: taps }, (_, tap) => rowAt(y + tap - lobes))
    for (const [phase, filter] of filters.entries()) {
      const from = (y * scale + phase) * length
      mix(rows, filter, data.subarray(from, from + length), channels === 4)
    }
    if (performance.now() < sliceEnds) continue
    await nextTurn()
    signal?.throwIfAborted()
    sliceEnds = performance.now() + sliceMs
  }
  return { data, width: width * scale, height: height * scale, channels }
}

/** One filter for each position of a new pixel within its source pixel. */
function filtersFor(scale: number): number[][] {
  return Array.from({ length: scale }, (_, phase) => {
    const place = (phase + 0.5) / scale - 0.5
    const weights = Array.from({ length: taps }, (_, tap) => lanczos(place - (tap - lobes)))
    const sum = weights.reduce((total, weight) => total + weight, 0)
    return weights.map((weight) => weight / sum)
  })
}

function lanczos(x: number): number {
  if (x === 0) return 1
  if (Math.abs(x) >= lobes) return 0
  const angle = Math.PI * x
  return (lobes * Math.sin(angle) * Math.sin(angle / lobes)) / (angle * angle)
}

interface Widening {
  filters: readonly (readonly number[])[]
  into: Float32Array
}

/** Enlarges one row of the source in its width. Colours are multiplied by alpha, so that invisible ones do not shine through. */
function widen({ data, width, channels }: Pixels, y: number, { filters, into }: Widening): void {
  const row = new Float32Array((width + 2 * lobes) * channels)
  for (let x = -lobes; x < width + lobes; x++) {
    const from = (y * width + clampTo(x, width)) * channels
    const to = (x + lobes) * channels
    const alpha = channels === 4 ? (data[from + 3] as number) / 255 : 1
    for (let channel = 0; channel < channels; channel++) {
      row[to + channel] = (data[from + channel] as number) * (channel === 3 ? 1 : alpha)
    }
  }
  let to = 0
  for (let x = 0; x < width; x++) {
    for (const filter of filters) {
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0
        for (let tap = 0; tap < taps; tap++) {
          sum += (filter[tap] as number) * (row[(x + tap) * channels + channel] as number)
        }
        into[to++] = sum
      }
    }
  }
}

/** Mixes seven rows into one. The sum is written out instead of looped, because nearly all time is spent here. */
function mix(rows: readonly Float32Array[], filter: readonly number[], into: Uint8Array, hasAlpha: boolean): void {
  const [a, b, c, d, e, f, g] = rows as readonly [...Seven<Float32Array>]
  const [wa, wb, wc, wd, we, wf, wg] = filter as readonly [...Seven<number>]
  const sumAt = (at: number) =>
    wa * (a[at] as number) +
    wb * (b[at] as number) +
    wc * (c[at] as number) +
    wd * (d[at] as number) +
    we * (e[at] as number) +
    wf * (f[at] as number) +
    wg * (g[at] as number)
  if (!hasAlpha) {
    for (let at = 0; at < into.length; at++) into[at] = byte(sumAt(at))
    return
  }
  for (let at = 0; at < into.length; at += 4) {
    const alpha = byte(sumAt(at + 3))
    into[at + 3] = alpha
    for (let channel = 0; channel < 3; channel++) {
      into[at + channel] = alpha === 0 ? 0 : byte((sumAt(at + channel) * 255) / alpha)
    }
  }
}

type Seven<T> = [T, T, T, T, T, T, T]

/** The filter overshoots at edges, beyond the range of a byte. */
const byte = (value: number) => (value <= 0 ? 0 : value >= 255 ? 255 : (value + 0.5) | 0)

const clampTo = (at: number, size: number) => (at < 0 ? 0 : at >= size ? size - 1 : at)
