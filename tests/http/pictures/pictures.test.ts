import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import sharp from 'sharp'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { AppError } from '../../../src/core/errors.ts'
import { verifyLink } from '../../../src/core/media/links.ts'
import { outputKey, thumbnailKey } from '../../../src/core/media/object-keys.ts'
import { createThumbnailTurns } from '../../../src/core/media/thumbnail-turns.ts'
import type { ObjectStore, StoredObject } from '../../../src/core/ports/storage.ts'
import { pictures } from '../../../src/http/pictures/pictures.ts'
import { createRenditions } from '../../../src/http/pictures/renditions.ts'
import { createStoredPictures } from '../../../src/http/pictures/stored.ts'
import { createApp } from '../../../src/http/server/app.ts'
import { createDiskStore } from '../../../src/storage/disk.ts'
import { createImageTools } from '../../../src/storage/images.ts'
import { openTestDatabase, quickest, type TestDatabase } from '../../helpers/backends.ts'
import { keepLog } from '../../helpers/log.ts'

const publicUrl = 'http://localhost:8080'
const secretKey = Buffer.from('a secret key for tests, 32 chars')
const id = '01890000-0000-7000-8000-000000000001'
const log = keepLog()

let folder: string
let store: ObjectStore
/** Keys that were read from the store. */
const read: string[] = []
let app: FastifyInstance
let opened: TestDatabase
let core: Parameters<typeof createStoredPictures>[0]
let url: string
let key: string
let smallKey: string
let png: Buffer
let link: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fluxbot-pictures-'))
  const disk = createDiskStore({ folder, secretKey, publicUrl })
  store = {
    ...disk,
    get: (name) => {
      read.push(name)
      return disk.get(name)
    },
  }
  opened = await openTestDatabase(quickest)
  core = {
    store,
    secretKey,
    images: createImageTools(),
    database: opened.database,
    thumbnailTurns: createThumbnailTurns(),
    log,
  }
  key = outputKey(core, id, 0, 'image/png')
  smallKey = thumbnailKey(core, id, 0)
  png = await sharp({ create: { width: 800, height: 400, channels: 3, background: '#3366cc' } })
    .png()
    .toBuffer()
  await store.put(key, png, 'image/png')
  const verify = (given: Parameters<typeof verifyLink>[1]) => verifyLink(secretKey, given)
  app = createApp({
    log,
    plugins: [pictures({ ...createStoredPictures(core), verify })],
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  link = await store.link(key, 600)
})
afterAll(async () => {
  await app.close()
  await opened.drop()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(() => {
  read.length = 0
})

async function get(address: string, headers: Record<string, string> = {}, method = 'GET') {
  const response = await fetch(address.replace(publicUrl, url), { method, headers })
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    bytes: Buffer.from(await response.arrayBuffer()),
  }
}

describe('a picture by its link', () => {
  it('is sent whole, with its type, and may be cached until the link expires', async () => {
    const { status, headers, bytes } = await get(link)
    expect([status, bytes.equals(png)]).toEqual([200, true])
    expect(headers).toMatchObject({
      'content-type': 'image/png',
      'content-length': String(png.length),
      'x-content-type-options': 'nosniff',
      'accept-ranges': 'bytes',
      'content-disposition': `inline; filename="${key.split('/').at(-1)}"`,
      'content-security-policy': "default-src 'none'; sandbox",
      'access-control-allow-origin': '*',
      etag: expect.stringMatching(/^"[\w-]{27}"$/),
    })
    expect(headers['cache-control']).toMatch(/^private, max-age=(600|59\d), immutable$/)
    const head = await get(link, { range: 'bytes=0-9' }, 'HEAD')
    expect([head.status, head.bytes.length, head.headers['content-length']]).toEqual([200, 0, String(png.length)])
    expect((await get(link, {}, 'OPTIONS')).status).toBe(204)
  })

  it('is not loaded for clients that have it', async () => {
    const { headers } = await get(link)
    const etag = headers.etag ?? ''
    for (const given of [etag, `W/${etag}`, `"other", ${etag}`, `"a,b",W/${etag} , "c"`, '*']) {
      read.length = 0
      const again = await get(link, { 'if-none-match': given })
      expect([again.status, again.bytes.length, again.headers.etag], given).toEqual([304, 0, etag])
      expect(again.headers['cache-control']).toContain('immutable')
      expect(read).toEqual([])
    }
    for (const given of ['"other"', 'W/"other"', etag.slice(1, -1), '"*"', `"${etag}`, '""']) {
      expect((await get(link, { 'if-none-match': given })).status, given).toBe(200)
    }
    const small = await get(`${link}&w=64`)
    expect(small.headers.etag).not.toBe(etag)
    expect((await get(`${link}&w=64`, { 'if-none-match': etag })).status).toBe(200)
  })

  it.each([
    ['bytes=0-0', 0, 1],
    ['bytes=2-4', 2, 5],
    ['Bytes=2-4', 2, 5],
    ['bytes=5-', 5, undefined],
    ['bytes=-3', -3, undefined],
    ['bytes=-99999999', 0, undefined],
    [`bytes=0-${'9'.repeat(400)}`, 0, undefined],
  ])('is sent in part: %s', async (range, from, to) => {
    const part = png.subarray(from, to)
    const { status, headers, bytes } = await get(link, { range })
    expect([status, bytes.equals(part)]).toEqual([206, true])
    const start = from < 0 ? png.length + from : from
    expect(headers['content-range']).toBe(`bytes ${start}-${start + part.length - 1}/${png.length}`)
    expect(headers['content-length']).toBe(String(part.length))
  })

  it.each(['bytes=999999-', 'bytes=-0', `bytes=${'9'.repeat(400)}-`])('has no such range: %s', async (range) => {
    const { status, headers, bytes } = await get(link, { range })
    expect([status, bytes.length, headers['content-range']]).toEqual([416, 0, `bytes */${png.length}`])
  })

  it.each(['bytes=5-2', 'bytes=-', 'bytes=0-1,3-4', 'bytes=a-b', 'items=0-1', 'bytes=0x1-2', 'bytes', 'bytes=1.5-2'])(
    'is sent whole when the range is invalid or unsupported: %s',
    async (range) => {
      expect((await get(link, { range })).bytes.equals(png)).toBe(true)
    },
  )

  it('is continued only when the ETag matches', async () => {
    const { etag = '' } = (await get(link)).headers
    const range = 'bytes=5-9'
    expect((await get(link, { range, 'if-range': etag })).status).toBe(206)
    for (const other of [`W/${etag}`, '"other"', 'Wed, 21 Oct 2026 07:28:00 GMT']) {
      expect((await get(link, { range, 'if-range': other })).status, other).toBe(200)
    }
  })

  it('opens with no other link', async () => {
    const [path = '', query = ''] = link.split('?')
    const other = path.replace('/0-', '/1-')
    const refused = [path, `${other}?${query}`, link.replace(/expires=\d/, 'expires=9'), `${path}?signature=x&${query}`]
    for (const address of refused) expect([400, 403], address).toContain((await get(address)).status)
    expect((await get(`${await store.link(key, -1)}&w=64`)).status).toBe(403)
    for (const address of [path, `${path}?w=64`]) expect((await get(address)).headers['cache-control']).toBe('no-store')
    const missing = await store.link('image/b/0.png', 60)
    expect([(await get(missing)).status, (await get(`${missing}&w=64`)).status]).toEqual([404, 404])
  })
})

describe('?w=', () => {
  it.each([
    [16, 64],
    [64, 64],
    [65, 128],
    [300, 512],
    [513, 800],
    [2048, 800],
  ])('%i returns a WebP whose longer side has %i pixels', async (w, width) => {
    const { status, headers, bytes } = await get(`${link}&w=${w}`)
    expect([status, headers['content-type'], headers['x-content-type-options']]).toEqual([200, 'image/webp', 'nosniff'])
    expect(headers['content-disposition']).toMatch(/-\d+\.webp"$/)
    expect(await sharp(bytes).metadata()).toMatchObject({ format: 'webp', width, height: width / 2 })
  })

  it.each(['15', '2049', '0', '-64', 'big', '', '64.5', '1e9', 'NaN', '64&w=128', '99999999999999999999', '٦٤'])(
    'w=%s is refused',
    async (w) => {
      const { status, bytes } = await get(`${link}&w=${w}`)
      expect([status, JSON.parse(bytes.toString()).error.kind]).toEqual([400, 'bad_request'])
    },
  )

  it('makes one thumbnail for all widths of a step and for concurrent requests', async () => {
    const other = outputKey({ secretKey }, id, 7, 'image/png')
    await store.put(other, png, 'image/png')
    const its = await store.link(other, 600)
    read.length = 0
    const all = await Promise.all([65, 100, 128, 99].map((w) => get(`${its}&w=${w}`)))
    expect(new Set(all.map(({ headers }) => headers.etag)).size).toBe(1)
    await get(`${its}&w=128`)
    expect(read.filter((name) => name === other)).toHaveLength(1)
    expect((await get(`${its}&w=128`, { range: 'bytes=0-3' })).bytes.toString()).toBe('RIFF')
  })

  it('uses the thumbnail that is stored with a generated picture', async () => {
    const stored = await sharp({ create: { width: 512, height: 256, channels: 3, background: '#cc3333' } })
      .webp()
      .toBuffer()
    await store.put(smallKey, stored, 'image/webp')
    const { thumbnail } = createStoredPictures(core)
    read.length = 0
    expect((await thumbnail(key, 500).load())?.data.equals(stored)).toBe(true)
    const tiny = await thumbnail(key, 64).load()
    const { dominant } = await sharp(tiny?.data).stats()
    expect(dominant.r).toBeGreaterThan(dominant.b)
    expect(read).toEqual([smallKey, smallKey])
    expect((await thumbnail(key, 600).load())?.data.subarray(8, 12).toString()).toBe('WEBP')
    expect(read.at(-1)).toBe(key)
    await store.delete(smallKey)
  })

  it('answers 500 without details when the stored object is not a picture', async () => {
    const broken = outputKey({ secretKey }, id, 8, 'image/png')
    await store.put(broken, Buffer.from('not a picture'), 'image/png')
    const { status, bytes } = await get(`${await store.link(broken, 60)}&w=64`)
    expect([status, JSON.parse(bytes.toString()).error.kind]).toEqual([500, 'internal'])
    expect(log.lines.filter((line) => line.startsWith('error'))).toHaveLength(1)
  })
})

describe('renditions', () => {
  const limits = { bytes: 10_000, cacheMs: 60_000, atATime: 2, waiting: 3 }
  const object = (bytes: number): StoredObject => ({ data: randomBytes(bytes), type: 'image/webp' })

  it('are cached until others need the room, the least recently used first', async () => {
    const renditions = createRenditions(limits)
    const made: string[] = []
    const make = (name: string) =>
      renditions(name, async () => {
        made.push(name)
        return object(3_000)
      })
    for (const name of ['a', 'b', 'a', 'c', 'a', 'b']) await make(name)
    expect(made).toEqual(['a', 'b', 'c', 'b'])
    await renditions('huge', async () => object(50_000))
    await make('a')
    expect(made.at(-1)).toBe('a')
  })

  it('are not cached after they expire, when there is no picture, or when making them failed', async () => {
    const renditions = createRenditions({ ...limits, cacheMs: -1 })
    let times = 0
    const make = async () => {
      times++
      if (times === 1) throw new Error('no')
      return times === 2 ? undefined : object(10)
    }
    await expect(renditions('a', make)).rejects.toThrow('no')
    expect(await renditions('a', make)).toBeUndefined()
    await renditions('a', make)
    await renditions('a', make)
    expect(times).toBe(4)
  })

  it('are made two at a time, and refused when too many wait', async () => {
    const renditions = createRenditions(limits)
    let working = 0
    let most = 0
    const go: (() => void)[] = []
    const make = async () => {
      most = Math.max(most, ++working)
      await new Promise<void>((resolve) => go.push(resolve))
      working--
      return object(10)
    }
    const results = [1, 2, 3, 4, 5].map((n) => renditions(String(n), make))
    await expect(renditions('6', make)).rejects.toMatchObject({ kind: 'overloaded' } satisfies Partial<AppError>)
    // a request for the same rendition shares the work
    results.push(renditions('5', make))
    for (let done = 0; done < 5; ) {
      await new Promise(setImmediate)
      const next = go.splice(0)
      done += next.length
      for (const each of next) each()
    }
    expect((await Promise.all(results)).every((each) => each?.data.length === 10)).toBe(true)
    expect([most, working]).toEqual([2, 0])
  })
})
