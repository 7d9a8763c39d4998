import { createHash, randomBytes } from 'node:crypto'
import { Agent } from 'node:http'
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
  type S3ServiceException,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type S3Emulator, type S3EmulatorOptions, startS3 } from './s3/index.ts'
import { checkSignature, type Signable } from './s3/sign.ts'

const Key = "a/b (1) 图+~!*'.png"
const Body = Buffer.from('0123456789')
const md5 = `"${createHash('md5').update(Body).digest('hex')}"`

/** All of them are part of `npm run test:long`. */
const changes = process.env.LONG ? 100_000 : 10_000

describe('the emulator of S3', () => {
  let s3: S3Emulator
  let others: S3Emulator[] = []
  beforeEach(async () => {
    s3 = await startS3()
  })
  afterEach(async () => {
    await Promise.all([s3, ...others].map((each) => each.stop()))
    others = []
  })

  const another = async (options: S3EmulatorOptions) => {
    const started = await startS3(options)
    others.push(started)
    return started
  }
  const connect = (options: S3ClientConfig = {}, to = s3) => {
    const { accessKeyId, secretAccessKey, region, url } = to
    const credentials = { accessKeyId, secretAccessKey }
    return new S3Client({ endpoint: url, region, credentials, forcePathStyle: true, maxAttempts: 1, ...options })
  }
  const place = () => ({ Bucket: s3.bucket, Key })
  const put = () => connect().send(new PutObjectCommand({ ...place(), Body, ContentType: 'image/png' }))
  const codeOf = (promise: Promise<unknown>) =>
    promise.then(
      () => 'fine',
      ({ name, $metadata }: S3ServiceException) => `${$metadata.httpStatusCode} ${name}`,
    )

  it.each([
    ['in the path', () => ({})],
    [
      'in the host name',
      () => ({
        forcePathStyle: false,
        endpoint: s3.url.replace('127.0.0.1', 's3.example.test'),
        requestHandler: { httpAgent: new Agent({ lookup: toLoopback }) },
      }),
    ],
    ['in the path, without checksums', () => ({ requestChecksumCalculation: 'WHEN_REQUIRED' })],
  ])("serves Amazon's library with the bucket %s", async (_name, options: () => S3ClientConfig) => {
    const client = connect(options())
    const headers = { ContentType: 'image/png', CacheControl: 'private' }
    const stored = await client.send(new PutObjectCommand({ ...place(), Body, ...headers }))
    expect(stored).toMatchObject({ ETag: md5, $metadata: { requestId: expect.stringMatching(/^[0-9A-F]{16}$/) } })
    expect(s3.objects.get(Key)).toMatchObject({
      data: Body,
      type: 'image/png',
      headers: { 'cache-control': 'private' },
    })

    const found = await client.send(new GetObjectCommand(place()))
    expect(found).toMatchObject({ ETag: md5, ContentType: 'image/png' })
    expect(Buffer.from(await found.Body!.transformToByteArray())).toEqual(Body)
    const part = await client.send(new GetObjectCommand({ ...place(), Range: 'bytes=2-4' }))
    expect([await part.Body!.transformToString(), part.ContentRange]).toEqual(['234', 'bytes 2-4/10'])
    expect(await codeOf(client.send(new GetObjectCommand({ ...place(), Range: 'bytes=99-' })))).toBe('416 InvalidRange')
    expect(await client.send(new HeadObjectCommand(place()))).toMatchObject({ ContentLength: 10, ETag: md5 })
    await client.send(new HeadBucketCommand({ Bucket: s3.bucket }))

    await client.send(new DeleteObjectCommand(place()))
    await client.send(new DeleteObjectCommand(place()))
    expect(await codeOf(client.send(new GetObjectCommand(place())))).toBe('404 NoSuchKey')
    expect(await codeOf(client.send(new HeadObjectCommand(place())))).toBe('404 NotFound')
    client.destroy()
  })

  it('lists objects by prefix and page, and deletes several', async () => {
    const client = connect()
    const { bucket: Bucket } = s3
    for (const name of ['x/1', 'x/2 & <3>', 'x/3', 'y'])
      await client.send(new PutObjectCommand({ Bucket, Key: name, Body: name }))
    const first = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'x/', MaxKeys: 2 }))
    expect(first).toMatchObject({ IsTruncated: true, KeyCount: 2 })
    expect(first.Contents?.map((each) => each.Key)).toEqual(['x/1', 'x/2 & <3>'])
    const ContinuationToken = first.NextContinuationToken
    const rest = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'x/', ContinuationToken }))
    expect(rest.Contents?.map((each) => each.Key)).toEqual(['x/3'])

    const Objects = [{ Key: 'x/1' }, { Key: 'x/2 & <3>' }, { Key: 'never there' }]
    const deleted = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
    expect(deleted.Deleted?.map((each) => each.Key)).toEqual(Objects.map((each) => each.Key))
    expect([...s3.objects.keys()]).toEqual(['x/3', 'y'])
  })

  it('refuses invalid requests with the codes of S3', async () => {
    await put()
    const get = (options: S3ClientConfig, to = s3) =>
      codeOf(connect(options, to).send(new GetObjectCommand({ ...place(), Bucket: to.bucket })))
    const credentials = { accessKeyId: s3.accessKeyId, secretAccessKey: 'wrong' }
    expect(await get({ credentials })).toBe('403 SignatureDoesNotMatch')
    expect(await get({ credentials: { ...credentials, accessKeyId: 'wrong' } })).toBe('403 InvalidAccessKeyId')
    expect(await get({ region: 'us-east-1' })).toBe('400 AuthorizationHeaderMalformed')
    expect(await get({}, { ...s3, bucket: 'other' })).toBe('404 NoSuchBucket')
    const strict = await another({ denied: ['GetObject'] })
    expect(await get({}, strict)).toBe('403 AccessDenied')
    const putWith = (more: object) => codeOf(connect().send(new PutObjectCommand({ ...place(), Body, ...more })))
    expect(await putWith({ ContentMD5: Buffer.alloc(16).toString('base64') })).toBe('400 BadDigest')
    expect(await putWith({ ACL: 'public-read' })).toBe('400 AccessControlListNotSupported')
    const small = await another({ limitBytes: 5 })
    expect(await codeOf(connect({}, small).send(new PutObjectCommand({ ...place(), Body })))).toBe('400 EntityTooLarge')
    expect((await fetch(`${s3.url}/${s3.bucket}/${Key}`)).status).toBe(403)
  })

  it('refuses the checksums that R2 refused', async () => {
    const r2 = await another({ service: 'r2' })
    const store = (options: S3ClientConfig) =>
      codeOf(connect(options, r2).send(new PutObjectCommand({ ...place(), Body })))
    expect(await store({})).toBe('501 NotImplemented')
    expect(await store({ requestChecksumCalculation: 'WHEN_REQUIRED' })).toBe('fine')
    expect(await store({ requestChecksumCalculation: 'WHEN_REQUIRED', region: 'us-east-1' })).toBe('fine')
    expect(await store({ requestChecksumCalculation: 'WHEN_REQUIRED', region: 'eu-west-1' })).toBe(
      '400 AuthorizationHeaderMalformed',
    )
  })

  it('refuses a clock that is off, after which the library corrects its own', async () => {
    const ahead = await another({ clockAheadMs: 3_600_000 })
    const client = connect({}, ahead)
    const page = () => codeOf(client.send(new ListObjectsV2Command({ Bucket: ahead.bucket })))
    expect([await page(), await page()]).toEqual(['403 RequestTimeTooSkewed', 'fine'])
  })

  it('words injected faults as S3 errors', async () => {
    s3.faults.add({ kind: '429', times: 1 })
    s3.faults.add({ kind: '500', times: 1 })
    expect([await codeOf(put()), await codeOf(put())]).toEqual(['503 SlowDown', '500 InternalError'])
  })

  it('stores concurrent uploads separately', async () => {
    const bodies = Array.from({ length: 12 }, () => randomBytes(100_000))
    const client = connect()
    const store = (Body: Buffer, n: number) =>
      client.send(new PutObjectCommand({ Bucket: s3.bucket, Key: `many/${n}`, Body }))
    await Promise.all(bodies.map(store))
    for (const [n, bytes] of bodies.entries()) expect(s3.objects.get(`many/${n}`)?.data.equals(bytes)).toBe(true)
  })

  describe('with a signed address', () => {
    const open = async (url: string, method = 'GET') => {
      const response = await fetch(url, { method })
      const text = await response.text()
      return `${response.status} ${/<Code>(\w+)/.exec(text)?.[1] ?? text}`
    }
    const link = (more: object = {}, signingDate = new Date()) =>
      getSignedUrl(connect(), new GetObjectCommand({ ...place(), ...more }), { expiresIn: 60, signingDate })

    it('serves what the library signs', async () => {
      await put()
      expect(await open(await link())).toBe('200 0123456789')
      const response = await fetch(await link({ ResponseContentType: 'text/plain; x=1' }))
      expect(response.headers.get('content-type')).toBe('text/plain; x=1')
    })

    it('refuses another key, another method and an address without a signature', async () => {
      await put()
      const url = await link()
      expect(await open(url.replace(encodeURIComponent('图'), 'x'))).toBe('403 SignatureDoesNotMatch')
      for (const method of ['DELETE', 'PUT']) expect(await open(url, method)).toBe('403 SignatureDoesNotMatch')
      const bare = url.slice(0, url.indexOf('?'))
      for (const method of ['GET', 'PUT', 'DELETE']) expect(await open(bare, method)).toBe('403 AccessDenied')
      expect(await open(url.replace(/&X-Amz-Signature=\w+/, ''))).toBe('400 AuthorizationQueryParametersError')
      expect(s3.objects.get(Key)?.data).toEqual(Body)
    })

    it('accepts the address between its signed times only', async () => {
      await put()
      const at = (seconds: number) => link({}, new Date(Date.now() + seconds * 1000))
      expect(await open(await at(-50))).toBe('200 0123456789')
      expect(await open(await at(-62))).toBe('403 AccessDenied')
      expect(await open(await at(3600))).toBe('403 AccessDenied')
      const longer = (await at(-62)).replace('X-Amz-Expires=60', 'X-Amz-Expires=600')
      expect(await open(longer)).toBe('403 SignatureDoesNotMatch')
      expect(await open(longer.replace('=600', '=604801'))).toBe('400 AuthorizationQueryParametersError')
    })
  })
})

/** The examples in Amazon's documentation of Signature Version 4 for S3. */
describe('the check of signatures', () => {
  const account = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' }
  const now = Date.parse('2013-05-24T00:00:00Z')
  const wrongRegion = (region: string) => (region === 'us-east-1' ? undefined : 'us-east-1')
  const scope = '20130524/us-east-1/s3/aws4_request'
  const emptyHash = createHash('sha256').digest('hex')
  const isAccepted = (request: Signable) => {
    try {
      return checkSignature(request, { account, wrongRegion, now })
    } catch {
      return false
    }
  }

  interface Example {
    method?: string
    path: string
    query?: string
    headers?: Record<string, string>
    body?: string
    signature: string
  }
  function signed({ method = 'GET', path, query = '', headers = {}, body = '', signature }: Example): Signable {
    const hash = body ? createHash('sha256').update(body).digest('hex') : emptyHash
    const all: Record<string, string> = {
      host: 'examplebucket.s3.amazonaws.com',
      'x-amz-content-sha256': hash,
      'x-amz-date': '20130524T000000Z',
      ...headers,
    }
    const names = Object.keys(all).sort().join(';')
    const authorization = `AWS4-HMAC-SHA256 Credential=${account.accessKeyId}/${scope},SignedHeaders=${names},Signature=${signature}`
    return {
      method,
      path,
      query: new URLSearchParams(query),
      headers: { ...all, authorization },
      body: Buffer.from(body),
    }
  }

  const get = {
    path: '/test.txt',
    headers: { range: 'bytes=0-9' },
    signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  }
  const put = {
    method: 'PUT',
    path: '/test$file.text',
    headers: { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
    body: 'Welcome to Amazon S3.',
    signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  }
  const presigned: Signable = {
    method: 'GET',
    path: '/test.txt',
    query: new URLSearchParams({
      'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
      'X-Amz-Credential': `${account.accessKeyId}/${scope}`,
      'X-Amz-Date': '20130524T000000Z',
      'X-Amz-Expires': '86400',
      'X-Amz-SignedHeaders': 'host',
      'X-Amz-Signature': 'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
    }),
    headers: { host: 'examplebucket.s3.amazonaws.com' },
    body: Buffer.alloc(0),
  }
  const examples: [string, Signable][] = [
    ['a download', signed(get)],
    ['an upload', signed(put)],
    [
      'a parameter without a value',
      signed({
        path: '/',
        query: 'lifecycle',
        signature: 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
      }),
    ],
    [
      'a list',
      signed({
        path: '/',
        query: 'max-keys=2&prefix=J',
        signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
      }),
    ],
    ['a signed address', presigned],
  ]

  it.each(examples)("accepts Amazon's example of %s", (_name, request) => {
    expect(isAccepted(request)).toBe(true)
  })

  it(`accepts none of ${changes} changed requests`, () => {
    const random = seeded(7)
    const accepted: unknown[] = []
    for (let n = 0; n < changes; n++) {
      const [name, request] = examples[n % examples.length]!
      const changed = change(request, random)
      if (isAccepted(changed)) accepted.push({ name, ...changed, query: `${changed.query}` })
    }
    expect(accepted).toEqual([])
  })
})

/** Changes one letter of one signed part of a request, removes one, or adds a part that is not signed. */
function change(request: Signable, random: (below: number) => number): Signable {
  const query = new URLSearchParams(request.query)
  const changed = { ...request, headers: { ...request.headers }, query }
  const names = { headers: Object.keys(request.headers), query: [...query.keys()] }
  const one = <T>(list: readonly T[]): T => list[random(list.length)] as T
  const signature = query.get('X-Amz-Signature')
  switch (random(8)) {
    case 0:
      return { ...changed, method: one(['POST', 'DELETE', 'HEAD', `${request.method}X`]) }
    case 1:
      return { ...changed, path: `/${other(request.path.slice(1), random)}` }
    case 2:
      changed.headers[`x-amz-meta-${random(1e6)}`] = 'x'
      return changed
    case 3:
      query.set(`z${random(1e6)}`, 'x')
      return changed
    case 4: {
      const name = one(names.headers)
      delete changed.headers[name]
      return changed
    }
    case 5:
      if (signature === null) return { ...changed, body: Buffer.from(other(`${request.body}`, random)) }
      query.set('X-Amz-Signature', other(signature, random))
      return changed
    case 6: {
      const name = names.query.length > 0 ? one(names.query) : 'x'
      query.set(name, other(query.get(name) ?? '', random))
      return changed
    }
    default: {
      const name = one(names.headers)
      changed.headers[name] = other(String(changed.headers[name]), random)
      return changed
    }
  }
}

/** Another text: with one letter replaced, removed or added. */
function other(text: string, random: (below: number) => number): string {
  const at = random(text.length)
  const letter = String.fromCharCode(97 + random(26))
  const way = text === '' ? 2 : random(3)
  if (way === 1) return text.slice(0, at) + text.slice(at + 1)
  if (way === 2) return text.slice(0, at) + letter + text.slice(at)
  return text.slice(0, at) + (text[at] === letter ? letter.toUpperCase() : letter) + text.slice(at + 1)
}

/** Whole numbers below a limit, the same ones for the same seed (xorshift). */
function seeded(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % Math.max(1, below)
  }
}

function toLoopback(_host: string, options: { all?: boolean }, done: (...given: never[]) => void): void {
  const answer = options.all ? [null, [{ address: '127.0.0.1', family: 4 }]] : [null, '127.0.0.1', 4]
  done(...(answer as never[]))
}
