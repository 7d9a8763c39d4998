/** Removes metadata from pictures without touching their pixels. Colour profiles stay, because pixels mean nothing without. */
import type { ImageType } from '../core/ports/images.ts'

export function stripMetadata(bytes: Buffer, type: ImageType): Buffer {
  return { 'image/png': stripPng, 'image/jpeg': stripJpeg, 'image/webp': stripWebp }[type](bytes)
}

/** The chunks that affect how the pixels look; all others are removed. */
const pngKept = new Set(['IHDR', 'PLTE', 'IDAT', 'IEND', 'tRNS', 'gAMA', 'cHRM', 'sRGB', 'cICP', 'iCCP'])

function stripPng(bytes: Buffer): Buffer {
  const parts = [bytes.subarray(0, 8)]
  for (let at = 8; at + 12 <= bytes.length; ) {
    const end = at + 12 + bytes.readUInt32BE(at)
    const name = bytes.toString('latin1', at + 4, at + 8)
    if (end > bytes.length) break
    if (pngKept.has(name)) parts.push(bytes.subarray(at, end))
    if (name === 'IEND') break
    at = end
  }
  return Buffer.concat(parts)
}

const [marker, endOfImage, startOfScan, comment, profileSegment] = [0xff, 0xd9, 0xda, 0xfe, 0xe2]
const jpegEnd = Buffer.from([marker, endOfImage])
const profileName = Buffer.from('ICC_PROFILE\0', 'latin1')
/** JFIF holds the pixel density, Adobe's segment the colour encoding. */
const jpegKept = new Set([0xe0, 0xee])

interface Segment {
  kind: number
  /** With its marker; a scan with its pixels. */
  data: Buffer
}

function stripJpeg(bytes: Buffer): Buffer {
  const kept: Buffer[] = []
  // not collected first: a file may hold millions of empty comments
  for (const segment of segmentsOf(bytes)) if (affectsPixels(segment)) kept.push(segment.data)
  return Buffer.concat([bytes.subarray(0, 2), ...kept, jpegEnd])
}

function affectsPixels({ kind, data }: Segment): boolean {
  const application = (kind >= 0xe0 && kind <= 0xef) || kind === comment
  if (!application || jpegKept.has(kind)) return kind !== endOfImage
  return kind === profileSegment && data.subarray(4, 4 + profileName.length).equals(profileName)
}

/** How many scans a JPEG has. */
export function scansOf(bytes: Buffer): number {
  let scans = 0
  for (const { kind } of segmentsOf(bytes)) if (kind === startOfScan) scans++
  return scans
}

/** Markers of progressive frames, which are decoded scan by scan. */
const progressiveFrames = new Set([0xc2, 0xc6, 0xca, 0xce])
const coefficientBytes = 2

/**
 * Bytes for each pixel that a decoder keeps until the last scan of a progressive JPEG: the coefficients of all components.
 * 0: any other JPEG, which is decoded row by row.
 */
export function keptBytesPerPixel(bytes: Buffer): number {
  for (const { kind, data } of segmentsOf(bytes)) {
    if (kind === startOfScan) return 0
    if (progressiveFrames.has(kind)) return coefficientBytes * samplesPerPixel(data)
  }
  return 0
}

/** `frame`: the header of the frame. 1.5 if colours have half the resolution; the number of components if all have the full one. */
function samplesPerPixel(frame: Buffer): number {
  const factors = Array.from({ length: frame[9] ?? 0 }, (_, n) => frame[11 + 3 * n] ?? 0)
  const areas = factors.map((factor) => (factor >> 4) * (factor & 15))
  return areas.reduce((sum, area) => sum + area, 0) / Math.max(1, ...areas)
}

/** Whether a JPEG has lost its end. PNG and WebP without their end cannot be decoded. */
export function isCut(bytes: Buffer, type: ImageType): boolean {
  if (type !== 'image/jpeg') return false
  let last = 0
  for (const { kind } of segmentsOf(bytes)) last = kind
  return last !== endOfImage
}

/** The same JPEG with an end marker: decoders then show as much of it as there is, as browsers do. */
export function withEnd(jpeg: Buffer): Buffer {
  return isCut(jpeg, 'image/jpeg') ? Buffer.concat([jpeg, jpegEnd]) : jpeg
}

function* segmentsOf(bytes: Buffer): Generator<Segment> {
  for (let at = 2; at + 2 <= bytes.length && bytes[at] === marker; ) {
    const kind = bytes[at + 1] ?? 0
    if (kind === marker) {
      at++
      continue
    }
    if (kind === endOfImage) yield { kind, data: jpegEnd }
    if (kind === endOfImage || at + 4 > bytes.length) return
    let end = at + 2 + bytes.readUInt16BE(at + 2)
    if (kind === startOfScan) end = endOfScan(bytes, end)
    yield { kind, data: bytes.subarray(at, end) }
    at = end
  }
}

/** The scan ends at the next marker that is neither a stuffed zero nor a restart marker. */
function endOfScan(bytes: Buffer, start: number): number {
  for (let at = bytes.indexOf(marker, start); at !== -1; at = bytes.indexOf(marker, at + 1)) {
    const next = bytes[at + 1] ?? 0
    const inside = next === 0 || next === marker || (next >= 0xd0 && next <= 0xd7)
    if (!inside) return at
  }
  return bytes.length
}

const webpKept = new Set(['VP8 ', 'VP8L', 'VP8X', 'ALPH', 'ICCP'])
/** Flags of the VP8X chunk for the chunks that are removed: Exif, XMP. */
const webpRemovedFlags = 0x08 | 0x04

function stripWebp(bytes: Buffer): Buffer {
  const parts: Buffer[] = []
  const end = Math.min(bytes.length, 8 + bytes.readUInt32LE(4))
  for (let at = 12; at + 8 <= end; ) {
    const size = bytes.readUInt32LE(at + 4)
    const next = at + 8 + size + (size % 2)
    const name = bytes.toString('latin1', at, at + 4)
    if (webpKept.has(name)) {
      const chunk = Buffer.from(bytes.subarray(at, Math.min(next, bytes.length)))
      if (name === 'VP8X') chunk[8] = (chunk[8] ?? 0) & ~webpRemovedFlags
      parts.push(chunk)
    }
    at = next
  }
  const body = Buffer.concat(parts)
  const header = Buffer.from('RIFF\0\0\0\0WEBP', 'latin1')
  header.writeUInt32LE(4 + body.length, 4)
  return Buffer.concat([header, body])
}
