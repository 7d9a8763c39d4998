import { deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { beforeAll, describe, expect, it } from 'vitest'
import { AppError } from '../../src/core/errors.ts'
import type { ImageFile } from '../../src/core/ports/images.ts'
import { createImageTools } from '../../src/storage/images.ts'
import { animatedWebp, cpuSeconds, greyPng, photo } from '../helpers/files.ts'

const tools = createImageTools()
const base = (width = 40, height = 30) =>
  sharp({ create: { width, height, channels: 3, background: '#3366cc' } }).composite([
    { input: Buffer.from([255, 0, 0, 255]), raw: { width: 1, height: 1, channels: 4 }, left: 3, top: 4 },
  ])
const words = (text: string) => Buffer.from(text)
/** CPU seconds for one file, several times what the slowest of these takes; the large ones are in limits.test.ts. */
const mostSeconds = 1

function chunk(name: string, body: Buffer): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(body.length)
  head.write(name, 4, 'latin1')
  return Buffer.concat([head, body, Buffer.alloc(4)])
}

/** A PNG whose header announces more pixels than it contains. */
function pngOf(width: number, height: number, data = deflateSync(Buffer.alloc(1000))): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, 0], 8)
  const signature = Buffer.from('89504e470d0a1a0a', 'hex')
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))])
}

async function kindOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'passed'
  } catch (error) {
    return error instanceof AppError ? error.kind : `not an AppError: ${String(error)}`
  }
}

let good: Record<'png' | 'jpeg' | 'webp', Buffer>
beforeAll(async () => {
  good = {
    png: await base().png().toBuffer(),
    jpeg: await base().jpeg().toBuffer(),
    webp: await base().webp().toBuffer(),
  }
})

describe('an uploaded file', () => {
  const hostile: [string, () => Buffer | Promise<Buffer>][] = [
    [
      'SVG',
      () =>
        words('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd"/></svg>'),
    ],
    [
      'SVG after a declaration',
      () => words('<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "b">]><svg width="1" height="1"/>'),
    ],
    ['GIF', () => base().gif().toBuffer()],
    ['TIFF', () => base().tiff().toBuffer()],
    ['AVIF', () => words('\0\0\0\x1cftypavif\0\0\0\0avifmif1')],
    ['HEIC', () => words('\0\0\0\x18ftypheic\0\0\0\0mif1heic')],
    ['BMP', () => words('BM\x46\0\0\0\0\0\0\0\x36\0\0\0')],
    ['ICO', () => Buffer.from([0, 0, 1, 0, 1, 0, 16, 16])],
    ['PDF', () => words('%PDF-1.7\n1 0 obj<</Type/Catalog>>')],
    ['PostScript', () => words('%!PS-Adobe-3.0\n(%pipe%id) (r) file')],
    ['HTML', () => words('<html><script>alert(1)</script></html>')],
    ['ZIP', () => words('PK\x03\x04\x14\0\0\0')],
    ['JPEG XL', () => Buffer.from('0000000c4a584c200d0a870a', 'hex')],
    ['EXR', () => Buffer.from('762f3101', 'hex')],
    ['Radiance', () => words('#?RADIANCE\nFORMAT=32-bit_rle_rgbe')],
    ['PPM', () => words('P6 1 1 255 abc')],
    ['nothing', () => Buffer.alloc(0)],
    ['one byte', () => Buffer.from([0x89])],
    ['zeros', () => Buffer.alloc(4096)],
    ['a PNG signature alone', () => Buffer.from('89504e470d0a1a0a', 'hex')],
    ['a JPEG marker alone', () => Buffer.from('ffd8ff', 'hex')],
    ['a RIFF head alone', () => words('RIFF\x04\0\0\0WEBP')],
    ['a PNG of 60000×60000', () => pngOf(60_000, 60_000)],
    ['a PNG of 5000×5000', () => pngOf(5_000, 5_000)],
    ['a PNG of 0×0', () => pngOf(0, 0)],
    ['a PNG of 2³¹ pixels wide', () => pngOf(2 ** 31 - 1, 1)],
    ['a decompression bomb in IDAT', () => pngOf(4_000, 4_000, deflateSync(Buffer.alloc(20_000_000)))],
    ['a PNG with wrong checksums', () => pngOf(10, 10)],
    ...(['png', 'jpeg', 'webp'] as const).flatMap((type) =>
      [0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97].map((share): [string, () => Buffer] => [
        `${type} cut at ${share * 100} %`,
        () => good[type].subarray(0, Math.floor(good[type].length * share)),
      ]),
    ),
  ]

  it.each(hostile)('is refused or re-encoded: %s', async (_, make) => {
    const bytes = await make()
    let outcome: unknown
    const seconds = await cpuSeconds(async () => {
      outcome = await tools.clean(bytes).catch((error: unknown) => error)
    })
    expect(seconds).toBeLessThan(mostSeconds)
    if (outcome instanceof AppError) expect(['image_type', 'image_unreadable', 'image_too_big']).toContain(outcome.kind)
    else expect(await kindOf(tools.keep((outcome as { data: Buffer }).data))).toBe('passed')
  })

  it('is tested in at least sixty hostile forms', () => {
    expect(hostile.length).toBeGreaterThanOrEqual(60)
  })

  it('is refused by type or size', async () => {
    expect(await kindOf(tools.clean(words('<svg xmlns="http://www.w3.org/2000/svg"/>')))).toBe('image_type')
    expect(await kindOf(tools.clean(Buffer.alloc(11 * 1024 * 1024)))).toBe('image_too_big')
  })

  it('is re-encoded or refused when random bytes have changed', async () => {
    let state = 42
    const random = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 4294967296) * below)
    }
    for (let n = 0; n < Number(process.env.FUZZ_RUNS ?? 2000); n++) {
      const bytes = Buffer.from(Object.values(good)[n % 3] as Buffer)
      for (let change = 0; change <= random(6); change++) bytes[random(bytes.length)] = random(256)
      const outcome = await tools.clean(bytes).catch((error: unknown) => error)
      if (outcome instanceof Error) expect(outcome).toBeInstanceOf(AppError)
      expect(['passed', 'bad_result']).toContain(await kindOf(tools.keep(bytes)))
    }
  })
})

describe('a result that is checked by making its thumbnail', () => {
  const edge = 128
  const larger = (width = 333, height = 257) => photo(width, height)
  const forms: [string, () => Promise<Buffer>][] = [
    ['png', () => larger().png().toBuffer()],
    ['large png', () => larger(1100, 701).png().toBuffer()],
    ['large 16-bit png with alpha', () => larger(1100, 701).ensureAlpha(0.5).toColourspace('rgb16').png().toBuffer()],
    ['large grey png with a profile', () => larger(1100, 701).greyscale().withIccProfile('p3').png().toBuffer()],
    ['interlaced png', () => larger().png({ progressive: true }).toBuffer()],
    ['palette png', () => larger().png({ palette: true }).toBuffer()],
    ['jpeg', () => larger().jpeg().toBuffer()],
    ['large jpeg', () => larger(1100, 700).jpeg().toBuffer()],
    ['progressive jpeg', () => larger().jpeg({ progressive: true }).toBuffer()],
    ['CMYK jpeg', () => larger().toColourspace('cmyk').jpeg().toBuffer()],
    ['webp', () => larger().webp().toBuffer()],
    ['lossless webp', () => larger().webp({ lossless: true }).toBuffer()],
    ['animated webp', () => animatedWebp(333, 257)],
    ['turned jpeg', () => larger().jpeg().withMetadata({ orientation: 6 }).toBuffer()],
  ]

  it.each(forms)('is kept as without a thumbnail: %s', async (_, make) => {
    const bytes = await make()
    const { file, thumbnail } = await tools.keepWithThumbnail(bytes, edge)
    const kept = await tools.keep(bytes)
    const apart = await tools.thumbnail(kept, edge)
    expect(file).toEqual(kept)
    expect(thumbnail).toMatchObject({ type: 'image/webp', width: apart.width, height: apart.height })
    const pixels = ({ data }: ImageFile) => sharp(data).raw().toBuffer()
    const [one, other] = [await pixels(thumbnail), await pixels(apart)]
    expect(one.length).toBe(other.length)
    expect(one.reduce((sum, value, at) => sum + Math.abs(value - (other[at] ?? 0)), 0) / one.length).toBeLessThan(12)
  })

  it.each(forms)('is refused where it is refused without a thumbnail: %s', async (_, make) => {
    const bytes = await make()
    const damaged = [
      ...[0.1, 0.3, 0.5, 0.7, 0.9, 0.97].map((share) => bytes.subarray(0, bytes.length * share)),
      ...[1, 2, 3, 5, 9, 14, 30, 80].map((missing) => bytes.subarray(0, -missing)),
      ...Array.from({ length: 60 }, (_, n) => {
        const copy = Buffer.from(bytes)
        // half of them near the end, which a decoder could leave unread
        const at = n % 2 === 0 ? (n * 7919) % copy.length : copy.length - 1 - ((n * 131) % Math.min(300, copy.length))
        copy[at] = (copy[at] ?? 0) ^ (1 + ((n * 37) % 255))
        return copy
      }),
    ]
    let refused = 0
    for (const each of damaged) {
      const plain = await kindOf(tools.keep(each))
      expect(await kindOf(tools.keepWithThumbnail(each, edge))).toBe(plain)
      if (plain !== 'passed') refused++
    }
    expect(refused).toBeGreaterThan(0)
  })

  it.each([
    [1024, 1000],
    [1024, 1531],
    [333, 2049],
    [2049, 333],
    [2100, 321],
    [2100, 1297],
    [129, 129],
    [12_800, 129],
  ])('is refused when it lacks its last row: %i×%i', async (width, height) => {
    const rows = (count: number) => deflateSync(Buffer.alloc((width + 1) * count))
    const whole = greyPng({ width, height, rows: rows(height) })
    expect(await kindOf(tools.keepWithThumbnail(whole, edge))).toBe('passed')
    const cut = greyPng({ width, height, rows: rows(height - 1) })
    expect(await kindOf(tools.keepWithThumbnail(cut, edge))).toBe('bad_result')
  })
})

describe('a valid picture', () => {
  const kinds: [string, (s: ReturnType<typeof base>) => ReturnType<typeof base>, string][] = [
    ['png', (s) => s.png(), 'image/png'],
    ['palette png', (s) => s.png({ palette: true }), 'image/png'],
    ['grey png', (s) => s.greyscale().png(), 'image/png'],
    ['png with alpha', (s) => s.ensureAlpha(0.5).png(), 'image/png'],
    ['16-bit png', (s) => s.toColourspace('rgb16').png(), 'image/png'],
    ['interlaced png', (s) => s.png({ progressive: true }), 'image/png'],
    ['jpeg', (s) => s.jpeg(), 'image/jpeg'],
    ['progressive jpeg', (s) => s.jpeg({ progressive: true }), 'image/jpeg'],
    ['CMYK jpeg', (s) => s.toColourspace('cmyk').jpeg(), 'image/jpeg'],
    ['webp', (s) => s.webp(), 'image/webp'],
    ['lossless webp', (s) => s.webp({ lossless: true }), 'image/webp'],
    ['webp with alpha', (s) => s.ensureAlpha(0.5).webp(), 'image/webp'],
  ]
  const sizes = [
    [1, 1],
    [64, 64],
    [300, 17],
    [640, 64],
    [1024, 576],
  ] as const
  const cases = kinds.flatMap(([name, make, type]) => sizes.map((size) => [name, size, make, type] as const))

  it.each(cases)('is accepted: %s %j', async (_, [width, height], make, type) => {
    const bytes = await make(sharp({ create: { width, height, channels: 3, background: '#3366cc' } })).toBuffer()
    const seconds = await cpuSeconds(() => Promise.all([tools.clean(bytes), tools.keep(bytes)]))
    expect(seconds).toBeLessThan(mostSeconds)
    expect(await tools.clean(bytes)).toMatchObject({ type, width, height })
    const kept = await tools.keep(bytes)
    expect(kept).toMatchObject({ type, width, height })
    const pixels = (data: Buffer) => sharp(data).raw().toBuffer()
    expect((await pixels(kept.data)).equals(await pixels(bytes))).toBe(true)
  })

  it('is tested in at least sixty forms', () => {
    expect(cases.length).toBeGreaterThanOrEqual(60)
  })

  it.each(['png', 'jpeg', 'webp'] as const)('loses its metadata and trailing bytes: %s', async (type) => {
    const exif = { IFD0: { Copyright: 'SECRETNAME', ImageDescription: 'SECRETPLACE' } }
    const bytes = Buffer.concat([await base()[type]().withExif(exif).toBuffer(), words('SECRETTAIL<script>')])
    expect(bytes.includes('SECRETNAME')).toBe(true)
    for (const file of [await tools.clean(bytes), await tools.keep(bytes)])
      expect(file.data.includes('SECRET')).toBe(false)
  })

  it('is rotated by its EXIF orientation', async () => {
    const bytes = await base(40, 30).jpeg().withMetadata({ orientation: 6 }).toBuffer()
    expect(await tools.clean(bytes)).toMatchObject({ width: 30, height: 40 })
  })

  it('gets a thumbnail', async () => {
    const file = await tools.keep(await base(1000, 500).png().toBuffer())
    expect(await tools.thumbnail(file, 512)).toMatchObject({ type: 'image/webp', width: 512, height: 256 })
  })
})
