import { randomUUID } from 'node:crypto'
import sharp, { type Color, type Sharp } from 'sharp'
import { describe, expect, it } from 'vitest'
import type { ImageFile } from '../../src/core/ports/images.ts'
import { enlarge as enlargePixels } from '../../src/providers/lanczos/enlarge.ts'
import { lanczos } from '../../src/providers/lanczos/lanczos.ts'
import { createImageTools } from '../../src/storage/images.ts'
import { keepLog } from '../helpers/log.ts'

const provider = lanczos.create({ baseUrl: 'lanczos:', timeoutMs: 60_000, concurrency: 5 }, { log: keepLog() })
const tools = createImageTools()

async function enlarge(file: ImageFile, scale: number, signal = new AbortController().signal): Promise<Buffer> {
  const task = { id: randomUUID(), endpoint: 'lanczos', input: { scale }, images: [file] }
  const progress = await provider.start(task, signal)
  if (progress.state !== 'done') throw new Error('expected a finished picture')
  expect(progress.images).toHaveLength(1)
  return progress.images[0] as Buffer
}

/** The picture as a request has it: cleaned. */
async function cleaned(picture: Sharp, format: 'png' | 'jpeg' | 'webp' = 'png'): Promise<ImageFile> {
  return tools.clean(await picture.toFormat(format, { quality: 100 }).toBuffer())
}

const plain = (width: number, height: number, background: Color, channels: 3 | 4 = 3) =>
  sharp({ create: { width, height, channels, background } })

async function pixels(data: Buffer) {
  const { data: bytes, info } = await sharp(data).raw().toBuffer({ resolveWithObject: true })
  const at = (x: number, y: number) => [
    ...bytes.subarray((y * info.width + x) * info.channels).subarray(0, info.channels),
  ]
  return { ...info, at, bytes }
}

describe('the built-in enlarging', () => {
  it.each([
    [2, 61, 37, 'png'],
    [4, 61, 37, 'jpeg'],
    [2, 1, 90, 'webp'],
    [4, 3, 2, 'png'],
  ] as const)('makes every side %i times as long: %i × %i, %s', async (scale, width, height, format) => {
    const result = await enlarge(await cleaned(plain(width, height, '#3366cc'), format), scale)
    expect(await sharp(result).metadata()).toMatchObject({ width: width * scale, height: height * scale })
    await expect(tools.keep(result)).resolves.toMatchObject({ width: width * scale, height: height * scale })
  })

  it('keeps the colours, and draws a grey picture in colour channels', async () => {
    for (const background of [
      { r: 12, g: 200, b: 77 },
      { r: 255, g: 255, b: 255 },
      { r: 0, g: 0, b: 0 },
    ]) {
      const { at } = await pixels(await enlarge(await cleaned(plain(24, 24, background)), 2))
      for (const [x, y] of [
        [0, 0],
        [23, 24],
        [47, 47],
      ] as const) {
        const [red = 0, green = 0, blue = 0] = at(x, y)
        expect(
          Math.abs(red - background.r) + Math.abs(green - background.g) + Math.abs(blue - background.b),
        ).toBeLessThan(8)
      }
    }
    const grey = await pixels(await enlarge(await cleaned(plain(20, 20, '#777').greyscale()), 2))
    expect(grey.at(5, 5)).toEqual([119, 119, 119])
  })

  it('converts a wide-gamut picture to sRGB instead of showing its numbers', async () => {
    const p3 = await plain(40, 40, { r: 200, g: 60, b: 40 }).withIccProfile('p3').png().toBuffer()
    const expected = await pixels(await sharp(p3).png().toBuffer())
    const { at } = await pixels(await enlarge(await tools.clean(p3), 2))
    const difference = at(40, 40).map((value, channel) => Math.abs(value - (expected.at(20, 20)[channel] ?? 0)))
    expect(Math.max(...difference)).toBeLessThan(6)
  })

  it('turns a photo upright before it enlarges it', async () => {
    const left = await plain(20, 60, '#ff0000').png().toBuffer()
    const photo = await plain(60, 60, '#0000ff')
      .composite([{ input: left, left: 0, top: 0 }])
      .jpeg({ quality: 100 })
      .withMetadata({ orientation: 6 })
      .toBuffer()
    const { at, width, height } = await pixels(await enlarge(await tools.clean(photo), 2))
    expect([width, height]).toEqual([120, 120])
    // a quarter turn clockwise: what was on the left is above
    expect(at(60, 10)[0]).toBeGreaterThan(200)
    expect(at(60, 110)[2]).toBeGreaterThan(200)
  })

  it('keeps transparency, and no invisible colour shines through at its edge', async () => {
    const dot = await plain(20, 20, { r: 255, g: 255, b: 255, alpha: 1 }, 4).png().toBuffer()
    // green where nothing shows
    const picture = plain(40, 20, { r: 0, g: 255, b: 0, alpha: 0 }, 4).composite([{ input: dot, left: 0, top: 0 }])
    const result = await enlarge(await cleaned(picture), 2)
    expect((await sharp(result).metadata()).hasAlpha).toBe(true)
    const { at } = await pixels(result)
    expect(at(10, 20)[3]).toBe(255)
    expect(at(70, 20)[3]).toBe(0)
    for (let x = 30; x < 50; x++) {
      const [red = 0, green = 0, , alpha = 0] = at(x, 20)
      if (alpha > 20) expect(green - red, `at ${x}`).toBeLessThan(20)
    }
    const opaque = await enlarge(await cleaned(plain(20, 20, { r: 9, g: 9, b: 9, alpha: 1 }, 4)), 2)
    expect((await sharp(opaque).metadata()).format).toBe('jpeg')
  })

  it('uses the filter of Lanczos: a point has a ring around its dark ring', async () => {
    const size = 15
    const point = Buffer.alloc(size * size * 3, 100)
    point.fill(255, (7 * size + 7) * 3, (7 * size + 7) * 3 + 3)
    const file = await cleaned(sharp(point, { raw: { width: size, height: size, channels: 3 } }))
    const { data } = await sharp(file.data).raw().toBuffer({ resolveWithObject: true })
    const { data: large, width } = await enlargePixels({ data, width: size, height: size, channels: 3 }, { scale: 4 })
    const row = Array.from({ length: width }, (_, x) => large[(30 * width + x) * 3] ?? 0)
    expect(row[30]).toBeGreaterThan(240)
    // one and two pixels of the source beside it; a bicubic filter ends before the second
    expect(row[36]).toBeLessThan(98)
    expect(row[40]).toBeGreaterThan(100)
    expect(row[46]).toBe(100)
  })

  it('stops when its signal aborts, and lets other work run meanwhile', async () => {
    const file = await cleaned(plain(1200, 1200, '#456'))
    let turns = 0
    const counting = setInterval(() => turns++, 1)
    await enlarge(file, 4)
    clearInterval(counting)
    expect(turns).toBeGreaterThan(5)
    const stop = new AbortController()
    const stopped = enlarge(file, 4, stop.signal)
    setTimeout(() => stop.abort(new Error('stopped')), 20)
    await expect(stopped).rejects.toThrow('stopped')
  })
})
