/** The operations on the objects of one bucket. */
import { createHash } from 'node:crypto'
import type { Received, Sent } from '../server.ts'
import { crc64 } from './crc64.ts'
import { CosError, escapeXml, noSuchKey, unescapeXml } from './errors.ts'

export interface CosObject {
  data: Buffer
  /** Content type. Absent: the upload named none. */
  type?: string
  acl: string
  /** The headers of the upload that COS returns: cache-control, content-disposition, x-cos-meta-… */
  headers: Record<string, string>
  /** Including its quotes. */
  etag: string
  crc64: string
  modified: Date
}

/** A request for one key. */
export interface Operation {
  objects: Map<string, CosObject>
  key: string
  received: Received
  limitBytes: number
}

const acls = [
  'default',
  'private',
  'public-read',
  'authenticated-read',
  'bucket-owner-read',
  'bucket-owner-full-control',
]
const returnedHeaders = /^(cache-control|content-disposition|content-encoding|content-language|expires|x-cos-meta-.+)$/
const xml = { 'content-type': 'application/xml' }

export function putObject({ objects, key, received, limitBytes }: Operation): Sent {
  const { headers, body } = received
  if (headers['content-length'] === undefined)
    throw new CosError(411, 'MissingContentLength', 'You must provide the Content-Length HTTP header.')
  if (body.length > limitBytes)
    throw new CosError(400, 'EntityTooLarge', 'Your proposed upload exceeds the maximum allowed object size.')
  if (Buffer.byteLength(key) > 850) throw new CosError(400, 'KeyTooLong', 'Your key is too long.')
  const acl = headers['x-cos-acl']?.toString() ?? 'default'
  if (!acls.includes(acl)) throw new CosError(400, 'InvalidArgument', `x-cos-acl: ${acl}`)
  checkMd5(received)
  const object: CosObject = {
    data: body,
    type: headers['content-type'],
    acl,
    headers: Object.fromEntries(
      Object.entries(headers).flatMap(([name, value]) =>
        returnedHeaders.test(name) && value ? [[name, value.toString()]] : [],
      ),
    ),
    etag: `"${createHash('md5').update(body).digest('hex')}"`,
    crc64: crc64(body),
    modified: new Date(),
  }
  objects.set(key, object)
  return { status: 200, headers: { etag: object.etag, 'x-cos-hash-crc64ecma': object.crc64 } }
}

/** Serves HEAD too, for which Node drops the body. */
export function getObject({ objects, key, received: { headers: requested, query } }: Operation): Sent {
  const object = objects.get(key)
  if (!object) throw noSuchKey()
  const { data, type = 'application/octet-stream', etag, modified } = object
  const headers: Record<string, string> = {
    'content-type': type,
    ...object.headers,
    ...overrides(query),
    etag,
    'last-modified': modified.toUTCString(),
    'accept-ranges': 'bytes',
    'x-cos-hash-crc64ecma': object.crc64,
  }
  if (requested['if-none-match'] === etag) return { status: 304, headers: { etag } }
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(requested.range ?? '') ?? []
  if (first === '' && last === '') return { status: 200, headers, body: data }
  const start = first === '' ? Math.max(0, data.length - Number(last)) : Number(first)
  const end = first === '' || last === '' ? data.length - 1 : Math.min(data.length - 1, Number(last))
  if (start > end) throw new CosError(416, 'InvalidRange', 'The requested range cannot be satisfied.')
  headers['content-range'] = `bytes ${start}-${end}/${data.length}`
  return { status: 206, headers, body: data.subarray(start, end + 1) }
}

export function deleteObject({ objects, key }: Operation): Sent {
  objects.delete(key)
  return { status: 204 }
}

export function deleteObjects({ objects, received }: Operation): Sent {
  if (!received.headers['content-md5']) throw new CosError(400, 'MissingContentMD5', 'Content-MD5 is required.')
  checkMd5(received)
  const text = received.body.toString()
  const keys = [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map((found) => unescapeXml(found[1] ?? ''))
  if (keys.length === 0 || keys.length > 1000) throw new CosError(400, 'MalformedXML', 'Between 1 and 1000 keys.')
  for (const key of keys) objects.delete(key)
  const quiet = /<Quiet>true<\/Quiet>/.test(text)
  const deleted = quiet ? [] : keys.map((key) => `<Deleted><Key>${escapeXml(key)}</Key></Deleted>`)
  return { status: 200, headers: xml, body: `<DeleteResult>${deleted.join('')}</DeleteResult>` }
}

export function listObjects({ objects, received: { query } }: Operation, bucket: string): Sent {
  const [prefix, marker] = [query.get('prefix') ?? '', query.get('marker') ?? '']
  const most = Math.min(1000, Number(query.get('max-keys') ?? 1000))
  const found = [...objects].filter(([key]) => key.startsWith(prefix) && key > marker)
  found.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const page = found.slice(0, most)
  const contents = page.map(
    ([key, { data, etag, modified }]) =>
      `<Contents><Key>${escapeXml(key)}</Key><LastModified>${modified.toISOString()}</LastModified>` +
      `<ETag>${etag}</ETag><Size>${data.length}</Size><StorageClass>STANDARD</StorageClass></Contents>`,
  )
  const cut = found.length > page.length
  const next = cut ? `<NextMarker>${escapeXml(page.at(-1)?.[0] ?? '')}</NextMarker>` : ''
  const head = `<Name>${bucket}</Name><Prefix>${escapeXml(prefix)}</Prefix><Marker>${escapeXml(marker)}</Marker><MaxKeys>${most}</MaxKeys>`
  return {
    status: 200,
    headers: xml,
    body: `<ListBucketResult>${head}<IsTruncated>${cut}</IsTruncated>${next}${contents.join('')}</ListBucketResult>`,
  }
}

function checkMd5({ headers, body }: Received): void {
  const given = headers['content-md5']
  if (given === undefined) return
  if (Buffer.from(String(given), 'base64').length !== 16)
    throw new CosError(400, 'InvalidDigest', 'The Content-MD5 you specified is not valid.')
  if (createHash('md5').update(body).digest('base64') !== given)
    throw new CosError(400, 'BadDigest', 'The Content-MD5 you specified did not match what we received.')
}

/** Headers that the query of a signed address sets, such as `response-content-type=…`. */
function overrides(query: URLSearchParams): Record<string, string> {
  const named = [...query].filter(([name]) => name.startsWith('response-'))
  return Object.fromEntries(named.map(([name, value]) => [name.slice('response-'.length), value]))
}
