/** Picture files that encoders do not write: damaged, hostile, or with headers of our choice. */
import { deflateSync } from 'node:zlib'
import sharp, { type Sharp } from 'sharp'

export const pngSignature = Buffer.from('89504e470d0a1a0a', 'hex')

/** A chunk of a PNG, with its checksum. */
export function pngChunk(name: string, body: Buffer): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(body.length)
  head.write(name, 4, 'latin1')
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc(Buffer.concat([head.subarray(4), body])))
  return Buffer.concat([head, body, sum])
}

interface PngParts {
  width: number
  height: number
  /** Compressed rows. Default: black pixels. */
  rows?: Buffer
  /** Chunks before the rows. */
  before?: readonly Buffer[]
}

/** A valid greyscale PNG, unless `rows` are others. */
export function greyPng({ width, height, rows, before = [] }: PngParts): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width)
  header.writeUInt32BE(height, 4)
  header.set([8, 0, 0, 0, 0], 8)
  const data = rows ?? deflateSync(Buffer.alloc((width + 1) * height))
  const chunks = [pngChunk('IHDR', header), ...before, pngChunk('IDAT', data), pngChunk('IEND', Buffer.alloc(0))]
  return Buffer.concat([pngSignature, ...chunks])
}

/** The JPEG with another size in its header. */
export function resizedJpeg(jpeg: Buffer, width: number, height: number): Buffer {
  const copy = Buffer.from(jpeg)
  const frame = copy.findIndex((byte, at) => byte === 0xff && [0xc0, 0xc2].includes(copy[at + 1] ?? 0))
  copy.writeUInt16BE(height, frame + 5)
  copy.writeUInt16BE(width, frame + 7)
  return copy
}

/** The progressive JPEG with its first scan repeated. */
export function repeatedScans(jpeg: Buffer, times: number): Buffer {
  const start = jpeg.indexOf(Buffer.from('ffda', 'hex'))
  const end = jpeg.indexOf(Buffer.from('ffc4', 'hex'), start)
  const scan = jpeg.subarray(start, end)
  return Buffer.concat([jpeg.subarray(0, end), ...Array<Buffer>(times).fill(scan), jpeg.subarray(end)])
}

/** An extended WebP that announces a canvas, and has no pixels. */
export function webpCanvas(width: number, height: number): Buffer {
  const chunk = Buffer.alloc(18)
  chunk.write('VP8X', 'latin1')
  chunk.writeUInt32LE(10, 4)
  chunk.writeUIntLE(width - 1, 12, 3)
  chunk.writeUIntLE(height - 1, 15, 3)
  const head = Buffer.from('RIFF\0\0\0\0WEBP', 'latin1')
  head.writeUInt32LE(4 + chunk.length, 4)
  return Buffer.concat([head, chunk])
}

/** Three frames: red, green, blue. */
export async function animatedWebp(width = 64, height = 48): Promise<Buffer> {
  const frames = ['#f00', '#0f0', '#00f'].map((background) =>
    sharp({ create: { width, height, channels: 3, background } })
      .png()
      .toBuffer(),
  )
  return sharp(await Promise.all(frames), { join: { animated: true } })
    .webp({ lossless: true, delay: 100 })
    .toBuffer()
}

/** Patches of many colours, which encode fast at any size. */
export function photo(width: number, height: number): Sharp {
  const [across, down] = [32, 24]
  const pixels = Buffer.alloc(across * down * 3)
  for (let at = 0; at < pixels.length; at++) pixels[at] = (at * 7919) % 256
  const raw = { width: across, height: down, channels: 3 as const }
  return sharp(pixels, { raw }).resize(width, height, { fit: 'fill', kernel: 'nearest' })
}

/** User and system seconds that this process spends while `work` runs. */
export async function cpuSeconds(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000_000
}

const table = Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1
  return value >>> 0
})

function crc(bytes: Buffer): number {
  let value = 0xffffffff
  for (const byte of bytes) value = (table[(value ^ byte) & 255] ?? 0) ^ (value >>> 8)
  return (value ^ 0xffffffff) >>> 0
}
