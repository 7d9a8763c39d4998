/** Draws only the area of a picture that a mask marks. */
import sharp from 'sharp'
import type { ImageFile } from '../../core/ports/images.ts'
import type { Canvas } from './canvas.ts'

export interface Box {
  left: number
  top: number
  width: number
  height: number
}

/** Pixels that a drawing has at least on each side. */
const smallestSide = 64

/** The smallest box around all that is marked, and no smaller than a drawing. */
export function boxOf(mask: Buffer, { width, height }: { width: number; height: number }): Box {
  let [left, right, top, bottom] = [width, -1, height, -1]
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (mask[y * width + x] === 0) continue
      left = Math.min(left, x)
      right = Math.max(right, x)
      top = Math.min(top, y)
      bottom = y
    }
  }
  const [across, down] = [span(left, right, width), span(top, bottom, height)]
  return { left: across.from, top: down.from, width: across.length, height: down.length }
}

function span(from: number, to: number, whole: number): { from: number; length: number } {
  const length = Math.min(whole, Math.max(smallestSide, to - from + 1))
  return { from: Math.max(0, Math.min(from, whole - length)), length }
}

/** The picture, with the drawing in the box where the mask marks it. */
export function paintInto(picture: Canvas, { drawn, box, mask }: { drawn: Canvas; box: Box; mask: Buffer }): void {
  for (let y = 0; y < box.height; y++) {
    for (let x = 0; x < box.width; x++) {
      const at = (box.top + y) * picture.width + box.left + x
      const share = (mask[at] ?? 0) / 255
      if (share === 0) continue
      for (let channel = 0; channel < 3; channel++) {
        const old = picture.pixels[at * 3 + channel] ?? 0
        const fresh = drawn.pixels[(y * box.width + x) * 3 + channel] ?? 0
        picture.pixels[at * 3 + channel] = Math.round(old + (fresh - old) * share)
      }
    }
  }
}

/** RGB pixels, neither scaled nor cropped. */
export async function canvasOf({ data, width, height }: ImageFile): Promise<Canvas> {
  const pixels = await sharp(data)
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer()
  return { width, height, pixels }
}

/** One byte for each pixel: 255 where it is marked. */
export const marksIn = ({ data }: ImageFile): Promise<Buffer> => sharp(data).extractChannel(0).raw().toBuffer()
