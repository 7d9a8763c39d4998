import { createHash, randomBytes } from 'node:crypto'
import COS from 'cos-nodejs-sdk-v5'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { crc64 } from './cos/crc64.ts'
import { type CosEmulator, startCos } from './cos/index.ts'
import { signatureOf } from './cos/sign.ts'

const Key = 'a/b (1) 图.png'
const Body = Buffer.from('0123456789')
const md5 = `"${createHash('md5').update(Body).digest('hex')}"`
const now = () => Math.floor(Date.now() / 1000)

describe('the emulator of COS', () => {
  let cos: CosEmulator
  let place: { Bucket: string; Region: string }
  beforeEach(async () => {
    cos = await startCos()
    place = { Bucket: cos.bucket, Region: cos.region }
  })
  afterEach(() => cos.stop())

  const connect = (options: COS.COSOptions = {}) =>
    new COS({ SecretId: cos.secretId, SecretKey: cos.secretKey, Domain: cos.domain, ...options })
  const host = () => new URL(cos.url).host
  const put = () => connect().putObject({ ...place, Key, Body, ContentType: 'image/png' })

  it.each([
    ['path style', () => ({})],
    ['real host name', () => ({ Domain: '', Protocol: 'http:', Ip: host() })],
    ['proxy', () => ({ Domain: '', Protocol: 'http:', Proxy: cos.url })],
  ])('serves the official library with %s addressing', async (_name, options: () => COS.COSOptions) => {
    const client = connect({ UploadCheckContentMd5: true, ...options() })
    const stored = await client.putObject({ ...place, Key, Body, ContentType: 'image/png', ACL: 'private' })
    expect(stored).toMatchObject({ statusCode: 200, ETag: md5, RequestId: expect.any(String) })
    expect(stored.headers).toMatchObject({ 'x-cos-hash-crc64ecma': crc64(Body) })
    expect(cos.objects.get(Key)).toMatchObject({ data: Body, type: 'image/png', acl: 'private' })

    expect(await client.getObject({ ...place, Key })).toMatchObject({
      Body,
      ETag: md5,
      headers: { 'content-type': 'image/png' },
    })
    expect(await client.getObject({ ...place, Key, Range: 'bytes=2-4' })).toMatchObject({
      statusCode: 206,
      Body: Buffer.from('234'),
      headers: { 'content-range': 'bytes 2-4/10' },
    })
    await expect(client.getObject({ ...place, Key, Range: 'bytes=99-' })).rejects.toMatchObject({
      code: 'InvalidRange',
    })
    const head = await client.headObject({ ...place, Key })
    expect(head.headers).toMatchObject({ 'content-length': '10', etag: md5, 'content-type': 'image/png' })
    expect(await client.headBucket(place)).toMatchObject({ statusCode: 200 })

    expect(await client.deleteObject({ ...place, Key })).toMatchObject({ statusCode: 204 })
    expect(await client.deleteObject({ ...place, Key })).toMatchObject({ statusCode: 204 })
    await expect(client.getObject({ ...place, Key })).rejects.toMatchObject({
      code: 'NoSuchKey',
      statusCode: 404,
      error: { Code: 'NoSuchKey', Resource: expect.any(String), RequestId: expect.any(String) },
    })
    await expect(client.headObject({ ...place, Key })).rejects.toMatchObject({ statusCode: 404 })
  })

  it('lists objects by prefix and page, and deletes several', async () => {
    const client = connect()
    for (const name of ['x/1', 'x/2 & <3>', 'x/3', 'y']) await client.putObject({ ...place, Key: name, Body: name })
    const first = await client.getBucket({ ...place, Prefix: 'x/', MaxKeys: 2 })
    expect(first).toMatchObject({ IsTruncated: 'true', NextMarker: 'x/2 & <3>' })
    expect(first.Contents.map((each) => each.Key)).toEqual(['x/1', 'x/2 & <3>'])
    const rest = await client.getBucket({ ...place, Prefix: 'x/', Marker: first.NextMarker })
    expect(rest.Contents.map((each) => each.Key)).toEqual(['x/3'])

    const Objects = [{ Key: 'x/1' }, { Key: 'x/2 & <3>' }, { Key: 'never there' }]
    const deleted = await client.deleteMultipleObject({ ...place, Objects })
    expect(deleted.Deleted.map((each) => each.Key)).toEqual(Objects.map((each) => each.Key))
    expect([...cos.objects.keys()]).toEqual(['x/3', 'y'])
  })

  it('refuses invalid requests with the codes of COS', async () => {
    await put()
    const codeOf = (promise: Promise<unknown>) =>
      promise.then(
        () => 'fine',
        (error: COS.CosSdkError) => `${error.statusCode} ${error.code}`,
      )
    const object = { ...place, Key }
    expect(await codeOf(connect({ SecretKey: 'wrong' }).getObject(object))).toBe('403 SignatureDoesNotMatch')
    expect(await codeOf(connect({ SecretId: 'wrong' }).getObject(object))).toBe('403 InvalidAccessKeyId')
    expect(await codeOf(connect().getObject({ ...object, Bucket: 'other-1250000000' }))).toBe('404 NoSuchBucket')
    expect(await codeOf(connect({ SecretKey: 'wrong' }).headBucket(place))).toBe('403 403')
    const elsewhere = connect({ Domain: '', Protocol: 'http:', Ip: host() })
    expect(await codeOf(elsewhere.getObject({ ...object, Region: 'ap-beijing' }))).toBe('404 NoSuchBucket')
    const putWithMd5 = (md5: string) => connect().putObject({ ...object, Body, Headers: { 'Content-MD5': md5 } })
    expect(await codeOf(putWithMd5(Buffer.alloc(16).toString('base64')))).toBe('400 BadDigest')
    expect(await codeOf(putWithMd5('x'))).toBe('400 InvalidDigest')
    expect(await codeOf(connect().putObject({ ...object, Body, ACL: 'none' as 'private' }))).toBe('400 InvalidArgument')
    const small = await startCos({ limitBytes: 5 })
    expect(await codeOf(connect({ Domain: small.domain }).putObject({ ...object, Body }))).toBe('400 EntityTooLarge')
    await small.stop()
  })

  it('reports a wrong client clock, which the library corrects', async () => {
    await put()
    const skewed = (SystemClockOffset: number) => ({ SystemClockOffset, CorrectClockSkew: false })
    const get = (options: COS.COSOptions) => connect(options).getObject({ ...place, Key })
    await expect(get(skewed(3_600_000))).rejects.toMatchObject({ code: 'RequestTimeTooSkewed', statusCode: 403 })
    await expect(get(skewed(-3_600_000))).rejects.toMatchObject({
      code: 'AccessDenied',
      message: 'Request has expired',
    })
    for (const SystemClockOffset of [3_600_000, -3_600_000])
      expect(await get({ SystemClockOffset })).toMatchObject({ statusCode: 200 })
  })

  it('words injected faults as COS errors', async () => {
    cos.faults.add({ kind: '429', times: 1 })
    cos.faults.add({ kind: '500', times: 1 })
    const responses = [await fetch(cos.url), await fetch(cos.url)]
    expect(responses.map(({ status }) => status)).toEqual([503, 500])
    expect(responses.map(({ headers }) => headers.get('content-type'))).toEqual(['application/xml', 'application/xml'])
    expect(await responses[0]!.text()).toMatch('<Code>SlowDown</Code>')
    expect(await responses[1]!.text()).toMatch('<Code>InternalError</Code>')
  })

  it('computes the checksum of COS', () => {
    expect(crc64(Buffer.from('123456789'))).toBe('11051210869376104954')
    expect(crc64(Buffer.alloc(0))).toBe('0')
  })

  describe('with a signed address', () => {
    const open = async (url: string, method = 'GET') => {
      const response = await fetch(url, { method })
      const text = await response.text()
      return `${response.status} ${/<Code>(\w+)/.exec(text)?.[1] ?? text}`
    }
    const link = (more: Partial<COS.GetObjectUrlParams> = {}) =>
      connect().getObjectUrl({ ...place, Key, Sign: true, ...more }, () => undefined)

    it('accepts both forms of address that the library signs', async () => {
      await put()
      expect(await open(link())).toBe('200 0123456789')
      const Query = { 'response-content-type': 'text/plain; x=1', 'response-cache-control': 'no-store' }
      const later = await new Promise<string>((resolve, reject) =>
        connect().getObjectUrl({ ...place, Key, Query }, (error, data) => (error ? reject(error) : resolve(data.Url))),
      )
      const response = await fetch(later)
      expect(response.headers.get('content-type')).toBe('text/plain; x=1')
      expect(response.headers.get('cache-control')).toBe('no-store')
      const upload = await fetch(link({ Method: 'PUT' }), { method: 'PUT', body: 'new' })
      expect(upload.status).toBe(200)
      expect(await open(link())).toBe('200 new')
    })

    it('refuses another key, another method and an address without a signature', async () => {
      await put()
      await connect().putObject({ ...place, Key: 'other', Body })
      const url = link()
      expect(await open(url.replace(encodeURIComponent('图'), 'x'))).toBe('403 SignatureDoesNotMatch')
      expect(await open(url.replace(new URL(url).pathname, `/${cos.bucket}/other`))).toBe('403 SignatureDoesNotMatch')
      for (const method of ['DELETE', 'PUT']) expect(await open(url, method)).toBe('403 SignatureDoesNotMatch')
      const bare = url.slice(0, url.indexOf('?'))
      for (const method of ['GET', 'PUT', 'DELETE']) expect(await open(bare, method)).toBe('403 AccessDenied')
      expect(await open(`${cos.url}/${cos.bucket}/`)).toBe('403 AccessDenied')
      expect(cos.objects.get(Key)?.data).toEqual(Body)

      await connect().putObject({ ...place, Key: 'public', Body, ACL: 'public-read' })
      expect(await open(`${cos.url}/${cos.bucket}/public`)).toBe('200 0123456789')
      expect(await open(`${cos.url}/${cos.bucket}/public`, 'PUT')).toBe('403 AccessDenied')
    })

    it('refuses any change of the signature', async () => {
      await put()
      const url = new URL(link())
      const signature = url.searchParams.get('q-signature')!
      expect(signature).toMatch(/^[0-9a-f]{40}$/)
      for (let at = 0; at < signature.length; at++) {
        const other = signature[at] === '0' ? '1' : '0'
        url.searchParams.set('q-signature', signature.slice(0, at) + other + signature.slice(at + 1))
        expect(await open(url.href)).toBe('403 SignatureDoesNotMatch')
      }
      url.searchParams.set('q-signature', signature.slice(0, -1))
      expect(await open(url.href)).toBe('403 SignatureDoesNotMatch')
      url.searchParams.delete('q-signature')
      expect(await open(url.href)).toBe('403 AccessDenied')
    })

    it('accepts the address between its signed times only', async () => {
      await put()
      const signed = (start: number, end: number) => {
        const [signTime, headerList] = [`${start};${end}`, ['host']]
        const request = { method: 'GET', path: `/${Key}`, query: new URLSearchParams(), headers: { host: host() } }
        const value = signatureOf({ keyTime: signTime, signTime, headerList, paramList: [] }, request, cos.secretKey)
        const fields = `q-sign-algorithm=sha1&q-ak=${cos.secretId}&q-sign-time=${signTime}&q-key-time=${signTime}`
        const path = Key.split('/').map(encodeURIComponent).join('/')
        return `${cos.url}/${cos.bucket}/${path}?${fields}&q-header-list=host&q-url-param-list=&q-signature=${value}`
      }
      expect(await open(signed(now() - 60, now() + 60))).toBe('200 0123456789')
      expect(await open(signed(now() - 60, now() - 2))).toBe('403 AccessDenied')
      expect(await open(signed(now() + 3600, now() + 7200))).toBe('403 RequestTimeTooSkewed')
      expect(await open(signed(now() + 60, now() - 60))).toBe('403 AccessDenied')
      const expired = signed(now() - 60, now() - 2)
      expect(await open(expired.replaceAll(String(now() - 2), String(now() + 600)))).toBe('403 SignatureDoesNotMatch')
    })
  })

  it('stores concurrent uploads separately', async () => {
    const bodies = Array.from({ length: 12 }, () => randomBytes(100_000))
    const client = connect()
    await Promise.all(bodies.map((bytes, n) => client.putObject({ ...place, Key: `many/${n}`, Body: bytes })))
    for (const [n, bytes] of bodies.entries()) expect(cos.objects.get(`many/${n}`)?.data.equals(bytes)).toBe(true)
    expect(cos.requests).toHaveLength(12)
  })
})
