/**
 * Keeps pictures in a private bucket of a store that speaks S3 (AWS, R2, MinIO and others), which delivers them by signed
 * links. Errors of the library contain addresses and headers, so only their code, status and request id leave this file.
 */
import { addAbortSignal, type Readable } from 'node:stream'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ServiceException,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { AppError } from '../core/errors.ts'
import { checkKey } from '../core/media/object-keys.ts'
import type { ObjectStore } from '../core/ports/storage.ts'
import { cacheControl, createCalls, limitBytes, StoreError, safeType, safeWord, skewOf } from './calls.ts'

export interface S3Options {
  /** Address of the service, or of the bucket (`https://{bucket}.…`). Absent: AWS. */
  endpoint?: string
  region: string
  bucket: string
  accessKeyId: string
  secretAccessKey: string
  /** Whether links can be opened from other networks. */
  reachable: boolean
  log: { warn(data: object, message: string): void }
  /** Milliseconds for one call with all its attempts. Default 30,000. */
  timeoutMs?: number
}

export interface S3Store extends ObjectStore {
  /** Rejects with a sentence that names the wrong setting. */
  check(): Promise<void>
  /** Aborts calls in progress. */
  close(): Promise<void>
}

export function createS3Store({ bucket, region, reachable, log, timeoutMs = 30_000, ...given }: S3Options): S3Store {
  const { endpoint = `https://s3.${region}.amazonaws.com`, accessKeyId, secretAccessKey } = given
  const { call, close } = createCalls({ name: 'S3', timeoutMs, log, toError })
  const client = new S3Client({
    ...addressOf(endpoint, bucket),
    region,
    credentials: { accessKeyId, secretAccessKey },
    // `call` repeats, also when a download breaks off, which the library would not
    maxAttempts: 1,
    // by default the library adds checksums that R2, MinIO and others refuse; the signature covers the body in any case
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: 5_000,
      // half of the time, which leaves the other half for a second connection
      requestTimeout: Math.ceil(timeoutMs / 2),
      throwOnRequestTimeout: true,
    },
  })

  return {
    reachable,
    async put(key, body, type) {
      const object = { Bucket: bucket, Key: checkKey(key), Body: body, ContentType: type, CacheControl: cacheControl }
      await call((abortSignal) => client.send(new PutObjectCommand(object), { abortSignal }))
    },
    async get(key) {
      const object = { Bucket: bucket, Key: checkKey(key) }
      return await call(async (signal) => {
        try {
          const { Body, ContentType } = await client.send(new GetObjectCommand(object), { abortSignal: signal })
          return { data: await read(Body as Readable, signal), type: safeType(ContentType) }
        } catch (error) {
          if (isMissing(error)) return undefined
          throw error
        }
      })
    },
    async link(key, ttlSeconds) {
      const command = new GetObjectCommand({ Bucket: bucket, Key: checkKey(key) })
      // the library corrects its clock by answers of the store
      const signingDate = new Date(Date.now() + client.config.systemClockOffset)
      return await getSignedUrl(client, command, { expiresIn: ttlSeconds, signingDate }).catch((error: unknown) => {
        throw new AppError('internal', {}, { cause: toError(error) })
      })
    },
    async delete(key) {
      const object = { Bucket: bucket, Key: checkKey(key) }
      await call(async (abortSignal) => {
        // Google's store answers 404 for a missing object, the others 204
        await client.send(new DeleteObjectCommand(object), { abortSignal }).catch((error: unknown) => {
          if (!isMissing(error)) throw error
        })
      })
    },
    async check() {
      // unlike a HEAD of the bucket, the answer says why the store refuses
      const page = new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 1 })
      try {
        await call((abortSignal) => client.send(page, { abortSignal }))
      } catch (error) {
        const { cause } = error as AppError
        throw new Error(explain(cause as StoreError, { bucket, region, endpoint }), { cause })
      }
    },
    async close() {
      close()
      client.destroy()
    },
  }
}

/**
 * AWS and addresses that name the bucket (`https://{bucket}.oss-cn-hangzhou.aliyuncs.com`) get the bucket in the host name,
 * all others in the path, which R2 and MinIO understand.
 */
function addressOf(endpoint: string, bucket: string): { endpoint: string; forcePathStyle: boolean } {
  const { hostname } = new URL(endpoint)
  if (hostname.startsWith(`${bucket}.`))
    return { endpoint: endpoint.replace(`//${bucket}.`, '//'), forcePathStyle: false }
  return { endpoint, forcePathStyle: !/\.amazonaws\.com(\.cn)?$/.test(hostname) }
}

async function read(body: Readable, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  // once the response has begun, the library no longer looks at the signal
  for await (const chunk of addAbortSignal(signal, body)) {
    size += chunk.length
    // leaving the loop closes the connection
    if (size > limitBytes) throw new StoreError('S3', 'TooLarge')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

interface LibraryError extends Partial<Omit<S3ServiceException, '$metadata'>> {
  code?: unknown
  Region?: unknown
  /** `clockSkewCorrected`: the library has set its clock by the answer; its types do not show it. */
  $metadata?: S3ServiceException['$metadata'] & { clockSkewCorrected?: boolean }
}

const isMissing = (error: unknown) => (error as Error).name === 'NoSuchKey'

/** Codes of refusals that pass. */
const passing = ['RequestTimeout', 'OperationAborted', 'SlowDown', 'TooManyRequests']

function toError(error: unknown): StoreError {
  if (error instanceof StoreError) return error
  const { name, code, $metadata, $response, Region } = error as LibraryError
  const statusCode = $metadata?.httpStatusCode
  const headers = $response?.headers ?? {}
  // a proxy's error page has no code that the library could read
  const word = safeWord(statusCode === undefined ? (code ?? name) : name) ?? 'Error'
  const temporary = statusCode === undefined || statusCode < 300 || statusCode === 429 || statusCode >= 500
  return new StoreError('S3', word, {
    statusCode,
    requestId: safeWord($metadata?.requestId),
    temporary: temporary || passing.includes(word) || $metadata?.clockSkewCorrected === true,
    skewMs: skewOf(headers.date),
    region: safeWord(Region ?? headers['x-amz-bucket-region']),
  })
}

interface Place {
  bucket: string
  region: string
  endpoint: string
}

function explain({ code, statusCode, requestId, skewMs, region }: StoreError, at: Place): string {
  if (statusCode === undefined || statusCode < 300)
    return `the store at S3_ENDPOINT ${at.endpoint} does not answer (${code}): check S3_ENDPOINT and the network`
  if (region !== undefined && region !== at.region && statusCode >= 300 && statusCode < 500)
    return `S3_BUCKET ${at.bucket} is in the region ${region}: set S3_REGION to ${region}`
  if (code === 'NoSuchBucket' || statusCode === 404)
    return `S3_BUCKET ${at.bucket} does not exist at S3_ENDPOINT ${at.endpoint}: check both`
  if (skewMs > 300_000 && statusCode === 403)
    return `the clock of this machine is off by ${Math.round(skewMs / 60_000)} minutes, so the store refuses its signatures: set the clock`
  if (code === 'InvalidAccessKeyId' || code === 'SignatureDoesNotMatch')
    return `the store refuses S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY (${code}): check both, and S3_REGION`
  if (statusCode === 403)
    return `the key in S3_ACCESS_KEY_ID may not list S3_BUCKET ${at.bucket} (${code}): give it the rights that docs/operations.md lists`
  const request = requestId ? `, request ${requestId}` : ''
  return `the store answers with status ${statusCode} (${code}${request}): check S3_ENDPOINT ${at.endpoint}`
}
