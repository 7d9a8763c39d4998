/**
 * One private bucket of an S3-compatible store on a local port, addressed in path style (`/{bucket}/{key}`) or by a host
 * name that starts with the bucket. It verifies signatures and differs by service as the real ones do. It does not depend on
 * a test runner, so it can also run in its own process.
 */
import type { Faults } from '../faults.ts'
import { type Received, type Sent, startServer } from '../server.ts'
import { accessDenied, errorResponse, faultAnswers, newRequestId, S3Error } from './errors.ts'
import {
  deleteObject,
  deleteObjects,
  getObject,
  listObjects,
  type Operation,
  putObject,
  type S3Object,
} from './objects.ts'
import { type Account, checkSignature } from './sign.ts'

/**
 * aws: one region, checksums beside the signature · r2: region `auto`, refuses checksums and their trailers · minio: any
 * region.
 */
export type Service = 'aws' | 'r2' | 'minio'

export interface S3EmulatorOptions extends Partial<Account> {
  /** Absent: any free port. */
  port?: number
  service?: Service
  bucket?: string
  region?: string
  /** Operations that the key may not use, such as 'ListBucket'. */
  denied?: readonly string[]
  /** Largest object in bytes. Default: 5 GB, as in the real service. */
  limitBytes?: number
  /** Milliseconds that the server's clock is ahead of this machine's. */
  clockAheadMs?: number
  /** Number of received requests to remember, roughly. Default: all. For long runs. */
  keepRequests?: number
  /** Random numbers for faults with a probability. */
  random?: () => number
}

export interface S3Emulator extends Account {
  /** 'http://127.0.0.1:<port>', for S3_ENDPOINT. */
  url: string
  bucket: string
  region: string
  objects: Map<string, S3Object>
  requests: Received[]
  /** The fault '429' is S3's 503 SlowDown. Paths are matched as in the request: '/{bucket}/{key}' in path style. */
  faults: Faults
  stop(): Promise<void>
}

const defaultRegions: Readonly<Record<Service, string>> = { aws: 'eu-central-1', r2: 'auto', minio: 'us-east-1' }
/** R2 has one place for all of them. */
const regionsOfR2 = ['auto', 'us-east-1', 'wnam', 'enam', 'weur', 'eeur', 'apac', 'oc']

export async function startS3(options: S3EmulatorOptions = {}): Promise<S3Emulator> {
  const {
    port,
    service = 'aws',
    bucket = 'pictures',
    limitBytes = 5 * 1024 ** 3,
    random,
    denied = [],
    keepRequests,
  } = options
  const { accessKeyId = 'AKIAIOSFODNN7EMULATE', secretAccessKey = 'emulator/Secret+Key/0123456789abcdefghijk' } =
    options
  const { region = defaultRegions[service] } = options
  const account = { accessKeyId, secretAccessKey }
  const now = () => Date.now() + (options.clockAheadMs ?? 0)
  const objects = new Map<string, S3Object>()

  const server = await startServer({
    port,
    random,
    keepRequests,
    answers: faultAnswers,
    async handle(received) {
      const requestId = newRequestId()
      const common = { 'x-amz-request-id': requestId, date: new Date(now()).toUTCString() }
      const sent = respond(received, requestId)
      return { ...sent, headers: { ...common, ...sent.headers } }
    },
  })

  function respond(received: Received, requestId: string): Sent {
    try {
      return serve(received)
    } catch (error) {
      if (!(error instanceof S3Error)) throw error
      return errorResponse(error, { resource: received.path, requestId })
    }
  }

  function wrongRegion(given: string): string | undefined {
    if (service === 'minio') return undefined
    if (service === 'r2') return regionsOfR2.includes(given) ? undefined : 'auto'
    return given === region ? undefined : region
  }

  function serve(received: Received): Sent {
    if (service === 'r2') refuseChecksums(received)
    const signed = checkSignature(received, { account, wrongRegion, now: now() })
    if (!signed) throw accessDenied()
    const target = targetOf(received, bucket)
    const [name, run] = operationOf(received, target.key)
    if (denied.includes(name)) throw accessDenied()
    if (target.bucket !== bucket)
      throw new S3Error(404, 'NoSuchBucket', 'The specified bucket does not exist', { BucketName: target.bucket })
    return run({ objects, key: target.key, received, limitBytes }, bucket)
  }

  return {
    ...account,
    url: server.url,
    bucket,
    region,
    objects,
    requests: server.requests,
    faults: server.faults,
    stop: server.stop,
  }
}

/** By host name, or by path style. */
function targetOf({ path, headers }: Received, ours: string): { bucket: string; key: string } {
  if (headers.host?.startsWith(`${ours}.`)) return { bucket: ours, key: decodeURIComponent(path.slice(1)) }
  const [, bucket = '', key = ''] = /^\/([^/]*)\/?(.*)$/s.exec(path) ?? []
  return { bucket: decodeURIComponent(bucket), key: decodeURIComponent(key) }
}

/** What the version of R2 refuses that met the libraries' new default of 2025. */
function refuseChecksums({ headers }: Received): void {
  const found = Object.entries(headers).find(
    ([name, value]) =>
      /^x-amz-(checksum-|sdk-checksum-|trailer)/.test(name) || String(value).startsWith('STREAMING-UNSIGNED-PAYLOAD'),
  )
  if (found) throw new S3Error(501, 'NotImplemented', `Header '${found[0]}' with value '${found[1]}' not implemented`)
}

type Run = (operation: Operation, bucket: string) => Sent

function operationOf({ method, query }: Received, key: string): [name: string, run: Run] {
  if (key === '') {
    if (method === 'HEAD') return ['ListBucket', () => ({ status: 200 })]
    if (method === 'GET') return ['ListBucket', listObjects]
    if (method === 'POST' && query.has('delete')) return ['DeleteObject', deleteObjects]
  } else {
    if (method === 'PUT') return ['PutObject', putObject]
    if (method === 'GET' || method === 'HEAD') return ['GetObject', getObject]
    if (method === 'DELETE') return ['DeleteObject', deleteObject]
  }
  throw new S3Error(405, 'MethodNotAllowed', 'The specified method is not allowed against this resource.')
}
