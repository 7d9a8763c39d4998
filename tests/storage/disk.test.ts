import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { signLink, verifyLink } from '../../src/core/media/links.ts'
import { pictures } from '../../src/http/pictures/pictures.ts'
import { createApp } from '../../src/http/server/app.ts'
import { createDiskStore } from '../../src/storage/disk.ts'

const secretKey = Buffer.from('a secret key for tests, 32 chars')
const publicUrl = 'http://localhost:8080'
const body = Buffer.from('0123456789')
const key = 'image/a/0-random.png'

describe('pictures on disk', () => {
  let folder: string
  let store: ReturnType<typeof createDiskStore>
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fluxbot-disk-'))
    store = createDiskStore({ folder, secretKey, publicUrl })
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  it('leave no empty folder and no partial file behind', async () => {
    await store.put(key, Buffer.from('old'), 'image/png')
    await store.put(key, body, 'image/png')
    expect((await readdir(folder, { recursive: true })).sort()).toEqual(['image', 'image/a', key])
    await store.delete(key)
    expect(await readdir(join(folder, 'image'))).toEqual([])
  })

  describe('by link', () => {
    const app = () =>
      createApp({
        log: { debug: () => undefined, error: () => undefined },
        plugins: [pictures({ load: (name) => store.get(name), verify: (link) => verifyLink(secretKey, link) })],
      })
    const get = async (url: string, headers = {}) =>
      app().inject({ method: 'GET', url: url.replace(publicUrl, ''), headers })

    it('are delivered whole or in part, with nosniff, until the link expires', async () => {
      await store.put(key, body, 'image/png')
      const link = await store.link(key, 60)
      const whole = await get(link)
      expect(whole).toMatchObject({ statusCode: 200, rawPayload: body })
      expect(whole.headers).toMatchObject({ 'content-type': 'image/png', 'x-content-type-options': 'nosniff' })
      expect(whole.headers['x-request-id']).toBeTruthy()
      expect(await get(link, { range: 'bytes=2-4' })).toMatchObject({ statusCode: 206, payload: '234' })
      expect(await get(link, { range: 'bytes=-3' })).toMatchObject({ statusCode: 206, payload: '789' })
      expect(await get(link, { range: 'bytes=99-' })).toMatchObject({ statusCode: 416 })
      expect(await get(link, { 'if-none-match': whole.headers.etag })).toMatchObject({ statusCode: 304 })
      expect(await get(await store.link(key, -1))).toMatchObject({ statusCode: 403 })
      expect(await get(await store.link('image/b/0.png', 60))).toMatchObject({ statusCode: 404 })
      expect(await get(`/image/${key}`)).toMatchObject({ statusCode: 403 })
    })

    it('are refused when any character of the link is changed', () => {
      const expires = '2000000000'
      const signature = signLink(secretKey, key, Number(expires))
      const link = { key, expires, signature, now: 1_900_000_000 }
      expect(verifyLink(secretKey, link)).toBe('ok')
      for (let at = 0; at < signature.length; at++) {
        const other = signature[at] === 'A' ? 'B' : 'A'
        const forged = signature.slice(0, at) + other + signature.slice(at + 1)
        expect(verifyLink(secretKey, { ...link, signature: forged })).toBe('forged')
      }
      expect(verifyLink(secretKey, { ...link, key: 'image/a/1.png' })).toBe('forged')
      expect(verifyLink(secretKey, { ...link, expires: '2000000001' })).toBe('forged')
      expect(verifyLink(secretKey, { ...link, expires: '1e12' })).toBe('forged')
    })
  })
})
