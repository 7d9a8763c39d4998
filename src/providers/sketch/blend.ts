/** Input pictures: the first one is the background of the scene, the others hang in it as framed pictures. */
import sharp from 'sharp'
import type { ImageFile } from '../../core/ports/images.ts'
import { type Canvas, type Colour, mix, rectangle } from './canvas.ts'
import { labelColour, labelHeight } from './label.ts'
import type { Palette } from './palette.ts'

/** Strength above which the drawn landscape begins to show through the picture. */
const sceneFrom = 0.6

/**
 * Replaces the landscape on the canvas by the picture `base` in the light of the prompt ("make it night" darkens it). A
 * higher strength has more effect; towards 1 the landscape comes back.
 */
export function relight(
  { width, height, pixels }: Canvas,
  base: Buffer,
  { palette, strength }: { palette: Palette; strength: number },
): void {
  const scene = Math.max(0, (strength - sceneFrom) / (1 - sceneFrom))
  const shadow = mix(palette.ground, [0, 0, 0], 0.6)
  for (let y = 0; y < height; y++) {
    const sky = mix(palette.top, palette.low, y / height)
    const light: Colour = mix(sky, [255, 255, 255], palette.dark ? 0.16 : 0.3)
    for (let at = y * width * 3, end = at + width * 3; at < end; at += 3) {
      const bright = luminance(base, at)
      for (let channel = 0; channel < 3; channel++) {
        const [old, lit, dim] = [base[at + channel] ?? 0, light[channel] ?? 0, shadow[channel] ?? 0]
        const graded = 0.5 * (dim + (lit - dim) * bright) + 0.5 * old * (lit / 255)
        const target = graded + ((pixels[at + channel] ?? 0) - graded) * scene
        pixels[at + channel] = old + (target - old) * Math.min(1, strength * 1.3)
      }
    }
  }
}

function luminance(pixels: Buffer, at: number): number {
  return ((pixels[at] ?? 0) * 0.3 + (pixels[at + 1] ?? 0) * 0.59 + (pixels[at + 2] ?? 0) * 0.11) / 255
}

/** Hangs the pictures in one row along the top, small enough that all of them fit. */
export async function hangUp(canvas: Canvas, others: readonly ImageFile[]): Promise<void> {
  const spacing = Math.min(Math.min(canvas.width, canvas.height) * 0.26, canvas.width / Math.max(1, others.length))
  const edge = Math.max(4, Math.floor(spacing * 0.78))
  const frame = Math.max(1, Math.round(edge * 0.05))
  for (const [index, other] of others.entries()) {
    const [left, top] = [Math.floor(spacing * (index + 0.11)), Math.floor(spacing * 0.12)]
    const around = { x: left - frame, y: top - frame, w: edge + 2 * frame, h: edge + 2 * frame }
    rectangle(canvas, { ...around, x: around.x + frame, y: around.y + frame }, [0, 0, 0], 0.25)
    rectangle(canvas, around, [252, 250, 244])
    const inset = await rgb(other, edge, edge)
    for (let row = 0; row < edge; row++) {
      inset.copy(canvas.pixels, ((top + row) * canvas.width + left) * 3, row * edge * 3, (row + 1) * edge * 3)
    }
  }
}

/** The RGB pixels of the picture, scaled and cropped to this size. */
export async function rgb(file: ImageFile, width: number, height: number): Promise<Buffer> {
  return sharp(await withoutLabel(file))
    .resize(width, height, { fit: 'cover' })
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer()
}

/** The picture without the strip that `label` wrote along its bottom: in another ratio, part of the strip would stay visible. */
async function withoutLabel({ data, width, height }: ImageFile): Promise<Buffer> {
  const strip = labelHeight(width, height)
  const top = height - strip
  if (top <= 0) return data
  const edge = await sharp(data)
    .extract({ left: 0, top, width: 1, height: strip })
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer()
  const isLabel = edge.every((value, at) => Math.abs(value - (labelColour[at % 3] ?? 0)) <= 2)
  return isLabel ? sharp(data).extract({ left: 0, top: 0, width, height: top }).png().toBuffer() : data
}
