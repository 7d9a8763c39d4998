import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createCosStore } from '../../src/storage/cos.ts'
import { type CosEmulator, startCos } from '../emulators/cos/index.ts'
import type { Fault } from '../emulators/faults.ts'
import { keepLog } from '../helpers/log.ts'

const key = 'image/a/0-random.png'
const body = Buffer.from('0123456789'.repeat(1000))
const MB = 1024 * 1024

describe('pictures on COS', () => {
  let cos: CosEmulator
  let log: ReturnType<typeof keepLog>
  let stores: ReturnType<typeof createCosStore>[] = []
  beforeEach(async () => {
    cos = await startCos()
    log = keepLog()
  })
  afterEach(async () => {
    await Promise.all(stores.map((store) => store.close()))
    stores = []
    await cos.stop()
  })

  const open = (changed: Partial<Parameters<typeof createCosStore>[0]> = {}) => {
    const { secretId, secretKey, bucket, region, domain } = cos
    const store = createCosStore({ secretId, secretKey, bucket, region, domain, log, timeoutMs: 10_000, ...changed })
    stores.push(store)
    return store
  }
  const methods = () => cos.requests.map(({ method, status }) => `${method} ${status}`)

  /** The error of a rejected promise, after checking that no representation of it contains a secret. */
  async function errorOf(promise: Promise<unknown>): Promise<Error & { cause?: unknown }> {
    const error = await promise.then(
      () => expect.fail('it should have failed'),
      (reason: Error) => reason,
    )
    const seen = [error.message, String(error.stack), json(error), inspect(error, { depth: 20, showHidden: true })]
    expectNoSecrets([...seen, ...log.lines].join('\n'))
    return error
  }
  function expectNoSecrets(text: string) {
    for (const secret of [cos.secretKey, cos.secretId, 'wrong-secret', 'Authorization', 'q-sign', 'StringToSign'])
      expect(text.toLowerCase()).not.toContain(secret.toLowerCase())
  }

  it('are uploaded once, with type, checksum and the rights of the private bucket', async () => {
    const store = open()
    await store.put(key, body, 'image/png')
    expect(methods()).toEqual(['PUT 200'])
    expect(cos.requests[0]).toMatchObject({ path: `/${cos.bucket}/${key}`, body })
    expect(cos.requests[0]?.headers).toMatchObject({
      'content-type': 'image/png',
      'content-length': String(body.length),
      'content-md5': expect.stringMatching(/^[\w+/]{22}==$/),
      'cache-control': 'private, max-age=86400, immutable',
      'x-cos-acl': 'default',
    })
    expect(cos.objects.get(key)).toMatchObject({ data: body, type: 'image/png', acl: 'default' })
    const bare = await fetch(`${cos.url}/${cos.bucket}/${key}`)
    expect(bare.status).toBe(403)
  })

  it('are never delivered as HTML or a script', async () => {
    await open().put(key, body, 'image/png')
    cos.faults.add({ kind: 'wrongType', times: 1 })
    expect(await open().get(key)).toMatchObject({ type: 'application/octet-stream' })
  })

  it('have links on the host in the settings', async () => {
    const { host } = new URL(cos.url)
    expect(await open().link(key, 60)).toMatch(`http://${host}/${cos.bucket}/${key}?q-sign-algorithm=sha1&q-ak=`)
    expect(await open({ domain: 'https://cdn.example.com' }).link(key, 60)).toMatch(`https://cdn.example.com/${key}?`)
    expect(await open({ domain: 'cdn.example.com' }).link(key, 60)).toMatch(`https://cdn.example.com/${key}?`)
    const real = `https://${cos.bucket}.cos.${cos.region}.myqcloud.com/${key}?`
    expect(await open({ domain: undefined }).link(key, 60)).toMatch(real)
    expect(cos.requests).toEqual([])
  })

  it('are reachable unless the host is this machine', () => {
    const reachable = (domain?: string) => open({ domain }).reachable
    expect(['http://127.0.0.1:9000/{Bucket}', 'localhost', 'http://[::1]:1'].map(reachable)).toEqual([
      false,
      false,
      false,
    ])
    expect([undefined, 'https://localhost.example.com', '{Bucket}.cos.{Region}.tencentcos.cn'].map(reachable)).toEqual([
      true,
      true,
      true,
    ])
  })

  describe('while COS or the network fails', () => {
    const temporary: [string, Fault][] = [
      ['two internal errors', { kind: '500', times: 2 }],
      ['internal errors until after a pause', { kind: '500', times: 5 }],
      ['throttling', { kind: '429', times: 6 }],
      ['the error page of a proxy', { kind: '502html', times: 1 }],
      ['a request cut off', { kind: 'dropBefore', times: 2 }],
      ['a reply cut off', { kind: 'dropAfter', times: 2 }],
      ['connections cut for a while', { kind: 'dropBefore', times: 5 }],
    ]
    it.each(temporary)('survive %s', async (_name, fault) => {
      const store = open()
      cos.faults.add(fault)
      await store.put(key, body, 'image/png')
      cos.faults.add({ ...fault, times: Math.min(fault.times!, 3) })
      expect(await store.get(key)).toEqual({ data: body, type: 'image/png' })
      cos.faults.add(fault)
      await store.delete(key)
      expect(await store.get(key)).toBeUndefined()
      cos.faults.add(fault)
      await store.check()
      expect(cos.faults.hits).toHaveLength(3 * fault.times! + Math.min(fault.times!, 3))
      expectNoSecrets(log.lines.join('\n'))
    })

    it('are read again when a download breaks off', async () => {
      const store = open()
      await store.put(key, body, 'image/png')
      cos.faults.add({ kind: 'cutOff', times: 2 })
      expect(await store.get(key)).toEqual({ data: body, type: 'image/png' })
      expect(methods()).toEqual(['PUT 200', 'GET 200', 'GET 200', 'GET 200'])
      expect(log.lines).toHaveLength(2)
      expect(log.lines[0]).toMatch('ECONNRESET')
    })

    const lasting: [Fault, RegExp, number][] = [
      [{ kind: '500' }, /InternalError 500/, 16],
      [{ kind: '429' }, /SlowDown 503/, 16],
      [{ kind: '502html' }, /502/, 16],
      [{ kind: 'dropBefore' }, /ECONNRESET/, 16],
      [{ kind: 'redirect', location: 'http://127.0.0.1:1/' }, /302/, 1],
    ]
    it.each(lasting)('fail when the fault lasts: $kind', async (fault, reason, requests) => {
      cos.faults.add(fault)
      const error = await errorOf(open().put(key, body, 'image/png'))
      expect(error).toMatchObject({ kind: 'internal', cause: { message: expect.stringMatching(reason) } })
      expect(cos.requests).toHaveLength(requests)
    })

    it.each<Fault>([{ kind: 'hang' }, { kind: 'delayAfter' }, { kind: 'hugeLength' }, { kind: 'slowLoris' }])(
      'time out when a response is missing or endless: $kind',
      async (fault) => {
        cos.objects.clear()
        await open().put(key, body, 'image/png')
        cos.faults.add(fault)
        const began = performance.now()
        const error = await errorOf(open({ timeoutMs: 400 }).get(key))
        expect(error).toMatchObject({ kind: 'internal', cause: { message: 'COS: Timeout' } })
        expect(performance.now() - began).toBeLessThan(20_000)
      },
    )

    it('use another connection when one is dead', async () => {
      cos.faults.add({ kind: 'hang', times: 1 })
      await open({ timeoutMs: 2000 }).put(key, body, 'image/png')
      expect(methods()).toEqual(['PUT 0', 'PUT 200'])
    })

    it('are refused as too large before they fill the memory', async () => {
      const store = open()
      await store.put(key, body, 'image/png')
      cos.faults.add({ kind: 'endless' })
      const error = await errorOf(store.get(key))
      expect(error).toMatchObject({ cause: { message: 'COS: TooLarge' } })
      cos.faults.clear()
      const object = cos.objects.get(key)!
      object.data = Buffer.alloc(64 * MB)
      expect((await store.get(key))?.data.length).toBe(64 * MB)
      object.data = Buffer.alloc(64 * MB + 1)
      expect(await errorOf(store.get(key))).toMatchObject({ cause: { message: 'COS: TooLarge' } })
    })

    it('are aborted by close, after which no request is sent', async () => {
      cos.faults.add({ kind: 'hang' })
      const store = open()
      const hanging = errorOf(store.put(key, body, 'image/png'))
      await expect.poll(() => cos.requests.length).toBe(1)
      await store.close()
      expect(await hanging).toMatchObject({ cause: { message: 'COS: Closed' } })
      expect(await errorOf(store.get(key))).toMatchObject({ cause: { message: 'COS: Closed' } })
      expect(cos.requests).toHaveLength(1)
    })
  })

  describe('with wrong settings', () => {
    it('report which setting is wrong', async () => {
      await open().check()
      const wrongKey = await errorOf(open({ secretKey: 'wrong-secret' }).check())
      expect(wrongKey.message).toBe(
        `COS refuses COS_SECRET_ID and COS_SECRET_KEY for bucket ${cos.bucket}: check both, and that they may use the bucket`,
      )
      const wrongId = await errorOf(open({ secretId: 'wrong-secret-id' }).check())
      expect(wrongId.message).toBe(wrongKey.message)
      const noBucket = await errorOf(open({ bucket: 'missing-1250000000' }).check())
      expect(noBucket.message).toBe(
        'COS_BUCKET missing-1250000000 does not exist in COS_REGION ap-guangzhou: check both',
      )
      const badBucket = await errorOf(open({ bucket: 'pictures' }).check())
      expect(badBucket.message).toMatch(/^COS_BUCKET pictures and COS_REGION ap-guangzhou must look like/)
      const badRegion = await errorOf(open({ region: 'cos.ap-guangzhou' }).check())
      expect(badRegion.message).toMatch(/COS_REGION cos\.ap-guangzhou must look like/)
      expect(methods()).toEqual(['HEAD 200', 'HEAD 403', 'HEAD 403', 'HEAD 404'])
    })

    it('report that COS cannot be reached', async () => {
      const store = open()
      await cos.stop()
      expect((await errorOf(store.check())).message).toBe(
        'COS does not answer (ECONNREFUSED): check COS_DOMAIN, if it is set, and the network',
      )
      cos = await startCos()
      cos.faults.add({ kind: 'hang' })
      expect((await errorOf(open({ timeoutMs: 300 }).check())).message).toMatch('COS does not answer (Timeout)')
      cos.faults.clear()
      cos.faults.add({ kind: '502html' })
      expect((await errorOf(open().check())).message).toBe(
        'COS answers with status 502: check COS_DOMAIN, if it is set, and the network',
      )
    })

    it.each([1, -1])('work with a clock that is off by %i hour, and report it', async (hours) => {
      await cos.stop()
      cos = await startCos({ clockAheadMs: hours * 3_600_000 })
      const store = open()
      expect((await errorOf(store.check())).message).toBe(
        'the clock of this machine is off by 60 minutes, so COS refuses its signatures: set the clock',
      )
      await store.put(key, body, 'image/png')
      expect((await fetch(await store.link(key, 60))).status).toBe(200)
      await store.delete(key)
      expect(methods()).toEqual(['HEAD 403', 'PUT 403', 'PUT 200', 'GET 200', 'DELETE 204'])
    })

    it('fail at once in every call, because a retry would not help', async () => {
      const store = open({ secretKey: 'wrong-secret' })
      const refused = { kind: 'internal', cause: { code: 'SignatureDoesNotMatch', statusCode: 403 } }
      expect(await errorOf(store.put(key, body, 'image/png'))).toMatchObject(refused)
      expect(await errorOf(store.get(key))).toMatchObject(refused)
      expect(await errorOf(store.delete(key))).toMatchObject(refused)
      expect(methods()).toEqual(['PUT 403', 'GET 403', 'DELETE 403'])
      expect(await errorOf(open({ bucket: 'missing-1250000000' }).get(key))).toMatchObject({
        cause: { code: 'NoSuchBucket', statusCode: 404, requestId: expect.any(String) },
      })
      for (const wrong of [{ bucket: 'pictures' }, { region: 'AP guangzhou' }]) {
        expect(await errorOf(open(wrong).put(key, body, 'image/png'))).toMatchObject({ kind: 'internal' })
        expect(await errorOf(open(wrong).link(key, 60))).toMatchObject({ kind: 'internal' })
      }
      expect(log.lines).toEqual([])
    })
  })
})

/** Serialises all properties of an error and its causes, as a careless logger would. */
function json(error: unknown): string {
  const whole = (_key: string, value: unknown) =>
    value instanceof Error
      ? Object.fromEntries(Object.getOwnPropertyNames(value).map((name) => [name, Reflect.get(value, name)]))
      : value
  return JSON.stringify(error, whole)
}
