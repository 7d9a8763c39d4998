/**
 * One private bucket of Tencent COS on a local port, addressed in path style (`/{bucket}/{key}`, as with COS_DOMAIN) or by
 * the real host name. It verifies signatures as Tencent does. It does not depend on a test runner, so it can also run in
 * its own process.
 */
import type { Faults } from '../faults.ts'
import { type Received, type Sent, startServer } from '../server.ts'
import { accessDenied, CosError, errorResponse, faultAnswers, newRequestId } from './errors.ts'
import {
  type CosObject,
  deleteObject,
  deleteObjects,
  getObject,
  listObjects,
  type Operation,
  putObject,
} from './objects.ts'
import { type Account, checkSignature, parseSignature } from './sign.ts'

export interface CosEmulatorOptions extends Partial<Account> {
  /** Absent: any free port. */
  port?: number
  bucket?: string
  region?: string
  /** Largest object in bytes. Default: 5 GB, as in the real service. */
  limitBytes?: number
  /** Milliseconds that the server's clock is ahead of this machine's. */
  clockAheadMs?: number
  /** Random numbers for faults with a probability. */
  random?: () => number
}

export interface CosEmulator extends Account {
  /** The value for COS_DOMAIN and the library's `Domain`. */
  domain: string
  /** 'http://127.0.0.1:<port>'. */
  url: string
  bucket: string
  region: string
  objects: Map<string, CosObject>
  requests: Received[]
  /** The fault '429' is COS's 503 SlowDown. Paths are matched as in the request: '/{bucket}/{key}' in path style. */
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
      const sent = respond(received, requestId)
      return { ...sent, headers: { ...common, ...sent.headers } }
    },
  })

  function respond(received: Received, requestId: string): Sent {
    try {
      return serve(received)
    } catch (error) {
      if (!(error instanceof CosError)) throw error
      return errorResponse(error, { resource: received.path, requestId })
    }
  }

  function serve(received: Received): Sent {
    const { method, query, headers } = received
    const target = targetOf(received)
    if (target.bucket !== bucket || (target.region ?? region) !== region)
      throw new CosError(404, 'NoSuchBucket', 'The specified bucket does not exist.')
    const { key } = target
    const signature = parseSignature(received)
    if (signature) {
      const signable = { method, path: `/${key}`, query, headers }
      checkSignature(signature, signable, { account, now: Math.floor(now() / 1000) })
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

/** By host name, or by path style. */
function targetOf({ path, headers }: Received): { bucket: string; region?: string; key: string } {
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
  throw new CosError(405, 'MethodNotAllowed', 'The specified method is not allowed against this resource.')
}
