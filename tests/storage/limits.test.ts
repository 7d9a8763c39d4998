import { deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { beforeAll, describe, expect, it } from 'vitest'
import type { ErrorData } from '../../src/core/errors.ts'
import { AppError } from '../../src/core/errors.ts'
import { createDecodeTurns } from '../../src/core/media/turns.ts'
import type { ImageFile } from '../../src/core/ports/images.ts'
import { bodyFor } from '../../src/providers/cloudflare/body.ts'
import { sketch } from '../../src/providers/sketch/sketch.ts'
import { createImageTools } from '../../src/storage/images.ts'
import { cpuSeconds, greyPng, photo, pngChunk, repeatedScans, resizedJpeg, webpCanvas } from '../helpers/files.ts'
import { keepLog } from '../helpers/log.ts'

const tools = createImageTools()
/** Several times what each file takes: without limits the worst of them take fifteen seconds and more. */
const refusedSeconds = 3
const acceptedSeconds = 6

async function failure(work: Promise<unknown>): Promise<{ kind: string; data?: ErrorData; final?: boolean }> {
  try {
    await work
    return { kind: 'accepted' }
  } catch (error) {
    return error instanceof AppError ? error : { kind: `not an AppError: ${String(error)}` }
  }
}

/** Decoding has a limit of time, which a busy machine may reach. `seconds`: CPU time of the attempt that ended in time. */
async function cleaned(bytes: Buffer): Promise<{ file: ImageFile; seconds: number }> {
  for (;;) {
    try {
      let file: ImageFile | undefined
      const seconds = await cpuSeconds(async () => {
        file = await tools.clean(bytes)
      })
      return { file: file!, seconds }
    } catch (error) {
      if (!(error instanceof AppError) || error.kind !== 'overloaded') throw error
    }
  }
}

let small: Buffer
let progressive: Buffer
const files = new Map<string, Buffer>()
beforeAll(async () => {
  small = await photo(64, 48).jpeg().toBuffer()
  progressive = await photo(64, 48).jpeg({ progressive: true }).toBuffer()
  files.set('24 megapixels in JPEG', await photo(6000, 4000).jpeg({ quality: 85 }).toBuffer())
  files.set('48 megapixels in JPEG', await photo(8064, 6048).jpeg({ quality: 85 }).toBuffer())
  files.set('48 megapixels in progressive JPEG', await photo(8064, 6048).jpeg({ progressive: true }).toBuffer())
  files.set('50 megapixels of a phone', await photo(8192, 6144).jpeg({ quality: 80 }).toBuffer())
  files.set('48 megapixels in WebP', await photo(8064, 6048).webp({ effort: 0 }).toBuffer())
  files.set('48 megapixels in PNG', greyPng({ width: 8064, height: 6048 }))
  files.set('24 megapixels, held upright', await photo(6000, 4000).jpeg().withMetadata({ orientation: 6 }).toBuffer())
  files.set('a panorama of ten to one', await photo(16_000, 1600).jpeg().toBuffer())
})

describe('a picture beyond a limit', () => {
  const text = pngChunk('zTXt', Buffer.concat([Buffer.from('key\0\0'), deflateSync(Buffer.alloc(7_900_000))]))
  const profile = pngChunk('iCCP', Buffer.concat([Buffer.from('key\0\0'), deflateSync(Buffer.alloc(50_000_000))]))
  const cases: [string, () => Buffer, ErrorData | undefined][] = [
    ['a PNG of 1×16,000,000', () => greyPng({ width: 1, height: 16_000_000 }), { limitSide: 16_384 }],
    ['a PNG of 16,000,000×1', () => greyPng({ width: 16_000_000, height: 1 }), { limitSide: 16_384 }],
    ['a PNG of 100×400,000', () => greyPng({ width: 100, height: 400_000 }), { limitSide: 16_384 }],
    ['a PNG of 900×16,385', () => greyPng({ width: 900, height: 16_385 }), { limitSide: 16_384 }],
    ['a PNG of 1×16,384', () => greyPng({ width: 1, height: 16_384 }), { limitRatio: 100 }],
    ['a PNG of 101×1', () => greyPng({ width: 101, height: 1 }), { limitRatio: 100 }],
    ['a PNG of 9000×9000', () => greyPng({ width: 9_000, height: 9_000 }), { limitMegapixels: 50 }],
    ['a PNG of 16,384×16,384', () => greyPng({ width: 16_384, height: 16_384, rows: text }), { limitMegapixels: 50 }],
    ['a JPEG of 65,500×65,500', () => resizedJpeg(small, 65_500, 65_500), { limitSide: 16_384 }],
    ['a JPEG of 8000×8000', () => resizedJpeg(small, 8_000, 8_000), { limitMegapixels: 50 }],
    ['a JPEG of 8×16,000', () => resizedJpeg(small, 8, 16_000), { limitRatio: 100 }],
    ['a progressive JPEG of 10,000×9000', () => resizedJpeg(progressive, 10_000, 9_000), { limitMegapixels: 50 }],
    ['a WebP canvas of 16,383×16,383', () => webpCanvas(16_383, 16_383), undefined],
    ['a WebP canvas of 1×16,777,216', () => webpCanvas(1, 2 ** 24), undefined],
    ['a JPEG of 200 scans', () => repeatedScans(progressive, 200), undefined],
    ['a large JPEG of 40 scans', () => resizedJpeg(repeatedScans(progressive, 40), 8_000, 6_000), undefined],
    [
      'rows that end after the first',
      () => greyPng({ width: 8_000, height: 6_000, rows: deflateSync(small) }),
      undefined,
    ],
  ]

  it.each(cases)('is refused before it is decoded, by each function: %s', async (_, make, limit) => {
    const data = make()
    const seconds = await cpuSeconds(async () => {
      const { clean, keep, keepWithThumbnail, thumbnail, png } = tools
      const [cleaned, ...results] = await Promise.all(
        [clean(data), keep(data), keepWithThumbnail(data, 512), thumbnail({ data }, 512), png({ data })].map(failure),
      )
      if (limit) expect(cleaned).toMatchObject({ kind: 'image_too_big', data: limit })
      else expect(['image_unreadable', 'image_too_big']).toContain(cleaned?.kind)
      for (const result of results) {
        expect(result).toMatchObject({ kind: 'bad_result' })
        // fetching it again would change nothing
        if (limit) expect(result).toMatchObject({ final: true, data: limit })
      }
    })
    expect(seconds).toBeLessThan(refusedSeconds)
  })

  it.each([
    ['900 texts that expand to 8 MB each', () => greyPng({ width: 64, height: 64, before: Array(900).fill(text) })],
    ['a profile that expands to 50 MB', () => greyPng({ width: 64, height: 64, before: [profile] })],
    [
      'rows that expand to 100 MB',
      () => greyPng({ width: 64, height: 64, rows: deflateSync(Buffer.alloc(100_000_000)) }),
    ],
  ])('expands to no more than its pixels: %s', async (_, make) => {
    const data = make()
    const seconds = await cpuSeconds(async () => {
      for (const made of await Promise.allSettled([tools.clean(data), tools.keep(data)])) {
        if (made.status === 'rejected') expect(made.reason).toBeInstanceOf(AppError)
        else expect(made.value).toMatchObject({ width: 64, height: 64 })
      }
    })
    expect(seconds).toBeLessThan(refusedSeconds)
  })
})

describe('a photo', () => {
  it.each([
    ['24 megapixels in JPEG', 6000 / 4000, 'image/jpeg'],
    ['48 megapixels in JPEG', 8064 / 6048, 'image/jpeg'],
    ['48 megapixels in progressive JPEG', 8064 / 6048, 'image/jpeg'],
    ['50 megapixels of a phone', 8192 / 6144, 'image/jpeg'],
    ['48 megapixels in WebP', 8064 / 6048, 'image/webp'],
    ['48 megapixels in PNG', 8064 / 6048, 'image/png'],
    ['24 megapixels, held upright', 4000 / 6000, 'image/jpeg'],
    ['a panorama of ten to one', 10, 'image/jpeg'],
  ])('is shrunk to what models read, in its shape: %s', async (name, ratio, type) => {
    const bytes = files.get(name) ?? Buffer.alloc(0)
    const { file, seconds } = await cleaned(bytes)
    expect(file.type).toBe(type)
    expect(file.width * file.height).toBeLessThan(16_777_216)
    expect(file.width * file.height).toBeGreaterThan(8_000_000)
    expect(file.width / file.height).toBeCloseTo(ratio, 1)
    expect(seconds).toBeLessThan(acceptedSeconds)
  })

  it('whose progressive scans take too much memory is refused, with what is possible', async () => {
    const bytes = await photo(8064, 6048)
      .jpeg({ progressive: true, quality: 50, chromaSubsampling: '4:4:4' })
      .toBuffer()
    const data = { width: 8064, height: 6048, limitProgressive: 29 }
    expect(await failure(tools.clean(bytes))).toMatchObject({ kind: 'image_too_big', data })
    const smaller = await photo(6000, 4000)
      .jpeg({ progressive: true, quality: 50, chromaSubsampling: '4:4:4' })
      .toBuffer()
    expect((await cleaned(smaller)).file).toMatchObject({ type: 'image/jpeg' })
  })

  it('of up to 16 megapixels keeps its size', async () => {
    const bytes = await photo(4096, 4096).jpeg().toBuffer()
    expect((await cleaned(bytes)).file).toMatchObject({ width: 4096, height: 4096 })
  })

  it('of 48 megapixels that a service drew is kept as it is, and gets a thumbnail', async () => {
    const bytes = files.get('48 megapixels in JPEG') ?? Buffer.alloc(0)
    const seconds = await cpuSeconds(async () => {
      const { file, thumbnail } = await tools.keepWithThumbnail(bytes, 512)
      expect(file).toMatchObject({ width: 8064, height: 6048 })
      expect(thumbnail).toMatchObject({ width: 512, height: 384 })
    })
    expect(seconds).toBeLessThan(acceptedSeconds)
  })

  it('takes turns with the drawings of the built-in provider and with what is sent to Cloudflare', async () => {
    const decode = createDecodeTurns()
    const own = createImageTools(decode)
    const log = keepLog()
    const settings = { baseUrl: 'sketch:', timeoutMs: 10_000, concurrency: 5 }
    const drawer = sketch.create(settings, { log, decode })
    const file = {
      data: await photo(1024, 1024).png().toBuffer(),
      type: 'image/png' as const,
      width: 1024,
      height: 1024,
    }
    const input = { prompt: 'a cat', width: 512, height: 512, count: 1 }
    const base = { id: 'one', input, images: [file], endpoint: '' }
    const sent = {
      ...base,
      endpoint: '@cf/black-forest-labs/flux-2-dev',
      input: { prompt: 'a', input_image_0: { $image: 0 } },
    }
    let most = 0
    const watch = setInterval(() => {
      most = Math.max(most, sharp.counters().process + sharp.counters().queue)
    }, 1)
    const work = Array.from({ length: 4 }, () => [
      own.clean(file.data),
      drawer.start(base, new AbortController().signal),
      bodyFor(sent, { decode }),
    ])
    await Promise.all(work.flat())
    clearInterval(watch)
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThanOrEqual(2)
  })

  it('is decoded beside files and names: at most two at a time', async () => {
    const bytes = files.get('48 megapixels in WebP') ?? Buffer.alloc(0)
    let most = 0
    const watch = setInterval(() => {
      most = Math.max(most, sharp.counters().process)
    }, 1)
    await Promise.all(Array.from({ length: 5 }, () => tools.clean(bytes)))
    clearInterval(watch)
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThanOrEqual(2)
  })
})
