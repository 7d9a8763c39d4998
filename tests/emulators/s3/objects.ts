/** The operations on the objects of one bucket. */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { escapeXml, unescapeXml } from '../cos/errors.ts'
import type { Received, Sent } from '../server.ts'
import { noSuchKey, S3Error } from './errors.ts'

export interface S3Object {
  data: Buffer
  type: string
  /** The headers of the upload that S3 returns: cache-control, content-disposition, x-amz-meta-… */
  headers: Record<string, string>
  /** Including its quotes. */
  etag: string
  modified: Date
}

/** A request for one key. */
export interface Operation {
  objects: Map<string, S3Object>
  key: string
  received: Received
  limitBytes: number
}

const returnedHeaders = /^(cache-control|content-disposition|content-encoding|content-language|expires|x-amz-meta-.+)$/
const xml = { 'content-type': 'application/xml' }

export function putObject({ objects, key, received, limitBytes }: Operation): Sent {
  const { headers, body } = received
  if (headers['content-length'] === undefined)
    throw new S3Error(411, 'MissingContentLength', 'You must provide the Content-Length HTTP header.')
  if (body.length > limitBytes)
    throw new S3Error(400, 'EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size')
  if (Buffer.byteLength(key) > 1024) throw new S3Error(400, 'KeyTooLongError', 'Your key is too long')
  // since 2023 a new bucket of AWS has no rights of single objects; R2 has none
  const acl = headers['x-amz-acl']?.toString()
  if (acl !== undefined && acl !== 'private')
    throw new S3Error(400, 'AccessControlListNotSupported', 'The bucket does not allow ACLs')
  checkDigests(received)
  const object: S3Object = {
    data: body,
    type: headers['content-type'] ?? 'binary/octet-stream',
    headers: Object.fromEntries(
      Object.entries(headers).flatMap(([name, value]) =>
        returnedHeaders.test(name) && value ? [[name, value.toString()]] : [],
      ),
    ),
    etag: `"${createHash('md5').update(body).digest('hex')}"`,
    modified: new Date(),
  }
  objects.set(key, object)
  return { status: 200, headers: { etag: object.etag } }
}

/** Serves HEAD too, for which Node drops the body. */
export function getObject({ objects, key, received: { headers: requested, query } }: Operation): Sent {
  const object = objects.get(key)
  if (!object) throw noSuchKey()
  const { data, type, etag, modified } = object
  const headers: Record<string, string> = {
    'content-type': type,
    ...object.headers,
    ...overrides(query),
    etag,
    'last-modified': modified.toUTCString(),
    'accept-ranges': 'bytes',
  }
  if (requested['if-none-match'] === etag) return { status: 304, headers: { etag } }
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(requested.range ?? '') ?? []
  if (first === '' && last === '') return { status: 200, headers, body: data }
  const start = first === '' ? Math.max(0, data.length - Number(last)) : Number(first)
  const end = first === '' || last === '' ? data.length - 1 : Math.min(data.length - 1, Number(last))
  if (start > end) throw new S3Error(416, 'InvalidRange', 'The requested range is not satisfiable')
  headers['content-range'] = `bytes ${start}-${end}/${data.length}`
  return { status: 206, headers, body: data.subarray(start, end + 1) }
}

export function deleteObject({ objects, key }: Operation): Sent {
  objects.delete(key)
  return { status: 204 }
}

export function deleteObjects({ objects, received }: Operation): Sent {
  const { headers, body } = received
  if (!headers['content-md5'] && !headers['x-amz-checksum-crc32'])
    throw new S3Error(400, 'InvalidRequest', 'Missing required header for this request: Content-MD5')
  checkDigests(received)
  const text = body.toString()
  const keys = [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map((found) => unescapeXml(found[1] ?? ''))
  if (keys.length === 0 || keys.length > 1000)
    throw new S3Error(400, 'MalformedXML', 'The XML you provided was not well-formed')
  for (const key of keys) objects.delete(key)
  const quiet = /<Quiet>true<\/Quiet>/.test(text)
  const deleted = quiet ? [] : keys.map((key) => `<Deleted><Key>${escapeXml(key)}</Key></Deleted>`)
  return { status: 200, headers: xml, body: `<DeleteResult>${deleted.join('')}</DeleteResult>` }
}

export function listObjects({ objects, received: { query } }: Operation, bucket: string): Sent {
  const [prefix, token] = [query.get('prefix') ?? '', query.get('continuation-token') ?? '']
  const after = token === '' ? (query.get('start-after') ?? '') : Buffer.from(token, 'base64url').toString()
  const most = Math.min(1000, Number(query.get('max-keys') ?? 1000))
  const found = [...objects].filter(([key]) => key.startsWith(prefix) && key > after)
  found.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const page = found.slice(0, most)
  const contents = page.map(
    ([key, { data, etag, modified }]) =>
      `<Contents><Key>${escapeXml(key)}</Key><LastModified>${modified.toISOString()}</LastModified>` +
      `<ETag>${escapeXml(etag)}</ETag><Size>${data.length}</Size><StorageClass>STANDARD</StorageClass></Contents>`,
  )
  const cut = found.length > page.length
  const next = Buffer.from(page.at(-1)?.[0] ?? '').toString('base64url')
  const head = `<Name>${bucket}</Name><Prefix>${escapeXml(prefix)}</Prefix><MaxKeys>${most}</MaxKeys><KeyCount>${page.length}</KeyCount>`
  const more = `<IsTruncated>${cut}</IsTruncated>${cut ? `<NextContinuationToken>${next}</NextContinuationToken>` : ''}`
  return { status: 200, headers: xml, body: `<ListBucketResult>${head}${more}${contents.join('')}</ListBucketResult>` }
}

function checkDigests({ headers, body }: Received): void {
  const digests = {
    'content-md5': () => createHash('md5').update(body).digest(),
    'x-amz-checksum-crc32': () => {
      const sum = Buffer.alloc(4)
      sum.writeUInt32BE(crc32(body))
      return sum
    },
    'x-amz-checksum-sha256': () => createHash('sha256').update(body).digest(),
  }
  for (const [name, digest] of Object.entries(digests)) {
    const given = headers[name]
    if (given !== undefined && digest().toString('base64') !== given)
      throw new S3Error(400, 'BadDigest', `The ${name} you specified did not match the calculated checksum.`)
  }
}

/** Headers that the query of a signed address sets, such as `response-content-type=…`. */
function overrides(query: URLSearchParams): Record<string, string> {
  const named = [...query].filter(([name]) => name.startsWith('response-'))
  return Object.fromEntries(named.map(([name, value]) => [name.slice('response-'.length), value]))
}
