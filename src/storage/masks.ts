/**
 * Masks, which mark the area of a picture that is drawn anew, and pictures that grow. Masks are kept as grey PNGs in which that
 * area is white.
 */
import sharp, { type Sharp } from 'sharp'
import { AppError } from '../core/errors.ts'
import type { Area, ImageFile } from '../core/ports/images.ts'
import type { Margins, MaskMark } from '../core/ports/models.ts'
import { withoutSides } from '../core/request/grow.ts'

/** `clean`: checked and encoded anew. Throws AppError mask_empty. */
export async function maskOf({ data }: ImageFile): Promise<ImageFile> {
  const { isOpaque } = await sharp(data).stats()
  const grey = isOpaque
    ? sharp(data).removeAlpha().toColourspace('b-w')
    : sharp(data).extractChannel('alpha').negate().toColourspace('b-w')
  const mask = await encoded(grey)
  const { channels } = await sharp(mask.data).stats()
  if ((channels[0]?.max ?? 0) < darkest) throw new AppError('mask_empty')
  return mask
}

/** A mask that is darker than half grey everywhere marks nothing. */
const darkest = 128

interface Marking {
  mark: MaskMark
  area: Area
}

export async function markAs(mask: Buffer | undefined, { mark, area }: Marking): Promise<ImageFile> {
  const { width, height } = area
  const inner = withoutSides(area)
  const marked = mask
    ? await sharp(mask)
        .resize({ ...inner, fit: 'fill' })
        .toColourspace('b-w')
        .raw()
        .toBuffer()
    : Buffer.alloc(inner.width * inner.height)
  const white = await sharp(marked, { raw: { ...inner, channels: 1 } })
    .extend({ ...sidesOf(area), background: '#ffffff' })
    .extractChannel(0)
    .raw()
    .toBuffer()
  const raw = { width, height, channels: 1 } as const
  if (mark === 'white') return encoded(sharp(white, { raw }).toColourspace('b-w'))
  const kept = white.map((value) => 255 - value)
  if (mark === 'black') return encoded(sharp(kept, { raw }).toColourspace('b-w'))
  const black = sharp({ create: { width, height, channels: 3, background: '#000000' } })
  return encoded(black.joinChannel(Buffer.from(kept), { raw }))
}

export async function place(picture: ImageFile, area: Area): Promise<ImageFile> {
  const { type } = picture
  // two pipelines: within one, the library extends before it shrinks
  const inner = await sharp(picture.data)
    .resize({ ...withoutSides(area), fit: 'fill' })
    .toColourspace('srgb')
    .png({ compressionLevel: 1 })
    .toBuffer()
  const placed = sharp(inner).extend({ ...sidesOf(area), extendWith: 'copy' })
  const { data, info } = await (type === 'image/jpeg' ? placed.jpeg({ quality: 92 }) : placed.png()).toBuffer({
    resolveWithObject: true,
  })
  return { data, type: type === 'image/jpeg' ? type : 'image/png', width: info.width, height: info.height }
}

const none: Margins = { left: 0, right: 0, top: 0, bottom: 0 }
const sidesOf = ({ expand = none }: Area): Margins => expand

async function encoded(picture: Sharp): Promise<ImageFile> {
  const { data, info } = await picture.png({ compressionLevel: 6 }).toBuffer({ resolveWithObject: true })
  return { data, type: 'image/png', width: info.width, height: info.height }
}
