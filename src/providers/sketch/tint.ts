/** What LoRAs do to a sketch: each tints it. */
import { createHash } from 'node:crypto'
import { type Canvas, type Colour, mix } from './canvas.ts'

const named: Readonly<Record<string, Colour>> = { warm: [255, 150, 40], cold: [40, 120, 255] }
/** Of the tint, at a scale of 1. */
const share = 0.3

/** The same address always gives the same tint. */
export function tint({ pixels }: Canvas, loras: readonly { path: string; scale: number }[]): void {
  for (const { path, scale } of loras) {
    const colour = named[path] ?? colourOf(path)
    for (let at = 0; at < pixels.length; at += 3) {
      const old: Colour = [pixels[at] ?? 0, pixels[at + 1] ?? 0, pixels[at + 2] ?? 0]
      pixels.set(mix(old, colour, share * scale), at)
    }
  }
}

function colourOf(path: string): Colour {
  const [red = 0, green = 0, blue = 0] = createHash('sha256').update(path).digest()
  return [red, green, blue]
}
