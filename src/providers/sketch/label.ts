/** The strip along the bottom of a sketch, with its prompt. */
import { type Canvas, type Colour, rectangle, write } from './canvas.ts'
import { glyphs } from './font.ts'

export const labelColour: Colour = [22, 24, 38]
/** Size of a letter, in dots. */
const letterDots = 7
const marginDots = 4

/** Pixels on each side of a dot. */
const dotSize = (width: number, height: number) => Math.max(1, Math.round(Math.min(width, height) / 320))

/** Height of the strip, in pixels, in a picture of this size. */
export const labelHeight = (width: number, height: number) => dotSize(width, height) * (letterDots + 2 * marginDots)

/**
 * Writes 'SKETCH' and the prompt along the bottom, so that the picture is not mistaken for a model's. Drops letters
 * that the font lacks.
 */
export function label(canvas: Canvas, prompt: string): void {
  const size = dotSize(canvas.width, canvas.height)
  const margin = size * marginDots
  const letters = Math.max(6, Math.floor((canvas.width - 2 * margin) / (6 * size)))
  const printable = [...prompt.toUpperCase()].filter((letter) => letter === ' ' || glyphs[letter]).join('')
  const words = printable.replace(/\s+/g, ' ').trim()
  const text = (words === '' ? 'SKETCH' : `SKETCH · ${words}`).slice(0, letters)
  const strip = labelHeight(canvas.width, canvas.height)
  const top = canvas.height - strip
  rectangle(canvas, { x: 0, y: top, w: canvas.width, h: strip }, labelColour)
  write(canvas, text, { x: margin, y: top + margin, size }, [255, 255, 255])
}
