import sharp, { type Sharp } from 'sharp'
import { beforeAll, describe, expect, it } from 'vitest'
import { createImageTools } from '../../src/storage/images.ts'
import { animatedWebp, photo } from '../helpers/files.ts'

const tools = createImageTools()
const types = ['png', 'jpeg', 'webp'] as const

/** Pixels in sRGB as a browser shows them: with profile and orientation applied. */
const shown = (data: Buffer) =>
  sharp(data, { failOn: 'none' }).autoOrient().toColourspace('srgb').removeAlpha().raw().toBuffer()

async function largestShift(data: Buffer, original: Buffer): Promise<number> {
  const [one, other] = [await shown(data), await shown(original)]
  expect(one.length).toBe(other.length)
  return one.reduce((most, value, at) => Math.max(most, Math.abs(value - (other[at] ?? 0))), 0)
}

/** A colour that sRGB has, written with the numbers of another colour space. */
const patch = (width = 64, height = 48) =>
  sharp({ create: { width, height, channels: 3, background: { r: 200, g: 60, b: 90 } } })
const encoders = {
  png: (picture: Sharp) => picture.png(),
  jpeg: (picture: Sharp) => picture.jpeg({ quality: 95 }),
  webp: (picture: Sharp) => picture.webp({ quality: 95 }),
}

describe('the colours of a picture', () => {
  const cases = types.flatMap((type) => ['p3', 'srgb'].map((profile) => [type, profile] as const))

  it.each(cases)('stay right with a profile: %s, %s', async (type, profile) => {
    const bytes = await encoders[type](patch().withIccProfile(profile)).toBuffer()
    const kept = await tools.keep(bytes)
    expect(await largestShift(kept.data, bytes)).toBe(0)
    expect(await largestShift((await tools.clean(bytes)).data, bytes)).toBeLessThanOrEqual(3)
    expect(await largestShift((await tools.png(kept)).data, bytes)).toBeLessThanOrEqual(1)
    expect(await largestShift((await tools.thumbnail(kept, 64)).data, bytes)).toBeLessThanOrEqual(4)
  })

  it('stay right in CMYK', async () => {
    const bytes = await patch().toColourspace('cmyk').withIccProfile('cmyk').jpeg({ quality: 95 }).toBuffer()
    const kept = await tools.keep(bytes)
    expect(await largestShift(kept.data, bytes)).toBe(0)
    expect(await largestShift((await tools.clean(bytes)).data, bytes)).toBeLessThanOrEqual(4)
    expect(await largestShift((await tools.thumbnail(kept, 64)).data, bytes)).toBeLessThanOrEqual(4)
  })

  it('stay right with 16 bits, and their profile outlives other metadata', async () => {
    const exif = { IFD0: { Copyright: 'SECRETNAME' } }
    const bytes = await patch().toColourspace('rgb16').withIccProfile('p3').withExifMerge(exif).png().toBuffer()
    const kept = await tools.keep(bytes)
    expect(bytes.includes('SECRETNAME')).toBe(true)
    expect(kept.data.includes('SECRETNAME')).toBe(false)
    expect(await largestShift(kept.data, bytes)).toBeLessThanOrEqual(1)
  })
})

describe('the orientation of a picture', () => {
  const cases = types.flatMap((type) => [1, 2, 3, 4, 5, 6, 7, 8].map((orientation) => [type, orientation] as const))

  it.each(cases)('is applied: %s, EXIF %i', async (type, orientation) => {
    const bytes = await encoders[type](photo(64, 48)).withMetadata({ orientation }).toBuffer()
    const [width, height] = orientation > 4 ? [48, 64] : [64, 48]
    for (const file of [await tools.clean(bytes), await tools.keep(bytes)]) {
      expect(file).toMatchObject({ width, height, type: `image/${type}` })
      expect((await sharp(file.data).metadata()).orientation ?? 1).toBe(1)
      expect(await averageShift(file.data, bytes)).toBeLessThan(8)
    }
  })

  async function averageShift(data: Buffer, original: Buffer): Promise<number> {
    const [one, other] = [await shown(data), await shown(original)]
    return one.reduce((sum, value, at) => sum + Math.abs(value - (other[at] ?? 0)), 0) / one.length
  }
})

describe('an animation', () => {
  it('becomes its first frame', async () => {
    const bytes = await animatedWebp()
    for (const file of [await tools.clean(bytes), await tools.keep(bytes)]) {
      expect(file).toMatchObject({ type: 'image/webp', width: 64, height: 48 })
      expect((await sharp(file.data).metadata()).pages ?? 1).toBe(1)
      const [red, green, blue] = await shown(file.data)
      expect([red! > 240, green! < 15, blue! < 15]).toEqual([true, true, true])
      expect(await tools.thumbnail(file, 32)).toMatchObject({ width: 32, height: 24 })
    }
  })
})

describe('a JPEG without its last bytes', () => {
  let whole: Record<'baseline' | 'progressive', Buffer>
  beforeAll(async () => {
    whole = {
      baseline: await photo(640, 480).jpeg({ quality: 90 }).toBuffer(),
      progressive: await photo(640, 480).jpeg({ quality: 90, progressive: true }).toBuffer(),
    }
  })

  it.each(['baseline', 'progressive'] as const)('is read when only its end marker is missing: %s', async (kind) => {
    const cut = whole[kind].subarray(0, -2)
    for (const file of [await tools.clean(cut), await tools.keep(cut)]) {
      expect(file).toMatchObject({ type: 'image/jpeg', width: 640, height: 480 })
      await sharp(file.data, { failOn: 'warning' }).raw().toBuffer()
    }
    expect(await largestShift((await tools.keep(cut)).data, whole[kind])).toBe(0)
  })

  it.each([1, 2, 3, 10, 100, 1000].map((bytes) => [bytes] as const))(
    'shows what there is when a person sends it: %i bytes missing',
    async (missing) => {
      for (const kind of ['baseline', 'progressive'] as const) {
        const file = await tools.clean(whole[kind].subarray(0, -missing))
        expect(file).toMatchObject({ width: 640, height: 480 })
      }
    },
  )

  it.each(['baseline', 'progressive'] as const)(
    'is fetched again when a service sends half of it: %s',
    async (kind) => {
      const half = whole[kind].subarray(0, whole[kind].length / 2)
      await expect(tools.keep(half)).rejects.toMatchObject({ kind: 'bad_result', final: false })
    },
  )
})

describe('what is stored of a result', () => {
  it.each(types)('is what was checked, also after bytes that hide behind the end: %s', async (type) => {
    const bytes = await encoders[type](photo(64, 48)).toBuffer()
    const { data } = await tools.keep(Buffer.concat([bytes, Buffer.from('SECRETTAIL'), bytes]))
    expect(data.includes('SECRETTAIL')).toBe(false)
    await sharp(data, { failOn: 'warning' }).raw().toBuffer()
    expect(await largestShift(data, bytes)).toBe(0)
  })

  it('has a sentence that does not ask for another try', async () => {
    const { en } = await import('../../src/locales/en.ts')
    const { zh } = await import('../../src/locales/zh.ts')
    const limits = [{}, { limitMb: 64 }, { width: 9000, height: 9000, limitMegapixels: 50 }, { limitSide: 16_384 }]
    for (const words of [en, zh]) {
      for (const data of limits) expect(words.errors.bad_result(data)).not.toMatch(/try again|重试|undefined|NaN/i)
      expect(words.errors.not_stored()).not.toMatch(/try again|重试/i)
    }
    expect(en.errors.image_too_big({ width: 9000, height: 9000, limitMegapixels: 50 })).toBe(
      'That picture is too big: it has 9,000 × 9,000 pixels, and at most 50 megapixels are possible.',
    )
    expect(zh.errors.image_too_big({ width: 9000, height: 9000, limitMegapixels: 50 })).toBe(
      '图片太大：图片为 9,000 × 9,000 像素，最多 5000 万像素。',
    )
  })
})
