/**
 * Checks and converts pictures. Only the PNG, JPEG and WebP decoders can run: all other loaders of the library are
 * blocked for the whole process, because formats such as SVG and PDF can load files and run code.
 */
import sharp, { type Sharp, type SharpOptions } from 'sharp'
import { AppError } from '../core/errors.ts'
import { sizeWithin } from '../core/media/thumbnails.ts'
import { createDecodeTurns, type Turns } from '../core/media/turns.ts'
import type { ImageFile, ImageTools, ImageType, KeptPicture } from '../core/ports/images.ts'
import { type Header, inspect, inspectUpload } from './inspect.ts'
import { markAs, maskOf, place } from './masks.ts'
import { isCut, stripMetadata, withEnd } from './metadata.ts'
import { cellEdge, sheet } from './sheet.ts'

sharp.block({ operation: ['VipsForeignLoad'] })
sharp.unblock({
  operation: ['VipsForeignLoadPngBuffer', 'VipsForeignLoadJpegBuffer', 'VipsForeignLoadWebpBuffer'],
})
sharp.cache(false)
// one thread per picture: several pictures at a time use the cores better than one picture on all cores
sharp.concurrency(1)

const uploadLimitMb = 10
const resultLimitMb = 64
/** Time to decode a small picture on a machine that is busy with other work. */
const uploadSeconds = 2
/** Longer than for uploads: a result is paid for. */
const resultSeconds = 10
/** Larger uploads are shrunk: models read fewer pixels, and encoding so many takes seconds. */
const untouchedPixels = 16_777_216
const shrunkPixels = 8_388_608
/** Factor by which a picture shrinks while each of its rows is read. */
const wholeFactor = 3.9

/** `inTurn`: shared with everything else that decodes pictures in this process. */
export function createImageTools(inTurn: Turns = createDecodeTurns()): ImageTools {
  return {
    clean: (bytes) => inTurn(() => clean(bytes)),
    keep: (bytes) => inTurn(() => keep(bytes).catch(rejectResult)),
    keepWithThumbnail: (bytes, edge) => inTurn(() => keepWithThumbnail(bytes, edge).catch(rejectResult)),
    thumbnail: (file, edge) => inTurn(() => thumbnailOf(file.data, edge).catch(rejectResult)),
    mask: (bytes) => inTurn(async () => maskOf(await clean(bytes))),
    markAs: (mask, mark, area) => inTurn(() => markAs(mask?.data, { mark, area })),
    place: (picture, area) => inTurn(() => place(picture, area)),
    sheet: (cells) => inTurn(() => sheet(cells, (bytes) => thumbnailOf(bytes, cellEdge)).catch(rejectResult)),
    png: (file) => inTurn(() => png(file.data).catch(rejectResult)),
  }
}

async function clean(bytes: Buffer): Promise<ImageFile> {
  const header = await inspectUpload(bytes, uploadLimitMb)
  const whole = header.type === 'image/jpeg' ? withEnd(bytes) : bytes
  try {
    return await encode(shrunk(open(whole, header, {}, uploadSeconds).autoOrient(), header), header.type)
  } catch (error) {
    if (isTimeout(error)) throw new AppError('overloaded', {}, { cause: error })
    throw new AppError('image_unreadable', {}, { cause: error })
  }
}

async function keep(bytes: Buffer): Promise<ImageFile> {
  const header = await inspect(bytes, resultLimitMb)
  const file = stripped(bytes, header)
  if (file && (await isDecodable(file.data, header, isCut(bytes, header.type)))) return file
  return encode(open(bytes, header).autoOrient(), header.type)
}

async function keepWithThumbnail(bytes: Buffer, edge: number): Promise<KeptPicture> {
  const header = await inspect(bytes, resultLimitMb)
  const file = stripped(bytes, header)
  // of a cut JPEG, the rows that are missing may be those that a thumbnail does not need
  if (file && !isCut(bytes, header.type)) {
    const thumbnail = await shrinkWhole(open(file.data, header), header, edge).catch(() => undefined)
    if (thumbnail) return { file, thumbnail }
  }
  const kept = await keep(bytes)
  return { file: kept, thumbnail: await thumbnailOf(kept.data, edge) }
}

/** undefined: stripping would lose the orientation, or the frames of an animation. */
function stripped(bytes: Buffer, { type, width, height, upright, animated }: Header): ImageFile | undefined {
  return upright && !animated ? { data: stripMetadata(bytes, type), type, width, height } : undefined
}

/** `cut`: nothing but the end marker may be missing, because the rest of a result can still be fetched. */
async function isDecodable(data: Buffer, header: Header, cut: boolean): Promise<boolean> {
  try {
    // one channel, because all of them would take three or four times the memory
    await open(data, header, { failOn: cut ? 'warning' : 'error', ignoreIcc: true })
      .extractChannel(0)
      .raw()
      .toBuffer()
    return true
  } catch {
    return false
  }
}

async function thumbnailOf(bytes: Buffer, edge: number): Promise<ImageFile> {
  return asWebp(inside(open(bytes, await inspect(bytes, resultLimitMb)), edge))
}

/**
 * Fails for each file that `isDecodable` refuses, because it reads every row of a PNG: from a factor of 4, the library averages
 * blocks of pixels first, and leaves out the rows below the last whole block.
 */
async function shrinkWhole(picture: Sharp, { type, width, height }: Header, edge: number): Promise<ImageFile> {
  const longer = Math.max(width, height)
  if (type !== 'image/png' || longer < edge * wholeFactor) return asWebp(inside(picture, edge))
  const larger = inside(picture, Math.ceil(longer / wholeFactor)).raw()
  const { data, info } = await larger.toBuffer({ resolveWithObject: true })
  const raw = { width: info.width, height: info.height, channels: info.channels }
  return asWebp(sharp(data, { raw }).resize({ ...sizeWithin(edge, { width, height }), fit: 'fill' }))
}

const inside = (picture: Sharp, edge: number) =>
  picture.resize({ width: edge, height: edge, fit: 'inside', withoutEnlargement: true })

async function asWebp(picture: Sharp): Promise<ImageFile> {
  const { data, info } = await picture.webp({ quality: 80, effort: 0 }).toBuffer({ resolveWithObject: true })
  return { data, type: 'image/webp', width: info.width, height: info.height }
}

async function png(bytes: Buffer): Promise<ImageFile> {
  return encode(open(bytes, await inspect(bytes, resultLimitMb)), 'image/png')
}

/** The first frame. `inspect` has checked its size. */
function open(bytes: Buffer, header: Header, options: SharpOptions = {}, limitSeconds = resultSeconds): Sharp {
  const { width, height } = header
  const defaults: SharpOptions = { limitInputPixels: false, pages: 1, failOn: 'error', sequentialRead: true }
  // up to 6 more for a photo of 50 megapixels
  const seconds = limitSeconds + Math.floor((width * height) / 8_000_000)
  return sharp(bytes, { ...defaults, ...options }).timeout({ seconds })
}

function shrunk(picture: Sharp, { width, height }: Header): Sharp {
  const pixels = width * height
  return pixels <= untouchedPixels ? picture : picture.resize(Math.round(width * Math.sqrt(shrunkPixels / pixels)))
}

async function encode(picture: Sharp, type: ImageType): Promise<ImageFile> {
  const encoded = {
    'image/png': () => picture.png(),
    'image/jpeg': () => picture.toColourspace('srgb').jpeg({ quality: 92 }),
    'image/webp': () => picture.webp({ quality: 92, effort: 2 }),
  }[type]()
  const { data, info } = await encoded.toBuffer({ resolveWithObject: true })
  return { data, type, width: info.width, height: info.height }
}

/** A result beyond a limit is final: fetching it again gives the same picture. */
function rejectResult(error: unknown): never {
  const tooBig = error instanceof AppError && error.kind === 'image_too_big'
  throw new AppError('bad_result', tooBig ? error.data : {}, { cause: error, final: tooBig })
}

const isTimeout = (error: unknown) => error instanceof Error && /timeout/i.test(error.message)
