import { get as request } from 'node:http'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createS3Store } from '../../src/storage/s3.ts'
import type { Fault } from '../emulators/faults.ts'
import { type S3Emulator, type S3EmulatorOptions, startS3 } from '../emulators/s3/index.ts'
import { keepLog } from '../helpers/log.ts'

const key = 'image/a/0-random.png'
const body = Buffer.from('0123456789'.repeat(1000))
const MB = 1024 * 1024

describe('pictures on S3', () => {
  let s3: S3Emulator
  let log: ReturnType<typeof keepLog>
  let stores: ReturnType<typeof createS3Store>[] = []
  beforeEach(async () => {
    s3 = await startS3()
    log = keepLog()
  })
  afterEach(async () => {
    await Promise.all(stores.map((store) => store.close()))
    stores = []
    await s3.stop()
  })

  const restart = async (options: S3EmulatorOptions) => {
    await s3.stop()
    s3 = await startS3(options)
  }
  const open = (changed: Partial<Parameters<typeof createS3Store>[0]> = {}) => {
    const { accessKeyId, secretAccessKey, bucket, region, url: endpoint } = s3
    const given = { accessKeyId, secretAccessKey, bucket, region, endpoint, reachable: false, log, timeoutMs: 10_000 }
    const store = createS3Store({ ...given, ...changed })
    stores.push(store)
    return store
  }
  const methods = () => s3.requests.map(({ method, status }) => `${method} ${status}`)

  /** The error of a rejected promise, after checking that no representation of it contains a secret. */
  async function errorOf(promise: Promise<unknown>): Promise<Error & { cause?: unknown }> {
    const error = await promise.then(
      () => expect.fail('it should have failed'),
      (reason: Error) => reason,
    )
    const seen = [error.message, String(error.stack), inspect(error, { depth: 20, showHidden: true })]
    expectNoSecrets([...seen, ...log.lines].join('\n'))
    return error
  }
  function expectNoSecrets(text: string) {
    for (const secret of [s3.secretAccessKey, s3.accessKeyId, 'wrong-secret', 'AWS4-HMAC', 'X-Amz-Signature'])
      expect(text.toLowerCase()).not.toContain(secret.toLowerCase())
  }

  it('are uploaded once, with type and signed content, and without checksums that other services refuse', async () => {
    await open().put(key, body, 'image/png')
    expect(methods()).toEqual(['PUT 200'])
    expect(s3.requests[0]).toMatchObject({ path: `/${s3.bucket}/${key}`, body })
    const { headers } = s3.requests[0]!
    expect(headers).toMatchObject({
      'content-type': 'image/png',
      'content-length': String(body.length),
      'cache-control': 'private, max-age=86400, immutable',
      'x-amz-content-sha256': expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(Object.keys(headers).filter((name) => /checksum|trailer|acl/.test(name))).toEqual([])
    expect(s3.objects.get(key)).toMatchObject({ data: body, type: 'image/png' })
    expect((await fetch(`${s3.url}/${s3.bucket}/${key}`)).status).toBe(403)
  })

  it('are never delivered as HTML or a script', async () => {
    await open().put(key, body, 'image/png')
    s3.faults.add({ kind: 'wrongType', times: 1 })
    expect(await open().get(key)).toMatchObject({ type: 'application/octet-stream' })
  })

  it.each([
    [undefined, 'https://pictures.s3.eu-central-1.amazonaws.com/'],
    ['https://s3.eu-central-1.amazonaws.com', 'https://pictures.s3.eu-central-1.amazonaws.com/'],
    ['https://s3.cn-north-1.amazonaws.com.cn', 'https://pictures.s3.cn-north-1.amazonaws.com.cn/'],
    ['https://0123.r2.cloudflarestorage.com', 'https://0123.r2.cloudflarestorage.com/pictures/'],
    ['http://minio:9000', 'http://minio:9000/pictures/'],
    ['https://example.org/storage/s3', 'https://example.org/storage/s3/pictures/'],
    ['https://pictures.oss-cn-hangzhou.aliyuncs.com', 'https://pictures.oss-cn-hangzhou.aliyuncs.com/'],
  ])('have links to the bucket at the endpoint %s', async (endpoint, address) => {
    const link = new URL(await open({ endpoint }).link(key, 1800))
    expect(link.href).toMatch(`${address}${key}?`)
    expect(link.searchParams.get('X-Amz-Expires')).toBe('1800')
    expect(link.searchParams.get('X-Amz-SignedHeaders')).toBe('host')
    expect(link.href).not.toContain(encodeURIComponent(s3.secretAccessKey))
    expect(s3.requests).toEqual([])
  })

  it('are served by a link that has the bucket in its host name', async () => {
    await open().put(key, body, 'image/png')
    const { port } = new URL(s3.url)
    const link = new URL(await open({ endpoint: `http://pictures.example.test:${port}` }).link(key, 60))
    const status = await new Promise((resolve) =>
      request(
        { host: '127.0.0.1', port, path: link.pathname + link.search, headers: { host: link.host } },
        (answer) => {
          answer.resume()
          resolve(answer.statusCode)
        },
      ),
    )
    expect([link.pathname, status]).toEqual([`/${key}`, 200])
  })

  describe('while the store or the network fails', () => {
    const temporary: [string, Fault][] = [
      ['internal errors', { kind: '500', times: 3 }],
      ['throttling', { kind: '429', times: 2 }],
      ['the error page of a proxy', { kind: '502html', times: 1 }],
      ['a request cut off', { kind: 'dropBefore', times: 2 }],
      ['a reply cut off', { kind: 'dropAfter', times: 2 }],
    ]
    it.each(temporary)('survive %s', async (_name, fault) => {
      const store = open()
      s3.faults.add(fault)
      await store.put(key, body, 'image/png')
      s3.faults.add(fault)
      expect(await store.get(key)).toEqual({ data: body, type: 'image/png' })
      s3.faults.add(fault)
      await store.delete(key)
      expect(await store.get(key)).toBeUndefined()
      s3.faults.add(fault)
      await store.check()
      expect(s3.faults.hits).toHaveLength(4 * fault.times!)
      expectNoSecrets(log.lines.join('\n'))
    })

    it('are read again when a download breaks off', async () => {
      const store = open()
      await store.put(key, body, 'image/png')
      s3.faults.add({ kind: 'cutOff', times: 2 })
      expect(await store.get(key)).toEqual({ data: body, type: 'image/png' })
      expect(methods()).toEqual(['PUT 200', 'GET 200', 'GET 200', 'GET 200'])
      expect(log.lines).toHaveLength(2)
      expect(log.lines[0]).toMatch('ECONNRESET')
    })

    const lasting: [Fault, RegExp, number][] = [
      [{ kind: '500' }, /InternalError 500/, 4],
      [{ kind: '429' }, /SlowDown 503/, 4],
      [{ kind: '502html' }, /502/, 4],
      [{ kind: 'dropBefore' }, /ECONNRESET/, 4],
      [{ kind: 'redirect', location: 'http://127.0.0.1:1/' }, /302/, 1],
    ]
    it.each(lasting)('fail when the fault lasts: $kind', async (fault, reason, requests) => {
      s3.faults.add(fault)
      const error = await errorOf(open().put(key, body, 'image/png'))
      expect(error).toMatchObject({ kind: 'internal', cause: { message: expect.stringMatching(reason) } })
      expect(s3.requests).toHaveLength(requests)
    })

    it.each<Fault>([{ kind: 'hang' }, { kind: 'delayAfter' }, { kind: 'hugeLength' }, { kind: 'slowLoris' }])(
      'time out when a response is missing or endless: $kind',
      async (fault) => {
        await open().put(key, body, 'image/png')
        s3.faults.add(fault)
        const error = await errorOf(open({ timeoutMs: 400 }).get(key))
        expect(error).toMatchObject({ kind: 'internal', cause: { message: 'S3: Timeout' } })
      },
    )

    it('use another connection when one is dead', async () => {
      s3.faults.add({ kind: 'hang', times: 1 })
      await open({ timeoutMs: 2000 }).put(key, body, 'image/png')
      expect(methods()).toEqual(['PUT 0', 'PUT 200'])
    })

    it('are refused as too large before they fill the memory', async () => {
      const store = open()
      await store.put(key, body, 'image/png')
      s3.faults.add({ kind: 'endless' })
      expect(await errorOf(store.get(key))).toMatchObject({ cause: { message: 'S3: TooLarge' } })
      s3.faults.clear()
      const object = s3.objects.get(key)!
      object.data = Buffer.alloc(64 * MB)
      expect((await store.get(key))?.data.length).toBe(64 * MB)
      object.data = Buffer.alloc(64 * MB + 1)
      expect(await errorOf(store.get(key))).toMatchObject({ cause: { message: 'S3: TooLarge' } })
    })

    it('are aborted by close, after which no request is sent', async () => {
      s3.faults.add({ kind: 'hang' })
      const store = open()
      const hanging = errorOf(store.put(key, body, 'image/png'))
      await expect.poll(() => s3.requests.length).toBe(1)
      await store.close()
      expect(await hanging).toMatchObject({ cause: { message: 'S3: Closed' } })
      expect(await errorOf(store.get(key))).toMatchObject({ cause: { message: 'S3: Closed' } })
      expect(s3.requests).toHaveLength(1)
    })
  })

  describe('with wrong settings', () => {
    const mistakeOf = async (changed: Parameters<typeof open>[0]) => (await errorOf(open(changed).check())).message

    it('report which setting is wrong', async () => {
      await open().check()
      const refused = 'the store refuses S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY'
      expect(await mistakeOf({ secretAccessKey: 'wrong-secret' })).toBe(
        `${refused} (SignatureDoesNotMatch): check both, and S3_REGION`,
      )
      expect(await mistakeOf({ accessKeyId: 'wrong-secret-id' })).toMatch(`${refused} (InvalidAccessKeyId)`)
      expect(await mistakeOf({ bucket: 'missing' })).toBe(
        `S3_BUCKET missing does not exist at S3_ENDPOINT ${s3.url}: check both`,
      )
      expect(await mistakeOf({ region: 'us-east-1' })).toBe(
        'S3_BUCKET pictures is in the region eu-central-1: set S3_REGION to eu-central-1',
      )
      expect(methods()).toEqual(['GET 200', 'GET 403', 'GET 403', 'GET 404', 'GET 400'])
    })

    it('report a key without the right to list', async () => {
      await restart({ denied: ['ListBucket'] })
      expect(await mistakeOf({})).toBe(
        'the key in S3_ACCESS_KEY_ID may not list S3_BUCKET pictures (AccessDenied): give it the rights that docs/operations.md lists',
      )
    })

    it('report that the store cannot be reached', async () => {
      const { url: endpoint } = s3
      await s3.stop()
      expect(await mistakeOf({})).toBe(
        `the store at S3_ENDPOINT ${endpoint} does not answer (ECONNREFUSED): check S3_ENDPOINT and the network`,
      )
      s3 = await startS3()
      s3.faults.add({ kind: 'hang' })
      expect(await mistakeOf({ timeoutMs: 300 })).toMatch('does not answer (Timeout)')
      s3.faults.clear()
      s3.faults.add({ kind: '502html' })
      expect(await mistakeOf({})).toMatch(/^the store answers with status 502 .*: check S3_ENDPOINT/)
    })

    it.each([1, -1])('work with a clock that is off by %i hour', async (hours) => {
      await restart({ clockAheadMs: hours * 3_600_000 })
      const store = open()
      await store.put(key, body, 'image/png')
      expect((await fetch(await store.link(key, 60))).status).toBe(200)
      expect(methods()).toEqual(['PUT 403', 'PUT 200', 'GET 200'])
      expect(log.lines[0]).toMatch('RequestTimeTooSkewed')
    })

    it('fail at once in every call, because a retry would not help', async () => {
      const store = open({ secretAccessKey: 'wrong-secret' })
      const refused = { kind: 'internal', cause: { code: 'SignatureDoesNotMatch', statusCode: 403 } }
      expect(await errorOf(store.put(key, body, 'image/png'))).toMatchObject(refused)
      expect(await errorOf(store.get(key))).toMatchObject(refused)
      expect(await errorOf(store.delete(key))).toMatchObject(refused)
      expect(methods()).toEqual(['PUT 403', 'GET 403', 'DELETE 403'])
      expect(log.lines).toEqual([])
    })
  })
})
