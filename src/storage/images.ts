/**
 * Checks and converts pictures. Only the PNG, JPEG and WebP decoders can run: all other loaders of the library are
 * blocked for the whole process, because formats such as SVG and PDF can load files and run code.
 */
import sharp, { type Sharp } from 'sharp'
import { AppError } from '../core/errors.ts'
import type { ImageFile, ImageTools, ImageType } from '../core/ports/images.ts'
import { stripMetadata } from './metadata.ts'

sharp.block({ operation: ['VipsForeignLoad'] })
sharp.unblock({
  operation: ['VipsForeignLoadPngBuffer', 'VipsForeignLoadJpegBuffer', 'VipsForeignLoadWebpBuffer'],
})
sharp.cache(false)
// one thread per picture: several pictures at a time use the cores better than one picture on all cores
sharp.concurrency(1)

const uploadLimitMb = 10
const resultLimitMb = 64
const pixelLimit = 16_777_216
const secondsLimit = 20

export function createImageTools(): ImageTools {
  return { clean, keep, thumbnail, png }
}

async function clean(bytes: Buffer): Promise<ImageFile> {
  if (bytes.length > uploadLimitMb * 1024 * 1024) throw new AppError('image_too_big', { limitMb: uploadLimitMb })
  const type = typeOf(bytes)
  if (!type) throw new AppError('image_type')
  try {
    return await encode(open(bytes).autoOrient(), type)
  } catch (error) {
    throw new AppError('image_unreadable', {}, { cause: error })
  }
}

async function keep(bytes: Buffer): Promise<ImageFile> {
  const type = typeOf(bytes)
  if (!type || bytes.length > resultLimitMb * 1024 * 1024) throw new AppError('bad_result')
  try {
    const { info } = await open(bytes).raw().toBuffer({ resolveWithObject: true })
    return { data: stripMetadata(bytes, type), type, width: info.width, height: info.height }
  } catch (error) {
    throw new AppError('bad_result', {}, { cause: error })
  }
}

async function thumbnail(file: Pick<ImageFile, 'data'>, edge: number): Promise<ImageFile> {
  const small = open(file.data).resize({ width: edge, height: edge, fit: 'inside', withoutEnlargement: true })
  const { data, info } = await small.webp({ quality: 80, effort: 2 }).toBuffer({ resolveWithObject: true })
  return { data, type: 'image/webp', width: info.width, height: info.height }
}

async function png(file: Pick<ImageFile, 'data'>): Promise<ImageFile> {
  return encode(open(file.data), 'image/png')
}

function open(bytes: Buffer): Sharp {
  return sharp(bytes, { limitInputPixels: pixelLimit, pages: 1, failOn: 'error', sequentialRead: true }).timeout({
    seconds: secondsLimit,
  })
}

async function encode(picture: Sharp, type: ImageType): Promise<ImageFile> {
  const encoded = {
    'image/png': () => picture.png(),
    'image/jpeg': () => picture.toColourspace('srgb').jpeg({ quality: 92 }),
    'image/webp': () => picture.webp({ quality: 92 }),
  }[type]()
  const { data, info } = await encoded.toBuffer({ resolveWithObject: true })
  return { data, type, width: info.width, height: info.height }
}

/** Recognises a type by its first bytes. */
function typeOf(bytes: Buffer): ImageType | undefined {
  if (bytes.subarray(0, 8).equals(Buffer.from('89504e470d0a1a0a', 'hex'))) return 'image/png'
  if (bytes.subarray(0, 3).equals(Buffer.from('ffd8ff', 'hex'))) return 'image/jpeg'
  const riff = bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WEBP'
  return riff ? 'image/webp' : undefined
}
