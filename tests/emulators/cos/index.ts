/**
 * One private bucket of Tencent COS on a local port: path style (`/{bucket}/{key}`, what COS_DOMAIN leads to) and by the
 * real host name. Signatures are verified as Tencent does. Nothing here knows a test runner, so it also runs as a process
 * of its own.
 */
import type { Faults } from '../faults.ts'
import { type Received, type Sent, startServer } from '../server.ts'
import { accessDenied, CosRefusal, faultAnswers, newRequestId, refusalAnswer } from './errors.ts'
import {
  type CosObject,
  deleteObject,
  deleteObjects,
  getObject,
  listObjects,
  type Operation,
  putObject,
} from './objects.ts'
import { type Account, checkClaim, readClaim } from './sign.ts'

export interface CosEmulatorOptions extends Partial<Account> {
  /** Absent: any free one. */
  port?: number
  bucket?: string
  region?: string
  /** Most bytes of one object. Default: 5 GB, as the real one. */
  limitBytes?: number
  /** How far its clock is ahead of this machine's. */
  clockAheadMs?: number
  /** For faults with a probability. */
  random?: () => number
}

export interface CosEmulator extends Account {
  /** For COS_DOMAIN and the library's `Domain`. */
  domain: string
  /** 'http://127.0.0.1:<port>'. */
  url: string
  bucket: string
  region: string
  objects: Map<string, CosObject>
  /** All that came, with what it was answered. */
  requests: Received[]
  /** '429' is COS's own 503 SlowDown. Paths are those of the request: '/{bucket}/{key}' in path style. */
  faults: Faults
  stop(): Promise<void>
}

export async function startCos(options: CosEmulatorOptions = {}): Promise<CosEmulator> {
  const { port, bucket = 'pictures-1250000000', region = 'ap-guangzhou', limitBytes = 5 * 1024 ** 3, random } = options
  const { secretId = 'AKIDxxxxEmulatorSecretIdxxxxxxxxxxxx', secretKey = 'emulatorSecretKey0123456789abcdef' } = options
  const account = { secretId, secretKey }
  const now = () => Date.now() + (options.clockAheadMs ?? 0)
  const objects = new Map<string, CosObject>()

  const server = await startServer({
    port,
    random,
    answers: faultAnswers,
    async handle(received) {
      const requestId = newRequestId()
      const common = { server: 'tencent-cos', 'x-cos-request-id': requestId, date: new Date(now()).toUTCString() }
      const sent = answerTo(received, requestId)
      return { ...sent, headers: { ...common, ...sent.headers } }
    },
  })

  function answerTo(received: Received, requestId: string): Sent {
    try {
      return serve(received)
    } catch (error) {
      if (!(error instanceof CosRefusal)) throw error
      return refusalAnswer(error, { resource: received.path, requestId })
    }
  }

  function serve(received: Received): Sent {
    const { method, query, headers } = received
    const place = placeOf(received)
    if (place.bucket !== bucket || (place.region ?? region) !== region)
      throw new CosRefusal(404, 'NoSuchBucket', 'The specified bucket does not exist.')
    const { key } = place
    const claim = readClaim(received)
    if (claim) {
      const signable = { method, path: `/${key}`, query, headers }
      checkClaim(claim, signable, { account, now: Math.floor(now() / 1000) })
    } else if (!/^(GET|HEAD)$/.test(method) || objects.get(key)?.acl !== 'public-read') {
      throw accessDenied()
    }
    return dispatch({ objects, key, received, limitBytes }, bucket)
  }

  return {
    ...account,
    domain: `${server.url}/{Bucket}`,
    url: server.url,
    bucket,
    region,
    objects,
    requests: server.requests,
    faults: server.faults,
    stop: server.stop,
  }
}

function placeOf({ path, headers }: Received): { bucket: string; region?: string; key: string } {
  const [, bucket, region] = /^([a-z\d-]+)\.cos\.([a-z\d-]+)\.myqcloud\.com$/.exec(headers.host ?? '') ?? []
  if (bucket) return { bucket, region, key: decodeURIComponent(path.slice(1)) }
  const [, first = '', rest = ''] = /^\/([^/]*)\/?(.*)$/.exec(path) ?? []
  return { bucket: decodeURIComponent(first), key: decodeURIComponent(rest) }
}

function dispatch(operation: Operation, bucket: string): Sent {
  const { key, received } = operation
  if (key === '') {
    if (received.method === 'HEAD') return { status: 200 }
    if (received.method === 'GET') return listObjects(operation, bucket)
    if (received.method === 'POST' && received.query.has('delete')) return deleteObjects(operation)
  } else {
    if (received.method === 'PUT') return putObject(operation)
    if (received.method === 'GET' || received.method === 'HEAD') return getObject(operation)
    if (received.method === 'DELETE') return deleteObject(operation)
  }
  throw new CosRefusal(405, 'MethodNotAllowed', 'The specified method is not allowed against this resource.')
}
