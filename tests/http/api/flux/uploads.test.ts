import { randomBytes, randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import sharp from 'sharp'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { forgetOldUploads } from '../../../../src/core/media/uploads.ts'
import type { ImageFile } from '../../../../src/core/ports/images.ts'
import { createFetcher } from '../../../../src/http/api/fetcher.ts'
import { inputOf } from '../../../../src/http/api/inputs.ts'
import { createCosStore } from '../../../../src/storage/cos.ts'
import { createPlain, pngOf } from '../../../helpers/core.ts'
import { isInBucket } from '../../../helpers/store.ts'
import { openService, type Service } from './service.ts'

let service: Service
/** Widths of the images that providers received. */
const received: number[][] = []

beforeAll(async () => {
  const widths = (images: readonly ImageFile[]) => images.map(({ width }) => width)
  const provider = createPlain({
    start: async ({ images }) => {
      received.push(widths(images))
      return { state: 'done', images: [await pngOf(64, 32)] }
    },
  })
  service = await openService({ providers: [provider], limits: { perMinute: 10_000, welcome: 1_000 } })
  await service.test.work()
})
afterAll(async () => {
  expect(await service.close()).toEqual([])
})
beforeEach(() => {
  received.length = 0
  service.fetched.length = 0
})

const formOf = (files: readonly (Buffer | string)[], name = 'file', filename = 'a.png'): FormData => {
  const form = new FormData()
  for (const data of files)
    form.append(name, new Blob([new Uint8Array(Buffer.from(data))], { type: 'image/png' }), filename)
  return form
}
const upload = (files: readonly (Buffer | string)[], key?: string) =>
  service.call(`POST ${files.length === 1 ? 'upload-image' : 'upload-images'}`, {
    body: formOf(files, files.length === 1 ? 'file' : 'files'),
    key,
  })
const change = (image_url: string, key?: string) =>
  service.call('POST image-to-image?wait=true', { body: { prompt: 'night', image_url }, key })
const rows = () => service.core.database.rows(sql`select key, type, width, height, bytes from uploads order by key`)

describe('an uploaded image', () => {
  it('is encoded again without metadata, stored, and described', async () => {
    const withMetadata = await sharp({ create: { width: 20, height: 10, channels: 3, background: '#123456' } })
      .withExif({ IFD0: { Copyright: 'the author' } })
      .jpeg()
      .toBuffer()
    const before = await rows()
    const { status, body } = await upload([Buffer.concat([withMetadata, Buffer.from('<script>alert(1)</script>')])])
    expect(status).toBe(200)
    expect(body).toMatchObject({ success: true, width: 20, height: 10, content_type: 'image/jpeg', file_id: body.key })
    expect(body.key).toMatch(/^input\/[0-9a-f-]{36}\/0-[\w-]{22}\.jpg$/)
    expect(Date.parse(body.kept_until) - Date.now()).toBeGreaterThan(23 * 3_600_000)
    expect(Date.parse(body.expires_at) - Date.now()).toBeLessThanOrEqual(600_000)
    const kept = await service.core.store.get(body.key)
    expect(kept?.data.length).toBe(body.bytes)
    for (const word of ['the author', 'script']) expect(kept?.data.includes(word)).toBe(false)
    expect(await rows()).toEqual(
      expect.arrayContaining([
        ...before,
        { key: body.key, type: 'image/jpeg', width: 20, height: 10, bytes: body.bytes },
      ]),
    )
    const shown = await fetch(body.url)
    expect([shown.status, shown.headers.get('content-type')]).toEqual([200, 'image/jpeg'])
  })

  it('of several has the position of its file', async () => {
    const webp = await sharp(await pngOf(30, 30))
      .webp()
      .toBuffer()
    const { status, body } = await upload([await pngOf(10, 10), await pngOf(20, 20), webp])
    expect(status).toBe(200)
    expect(body.map(({ width }: { width: number }) => width)).toEqual([10, 20, 30])
    expect(body[2]).toMatchObject({ success: true, content_type: 'image/webp' })
    const urls = body.map(({ url }: { url: string }) => url)
    const edit = { prompt: 'all', image_urls: [urls[2], body[0].key, urls[1]] }
    expect((await service.call('POST multi-image-edit?wait=true', { body: edit })).body.status).toBe('SUCCESS')
    expect(received).toEqual([[30, 10, 20]])
  })

  it('is used by the same account by link and by key, without a network request', async () => {
    const { url, key } = (await upload([await pngOf(40, 40)])).body
    const expired = `${url.split('?')[0]}?expires=1&signature=x`
    for (const address of [url, key, expired]) expect((await change(address)).body.status).toBe('SUCCESS')
    expect(received).toEqual([[40], [40], [40]])
    expect(service.fetched).toEqual([])
  })

  it('is used by its COS link without a network request', async () => {
    const { key } = (await upload([await pngOf(40, 40)])).body
    const {
      userId,
      core: { log },
    } = service
    const account = { secretId: 'id', secretKey: 'secret', bucket: 'pictures-1250000000', region: 'ap-guangzhou' }
    const cos = createCosStore({ ...account, log })
    const core = { ...service.core, store: { ...service.core.store, link: cos.link } }
    const parts = { publicUrl: 'http://localhost:8080' }
    const fetcher = createFetcher(parts)
    const holder = { userId, keyId: null, admin: false, models: null }
    const link = await cos.link(key, 600)
    expect(link).toMatch(/^https:\/\/pictures-1250000000\.cos\.ap-guangzhou\./)
    const bytes = await inputOf({ core, fetcher, parts }, holder, link).load(10_000_000)
    expect(bytes).toEqual((await service.core.store.get(key))?.data)
    await fetcher.close()
    await cos.close()
  })

  it('that is fetched from a similar link stops loading when the request is aborted', async () => {
    const { core, userId } = service
    const signals: unknown[] = []
    const load = async (_limitBytes: number, signal?: AbortSignal) => Buffer.alloc(signals.push(signal))
    const fetcher = { attachment: () => ({ name: 'image', load }), close: async () => undefined }
    const holder = { userId, keyId: null, admin: false, models: null }
    const parts = { publicUrl: 'https://slow.example' }
    const { signal } = new AbortController()
    for (const path of [`${randomUUID()}/0-abc.png`, `${randomUUID()}?n=0`]) {
      await inputOf({ core, fetcher, parts }, holder, `https://slow.example/image/${path}`).load(10, signal)
    }
    expect(signals).toEqual([signal, signal])
  })

  it('has the same rights as a generated image', async () => {
    const { image_url: url } = (await change((await upload([await pngOf(40, 40)])).body.url)).body
    received.length = 0
    expect((await change(url)).body.status).toBe('SUCCESS')
    expect([received, service.fetched]).toEqual([[[64]], []])
  })

  it.skipIf(isInBucket)('of another account can only be used by its signed link', async () => {
    const { url, key } = (await upload([await pngOf(40, 40)])).body
    const bob = await service.keyFor('bob')
    expect((await change(url, bob)).body.status).toBe('SUCCESS')
    expect(service.fetched).toHaveLength(1)
    const byKey = await change(key, bob)
    expect([byKey.status, byKey.body.error.code]).toEqual([404, 'unknown_upload'])
    const forged = await change(url.replace(/signature=.{4}/, 'signature=AAAA'), bob)
    expect([forged.status, forged.body.error.code]).toEqual([400, 'image_unreachable'])
    const elsewhere = await change(`https://127.0.0.1/image/${key}`, bob)
    expect([elsewhere.status, elsewhere.body.error.code]).toEqual([400, 'image_unreachable'])
  })

  it('is deleted after a day', async () => {
    const { key } = (await upload([await pngOf(40, 40)])).body
    await service.core.database.rows(
      sql`update uploads set created_at = now() - interval '25 hours' where key = ${key}`,
    )
    const { status, body } = await change(key)
    expect([status, body.error.code]).toEqual([404, 'unknown_upload'])
    await forgetOldUploads(service.core)
    expect(await service.core.database.rows(sql`select key from uploads where key = ${key}`)).toEqual([])
    expect(await service.store.keys()).not.toContain(key)
  })
})

describe('an invalid upload', () => {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
  const gif = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64')
  const png = () => pngOf(30, 30)
  /** A header that declares 60,000 × 60,000 pixels. */
  const bomb = async () => {
    const bytes = await png()
    bytes.writeUInt32BE(60_000, 16)
    bytes.writeUInt32BE(60_000, 20)
    return bytes
  }
  const big = async () => Buffer.concat([await png(), randomBytes(11 * 1024 * 1024)])

  it.each<[string, () => Promise<readonly (Buffer | string)[]>, number, string, string | undefined]>([
    ['an SVG named .png', async () => [svg], 415, 'image_type', 'files.0'],
    ['a GIF', async () => [gif], 415, 'image_type', 'files.0'],
    ['an empty file', async () => [''], 415, 'image_type', 'files.0'],
    ['a web page', async () => ['<html></html>'], 415, 'image_type', 'files.0'],
    ['half a picture', async () => [(await png()).subarray(0, 60)], 400, 'image_unreadable', 'files.0'],
    ['a header without data', async () => [(await png()).subarray(0, 8)], 400, 'image_unreadable', 'files.0'],
    ['too many pixels', async () => [await bomb()], 413, 'image_too_big', 'files.0'],
    ['a file of 11 MB', async () => [await big()], 413, 'image_too_big', undefined],
    ['one invalid file among valid ones', async () => [await png(), svg, await png()], 415, 'image_type', 'files.1'],
    ['no file', async () => [], 400, 'bad_request', 'files'],
    ['fifteen files', async () => Array(15).fill(await png()), 400, 'bad_request', 'files'],
    ['twenty files', async () => Array(20).fill(await png()), 400, 'bad_request', 'body'],
    [
      'files of 54 MB together',
      async () => Array(6).fill(randomBytes(9 * 1024 * 1024)),
      413,
      'request_too_big',
      undefined,
    ],
  ])('with %s is refused, and nothing is stored', async (_name, files, status, code, field) => {
    const before = [await rows(), (await service.store.keys()).length]
    const { status: answered, body } = await upload(await files())
    expect([answered, body.error.code, body.error.details?.[0]?.field]).toEqual([status, code, field])
    expect([await rows(), (await service.store.keys()).length]).toEqual(before)
  })

  it('with a second file, or with a file in an unknown field, is refused by the name of the field', async () => {
    const two = formOf([await png(), await png()])
    const other = formOf([await png()], 'mask')
    for (const [body, field] of [
      [two, 'file'],
      [other, 'mask'],
    ] as const) {
      const answer = await service.call('POST upload-image', { body })
      expect([answer.status, answer.body.error.details[0].field]).toEqual([400, field])
    }
  })

  it('by a banned account, or above the daily limit, is refused', async () => {
    const key = await service.keyFor('mallory')
    const { database } = service.core
    await database.rows(sql`update users set banned = true where name = 'mallory'`)
    const banned = await upload([await png()], key)
    expect([banned.status, banned.body.error.code]).toEqual([403, 'banned'])
    await database.rows(sql`update users set banned = false where name = 'mallory'`)
    await database.rows(sql`
      insert into uploads (key, user_id, type, width, height, bytes)
      select 'input/x/' || n || '.png', u.id, 'image/png', 1, 1, 1 from users u, generate_series(1, 200) n
      where name = 'mallory'`)
    const full = await upload([await png()], key)
    expect([full.status, full.body.error.code]).toEqual([429, 'too_many_uploads'])
    await database.rows(sql`delete from uploads where key like 'input/x/%'`)
    expect((await upload([await png()], key)).status).toBe(200)
  })
})
