/**
 * Pictures in a private bucket of Tencent COS, opened by signed links. What the library throws carries addresses with
 * signatures and whole header lists; only the code, the status and the id of the request leave this file.
 */
import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import COS from 'cos-nodejs-sdk-v5'
import { AppError } from '../core/errors.ts'
import type { ObjectStore } from '../core/ports/storage.ts'
import { checkKey } from './keys.ts'

export interface CosOptions {
  secretId: string
  secretKey: string
  bucket: string
  region: string
  /** In place of Tencent's own host; {Bucket} and {Region} stand in it; may hold scheme, port and path. */
  domain?: string
  log: { warn(data: object, message: string): void }
  /** For one call with all its attempts. */
  timeoutMs?: number
}

export interface CosStore extends ObjectStore {
  /** Rejects with a sentence that names the setting that is wrong. */
  check(): Promise<void>
  /** Cuts off what is under way. */
  close(): Promise<void>
}

const limitMb = 64
/** Between rounds. In each the library tries four times without a pause, but only once when it reads. */
const pausesMs = [100, 300, 1000]
const imageTypes: readonly (string | undefined)[] = ['image/png', 'image/jpeg', 'image/webp']

export function createCosStore({ bucket, region, log, timeoutMs = 30_000, ...account }: CosOptions): CosStore {
  const place = { Bucket: bucket, Region: region }
  const running = new Set<AbortController>()
  let closed = false
  let clockOffset = 0

  /** One for each call: the library ties neither a signal nor a free place in its queue of three to a call. */
  function connect(signal?: AbortSignal): COS {
    const cos = new COS({
      SecretId: account.secretId,
      SecretKey: account.secretKey,
      Domain: account.domain ?? '',
      // half, so that one dead connection leaves time for another
      Timeout: Math.ceil(timeoutMs / 2),
      SystemClockOffset: clockOffset,
      UploadCheckContentMd5: true,
    })
    cos.on('before-send', (request: { signal?: AbortSignal }) => {
      request.signal = signal
    })
    return cos
  }

  async function call<T>(run: (cos: COS) => Promise<T>): Promise<T> {
    const control = new AbortController()
    const timer = setTimeout(() => control.abort(), timeoutMs)
    running.add(control)
    try {
      for (let attempt = 0; ; attempt++) {
        if (closed) throw new CosError('Closed')
        const offset = clockOffset
        const cos = connect(control.signal)
        try {
          return await run(cos)
        } catch (error) {
          const failure = control.signal.aborted ? new CosError(closed ? 'Closed' : 'Timeout') : toCosError(error)
          const pause = pausesMs[attempt]
          if (!failure.passing || pause === undefined) throw failure
          const { code, statusCode, requestId } = failure
          log.warn({ code, statusCode, requestId, attempt }, 'COS failed; trying again')
          await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal: control.signal }).catch(() => undefined)
        } finally {
          if (offsetOf(cos) !== offset) clockOffset = offsetOf(cos)
        }
      }
    } catch (error) {
      throw new AppError('internal', {}, { cause: error })
    } finally {
      clearTimeout(timer)
      running.delete(control)
    }
  }

  return {
    reachable: !/^(?:https?:\/\/)?(?:localhost|127\.[\d.]+|\[::1\])(?=[:/]|$)/i.test(account.domain ?? ''),
    async put(key, body, type) {
      const object = {
        ...place,
        Key: checkKey(key),
        Body: body,
        ContentType: type,
        CacheControl: 'private, max-age=86400, immutable',
        // the bucket's own rights: an account has no more than 1,000 rules, and each object with its own takes one
        ACL: 'default' as const,
      }
      await call((cos) => cos.putObject(object))
    },
    async get(key) {
      checkKey(key)
      return await call((cos) => read(cos, { ...place, Key: key }))
    },
    async link(key, ttlSeconds) {
      const url: unknown = connect().getObjectUrl({ ...place, Key: checkKey(key), Sign: true, Expires: ttlSeconds })
      if (typeof url !== 'string') throw new AppError('internal', {}, { cause: new CosError('NoLink') })
      return url
    },
    async delete(key) {
      checkKey(key)
      await call((cos) => cos.deleteObject({ ...place, Key: key }))
    },
    async check() {
      try {
        await call((cos) => cos.headBucket(place))
      } catch (error) {
        const { cause } = error as AppError
        throw new Error(explain(cause as CosError, { bucket, region }), { cause })
      }
    },
    async close() {
      closed = true
      for (const control of running) control.abort()
    },
  }
}

/** Through a stream, because that is the only way to stop the library at a limit. */
async function read(cos: COS, object: { Bucket: string; Region: string; Key: string }) {
  const chunks: Buffer[] = []
  let size = 0
  const Output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      size += chunk.length
      if (size > limitMb * 1024 * 1024) return done(new CosError('TooLarge'))
      chunks.push(chunk)
      done()
    },
  })
  try {
    const { headers = {} } = await cos.getObject({ ...object, Output })
    const type: string | undefined = headers['content-type']
    return { data: Buffer.concat(chunks), type: imageTypes.includes(type) ? type! : 'application/octet-stream' }
  } catch (error) {
    if (toCosError(error).code === 'NoSuchKey') return undefined
    throw error
  }
}

class CosError extends Error {
  readonly code: string
  readonly statusCode: number | undefined
  readonly requestId: string | undefined
  /** Worth another attempt. */
  readonly passing: boolean
  /** How far this machine's clock is from COS's. */
  readonly skewMs: number

  constructor(
    code: string,
    about: { statusCode?: number; requestId?: string; passing?: boolean; skewMs?: number } = {},
  ) {
    const { statusCode, requestId } = about
    super(`COS: ${[code, statusCode, requestId].filter((part) => part !== undefined).join(' ')}`)
    this.name = 'CosError'
    this.code = code
    this.statusCode = statusCode
    this.requestId = requestId
    this.passing = about.passing ?? false
    this.skewMs = about.skewMs ?? 0
  }
}

function toCosError(error: unknown): CosError {
  if (error instanceof CosError) return error
  const { code, statusCode, RequestId, headers, message } = error as Partial<COS.CosSdkError>
  // the library's own check of names, made before anything is sent
  if (/^(param Region|Region|Bucket|missing param) /.test(message ?? '')) return new CosError('BadSettings')
  const word = (text: unknown) => (typeof text === 'string' && /^[\w.+/=-]{1,100}$/.test(text) ? text : undefined)
  const network = statusCode === undefined || statusCode < 300
  return new CosError(word(code) ?? 'Error', {
    statusCode,
    requestId: word(RequestId),
    passing: network || statusCode >= 500,
    skewMs: headers?.date ? Math.abs(Date.parse(headers.date) - Date.now()) : 0,
  })
}

function explain({ code, statusCode, requestId, skewMs }: CosError, at: { bucket: string; region: string }): string {
  if (code === 'BadSettings')
    return `COS_BUCKET ${at.bucket} / COS_REGION ${at.region}: must look like name-1250000000 and ap-guangzhou`
  if (statusCode === undefined || statusCode < 300) return `COS_DOMAIN / network: COS does not answer (${code})`
  if (statusCode === 404) return `COS_BUCKET ${at.bucket} does not exist in COS_REGION ${at.region}`
  if (statusCode === 403 && skewMs > 300_000)
    return `the clock of this machine is wrong by ${Math.round(skewMs / 60_000)} minutes: COS refuses what it signs`
  if (statusCode === 403) return `COS_SECRET_ID / COS_SECRET_KEY were refused for bucket ${at.bucket}`
  const request = requestId ? `, request ${requestId}` : ''
  return `COS_DOMAIN / network: COS answers with status ${statusCode}${request}`
}

/** The library corrects its clock by COS's; it keeps that for itself. */
function offsetOf(cos: COS): number {
  return (cos as COS & { options: { SystemClockOffset: number } }).options.SystemClockOffset
}
