/** Picture of the size that image services send: 1024×1024, about 1.05 MB, or 1.4 MB in base64. */
import sharp from 'sharp'
import { stripMetadata } from '../../src/storage/metadata.ts'

const edge = 1024
/** Number of values of each channel, which determines the size of the file. */
const noise = 5

/** Returns the same bytes every time, without metadata, so that the service stores them unchanged. */
export async function heavyPicture(): Promise<Buffer> {
  const pixels = new Uint8Array(edge * edge * 3)
  let state = 1
  for (let at = 0; at < pixels.length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    pixels[at] = 120 + ((state >>> 16) % noise)
  }
  const raw = { width: edge, height: edge, channels: 3 as const }
  return stripMetadata(await sharp(pixels, { raw }).png().toBuffer(), 'image/png')
}

export function smallPicture(width: number): Promise<Buffer> {
  const create = { width, height: width, channels: 3 as const, background: '#3366cc' }
  return sharp({ create }).png().toBuffer()
}
