/** Real pictures of a requested size, and invalid ones. */
import sharp from 'sharp'

export type PictureType = 'png' | 'jpeg' | 'webp'

const made = new Map<string, Promise<Buffer>>()

/** Cached, so that long runs measure the service and not the drawing. `seed` chooses the colours. */
export function picture(width: number, height: number, type: PictureType = 'jpeg', seed = 0): Promise<Buffer> {
  const hue = Math.abs(Math.trunc(seed)) % 360
  const name = `${width}x${height} ${type} ${hue}`
  const cached = made.get(name)
  if (cached) return cached
  const fresh = sharp(Buffer.from(stripes(width, height, hue)), { raw: { width, height, channels: 3 } })
    .toFormat(type)
    .toBuffer()
  if (made.size < 500) made.set(name, fresh)
  return fresh
}

function stripes(width: number, height: number, hue: number): Uint8Array {
  const pixels = new Uint8Array(width * height * 3)
  for (let at = 0; at < pixels.length; at += 3) {
    const x = (at / 3) % width
    const y = Math.floor(at / 3 / width)
    pixels[at] = (hue + (x >> 2)) % 256
    pixels[at + 1] = (hue * 3 + (y >> 2)) % 256
    pixels[at + 2] = ((x + y) >> 3) % 256
  }
  return pixels
}

export const wrongPictures = {
  /** The first half of a real picture. */
  truncated: async () => {
    const whole = await picture(1024, 1024, 'png')
    return whole.subarray(0, whole.length >> 1)
  },
  /** A PNG whose header promises 50,000 × 50,000 pixels. */
  huge: async () => {
    const bytes = Buffer.from(await picture(16, 16, 'png'))
    bytes.writeUInt32BE(50_000, 16)
    bytes.writeUInt32BE(50_000, 20)
    bytes.writeUInt32BE(crc32(bytes.subarray(12, 29)), 29)
    return bytes
  },
  svg: async () =>
    Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="10"/></svg>'),
  text: async () => Buffer.from('this is not a picture'),
  empty: async () => Buffer.alloc(0),
} as const

function crc32(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return (crc ^ 0xffffffff) >>> 0
}
