/**
 * Keeps pictures in a private bucket of Tencent COS, which delivers them by signed links. Errors of the COS library
 * contain signed addresses and request headers, so only their code, status and request id leave this file.
 */
import { Writable } from 'node:stream'
import COS from 'cos-nodejs-sdk-v5'
import { AppError } from '../core/errors.ts'
import { checkKey } from '../core/media/object-keys.ts'
import type { ObjectStore } from '../core/ports/storage.ts'
import { cacheControl, createCalls, limitBytes, StoreError, safeType, safeWord, skewOf } from './calls.ts'

export interface CosOptions {
  secretId: string
  secretKey: string
  bucket: string
  region: string
  /** Replaces Tencent's host. May contain {Bucket}, {Region}, scheme, port and path. */
  domain?: string
  log: { warn(data: object, message: string): void }
  /** Milliseconds for one call with all its attempts. Default 30,000. */
  timeoutMs?: number
}

export interface CosStore extends ObjectStore {
  /** Rejects with a sentence that names the wrong setting. */
  check(): Promise<void>
  /** Aborts calls in progress. */
  close(): Promise<void>
}

export function createCosStore({ bucket, region, log, timeoutMs = 30_000, ...account }: CosOptions): CosStore {
  const bucketAddress = { Bucket: bucket, Region: region }
  const calls = createCalls({ name: 'COS', timeoutMs, log, toError })
  let clockOffset = 0

  /** Creates a client per call: the library has no signal per call, and queues calls of one client three at a time. */
  function connect(signal?: AbortSignal): COS {
    const cos = new COS({
      SecretId: account.secretId,
      SecretKey: account.secretKey,
      Domain: account.domain ?? '',
      // half of the time, which leaves the other half for a second connection
      Timeout: Math.ceil(timeoutMs / 2),
      SystemClockOffset: clockOffset,
      UploadCheckContentMd5: true,
    })
    cos.on('before-send', (request: { signal?: AbortSignal }) => {
      request.signal = signal
    })
    return cos
  }

  /** In each attempt the library tries four times without a pause, or once when it reads. */
  function call<T>(run: (cos: COS) => Promise<T>): Promise<T> {
    return calls.call(async (signal) => {
      const offset = clockOffset
      const cos = connect(signal)
      try {
        return await run(cos)
      } finally {
        if (offsetOf(cos) !== offset) clockOffset = offsetOf(cos)
      }
    })
  }

  return {
    reachable: !/^(?:https?:\/\/)?(?:localhost|127\.[\d.]+|\[::1\])(?=[:/]|$)/i.test(account.domain ?? ''),
    async put(key, body, type) {
      const object = {
        ...bucketAddress,
        Key: checkKey(key),
        Body: body,
        ContentType: type,
        CacheControl: cacheControl,
        // the object gets the bucket's rights: an object with its own would use one of the account's 1,000 rules
        ACL: 'default' as const,
      }
      await call((cos) => cos.putObject(object))
    },
    async get(key) {
      checkKey(key)
      return await call((cos) => read(cos, { ...bucketAddress, Key: key }))
    },
    async link(key, ttlSeconds) {
      const url: unknown = connect().getObjectUrl({
        ...bucketAddress,
        Key: checkKey(key),
        Sign: true,
        Expires: ttlSeconds,
      })
      if (typeof url !== 'string') throw new AppError('internal', {}, { cause: new StoreError('COS', 'NoLink') })
      return url
    },
    async delete(key) {
      checkKey(key)
      await call((cos) => cos.deleteObject({ ...bucketAddress, Key: key }))
    },
    async check() {
      try {
        await call((cos) => cos.headBucket(bucketAddress))
      } catch (error) {
        const { cause } = error as AppError
        throw new Error(explain(cause as StoreError, { bucket, region }), { cause })
      }
    },
    async close() {
      calls.close()
    },
  }
}

/** Reads through a stream, because the library has no other way to enforce a size limit. */
async function read(cos: COS, object: { Bucket: string; Region: string; Key: string }) {
  const chunks: Buffer[] = []
  let size = 0
  const Output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      size += chunk.length
      if (size > limitBytes) return done(new StoreError('COS', 'TooLarge'))
      chunks.push(chunk)
      done()
    },
  })
  try {
    const { headers = {} } = await cos.getObject({ ...object, Output })
    return { data: Buffer.concat(chunks), type: safeType(headers['content-type']) }
  } catch (error) {
    if (toError(error).code === 'NoSuchKey') return undefined
    throw error
  }
}

function toError(error: unknown): StoreError {
  if (error instanceof StoreError) return error
  const { code, statusCode, RequestId, headers, message } = error as Partial<COS.CosSdkError>
  // the library checks names before it sends a request
  if (/^(param Region|Region|Bucket|missing param) /.test(message ?? '')) return new StoreError('COS', 'BadSettings')
  const network = statusCode === undefined || statusCode < 300
  return new StoreError('COS', safeWord(code) ?? 'Error', {
    statusCode,
    requestId: safeWord(RequestId),
    temporary: network || statusCode >= 500,
    skewMs: skewOf(headers?.date),
  })
}

function explain({ code, statusCode, requestId, skewMs }: StoreError, at: { bucket: string; region: string }): string {
  if (code === 'BadSettings')
    return `COS_BUCKET ${at.bucket} and COS_REGION ${at.region} must look like name-1250000000 and ap-guangzhou`
  if (statusCode === undefined || statusCode < 300)
    return `COS does not answer (${code}): check COS_DOMAIN, if it is set, and the network`
  if (statusCode === 404) return `COS_BUCKET ${at.bucket} does not exist in COS_REGION ${at.region}: check both`
  if (statusCode === 403 && skewMs > 300_000)
    return `the clock of this machine is off by ${Math.round(skewMs / 60_000)} minutes, so COS refuses its signatures: set the clock`
  if (statusCode === 403)
    return `COS refuses COS_SECRET_ID and COS_SECRET_KEY for bucket ${at.bucket}: check both, and that they may use the bucket`
  const request = requestId ? `, request ${requestId}` : ''
  return `COS answers with status ${statusCode}${request}: check COS_DOMAIN, if it is set, and the network`
}

/** The offset by which the library corrects its clock, which its types do not show. */
function offsetOf(cos: COS): number {
  return (cos as COS & { options: { SystemClockOffset: number } }).options.SystemClockOffset
}
