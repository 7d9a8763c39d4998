/** Reads the header of a picture and refuses what would cost too much to decode. No pixel is decoded here. */
import sharp from 'sharp'
import { AppError } from '../core/errors.ts'
import type { ImageType } from '../core/ports/images.ts'
import { keptBytesPerPixel, scansOf } from './metadata.ts'

export interface Header {
  type: ImageType
  /** Pixels, with the orientation applied. */
  width: number
  height: number
  /** No orientation has to be applied. */
  upright: boolean
  animated: boolean
}

const megabyte = 1024 * 1024
const megapixel = 1_000_000

/** Decoding takes time for each row, so few pixels in very many rows are as costly as a large picture. */
const limitSide = 16_384
const limitRatio = 100
const limitMegapixels = 50
/** Scans of a JPEG times megapixels. Each scan goes over the whole picture; encoders write about ten. */
const limitScanMegapixels = 1_000
const limitScans = 100

/** Most bytes kept while decoding a picture that a person sends. Together with the rest of the decoding, it stays below 256 MB. */
const limitKeptBytes = 175_000_000

/**
 * For pictures that people send: also refuses those whose decoding takes too much memory. Throws AppError image_too_big,
 * image_type, image_unreadable.
 */
export async function inspectUpload(bytes: Buffer, limitMb: number): Promise<Header> {
  const header = await inspect(bytes, limitMb)
  const { type, width, height } = header
  const each = type === 'image/jpeg' ? keptBytesPerPixel(bytes) : 0
  if (width * height * each <= limitKeptBytes) return header
  const limitProgressive = Math.floor(limitKeptBytes / each / megapixel)
  throw new AppError('image_too_big', { width, height, limitProgressive })
}

/** Throws AppError image_too_big, image_type, image_unreadable. */
export async function inspect(bytes: Buffer, limitMb: number): Promise<Header> {
  if (bytes.length > limitMb * megabyte) throw new AppError('image_too_big', { limitMb })
  const type = typeOf(bytes)
  if (!type) throw new AppError('image_type')
  const { autoOrient, orientation = 1, pages = 1 } = await readHeader(bytes)
  const { width, height } = autoOrient
  assertSize(width, height)
  if (type === 'image/jpeg') assertScans(scansOf(bytes), width * height)
  return { type, width, height, upright: orientation === 1, animated: pages > 1 }
}

async function readHeader(bytes: Buffer) {
  try {
    // our own limits name what is exceeded
    return await sharp(bytes, { limitInputPixels: false, failOn: 'error' }).metadata()
  } catch (error) {
    throw new AppError('image_unreadable', {}, { cause: error })
  }
}

function assertSize(width: number, height: number): void {
  const [short, long] = width < height ? [width, height] : [height, width]
  const size = { width, height }
  if (long > limitSide) throw new AppError('image_too_big', { ...size, limitSide })
  if (Math.round((width * height) / megapixel) > limitMegapixels) {
    throw new AppError('image_too_big', { ...size, limitMegapixels })
  }
  if (long > short * limitRatio) throw new AppError('image_too_big', { ...size, limitRatio })
}

function assertScans(scans: number, pixels: number): void {
  if (scans <= limitScans && (scans * pixels) / megapixel <= limitScanMegapixels) return
  throw new AppError('image_unreadable', {}, { cause: new Error(`a JPEG of ${scans} scans`) })
}

/** Recognises a type by its first bytes. */
function typeOf(bytes: Buffer): ImageType | undefined {
  if (bytes.subarray(0, 8).equals(Buffer.from('89504e470d0a1a0a', 'hex'))) return 'image/png'
  if (bytes.subarray(0, 3).equals(Buffer.from('ffd8ff', 'hex'))) return 'image/jpeg'
  const riff = bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WEBP'
  return riff ? 'image/webp' : undefined
}
