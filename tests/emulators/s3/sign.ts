/** Checks AWS Signature Version 4, in the header or in the query, against the request as it arrived. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { accessDenied, S3Error } from './errors.ts'

/** The parts of a request that a signature covers. */
export interface Signable {
  method: string
  /** Percent-encoded, as it arrived. */
  path: string
  query: URLSearchParams
  headers: Readonly<Record<string, string | string[] | undefined>>
  body: Buffer
}

export interface Account {
  accessKeyId: string
  secretAccessKey: string
}

export interface Judge {
  account: Account
  /** Whether the service answers to this region; otherwise the region that it expects. */
  wrongRegion(region: string): string | undefined
  /** The server's clock in milliseconds. */
  now: number
}

interface Signature {
  accessKeyId: string
  /** 'date/region/s3/aws4_request'. */
  scope: string
  /** '20130524T000000Z'. */
  date: string
  signedHeaders: readonly string[]
  signature: string
  payloadHash: string
  /** Seconds. Absent: the signature is in the header. */
  expiresIn?: number
}

const algorithm = 'AWS4-HMAC-SHA256'
const maxSkewMs = 15 * 60_000
const weekSeconds = 604_800

/** Returns false for a request without a signature, and throws an S3Error for a wrong one. */
export function checkSignature(request: Signable, judge: Judge): boolean {
  const { headers, query } = request
  const inHeader = headers.authorization !== undefined
  const inQuery = [...query.keys()].some((name) => /^X-Amz-(Algorithm|Credential|Signature)$/.test(name))
  if (inHeader && inQuery) throw new S3Error(400, 'InvalidArgument', 'Only one auth mechanism allowed')
  if (!inHeader && !inQuery) return false
  const signature = inHeader ? fromHeader(request) : fromQuery(query)
  checkScope(signature, judge, inHeader)
  if (signature.accessKeyId !== judge.account.accessKeyId)
    throw new S3Error(403, 'InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.')
  const expected = Buffer.from(signatureOf(signature, request, judge.account.secretAccessKey))
  const given = Buffer.from(signature.signature)
  if (expected.length !== given.length || !timingSafeEqual(expected, given))
    throw new S3Error(
      403,
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided.',
      { StringToSign: stringToSign(signature, request) },
    )
  checkTime(signature, judge.now)
  checkCoverage(signature, request)
  return true
}

export function signatureOf(
  fields: Omit<Signature, 'accessKeyId' | 'signature'>,
  request: Signable,
  secretAccessKey: string,
): string {
  const parts = fields.scope.split('/')
  const key = parts.reduce<string | Buffer>((secret, part) => hmac(secret, part), `AWS4${secretAccessKey}`)
  return hmac(key, stringToSign(fields, request)).toString('hex')
}

function fromHeader({ headers, body }: Signable): Signature {
  const header = String(headers.authorization)
  const malformed = (what: string) =>
    new S3Error(400, 'AuthorizationHeaderMalformed', `The authorization header is malformed; ${what}`)
  if (!header.startsWith(`${algorithm} `)) throw new S3Error(400, 'InvalidArgument', 'Unsupported Authorization Type')
  const fields = new Map(
    header
      .slice(algorithm.length)
      .split(',')
      .map((part) => part.trim().split(/=(.*)/s) as [string, string]),
  )
  const need = (name: string) => {
    const value = fields.get(name)
    if (!value) throw malformed(`${name} is missing`)
    return value
  }
  const date = headers['x-amz-date']?.toString() ?? ''
  if (!isDate(date)) throw accessDenied('AWS authentication requires a valid Date or x-amz-date header')
  const payloadHash = headers['x-amz-content-sha256']?.toString()
  if (!payloadHash)
    throw new S3Error(400, 'InvalidRequest', 'Missing required header for this request: x-amz-content-sha256')
  if (/^[0-9a-f]{64}$/.test(payloadHash) && payloadHash !== sha256(body))
    throw new S3Error(
      400,
      'XAmzContentSHA256Mismatch',
      "The provided 'x-amz-content-sha256' header does not match what was computed.",
    )
  const [accessKeyId = '', scope = ''] = need('Credential').split(/\/(.*)/s)
  const signedHeaders = need('SignedHeaders').split(';')
  return { accessKeyId, scope, date, signedHeaders, signature: need('Signature'), payloadHash }
}

function fromQuery(query: URLSearchParams): Signature {
  const wrong = (message: string) => new S3Error(400, 'AuthorizationQueryParametersError', message)
  const need = (name: string) => {
    const value = query.get(name)
    if (!value)
      throw wrong(
        'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
      )
    return value
  }
  if (need('X-Amz-Algorithm') !== algorithm) throw wrong(`X-Amz-Algorithm only supports "${algorithm}"`)
  const expires = need('X-Amz-Expires')
  if (!/^\d+$/.test(expires)) throw wrong('X-Amz-Expires should be a number')
  if (Number(expires) > weekSeconds)
    throw wrong(
      `X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than ${weekSeconds} seconds`,
    )
  const date = need('X-Amz-Date')
  if (!isDate(date)) throw wrong("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
  const [accessKeyId = '', scope = ''] = need('X-Amz-Credential').split(/\/(.*)/s)
  return {
    accessKeyId,
    scope,
    date,
    signedHeaders: need('X-Amz-SignedHeaders').split(';'),
    signature: need('X-Amz-Signature'),
    payloadHash: query.get('X-Amz-Content-Sha256') ?? 'UNSIGNED-PAYLOAD',
    expiresIn: Number(expires),
  }
}

function checkScope({ scope, date }: Signature, { wrongRegion }: Judge, inHeader: boolean): void {
  const code = inHeader ? 'AuthorizationHeaderMalformed' : 'AuthorizationQueryParametersError'
  const [day, region = '', service, end, ...more] = scope.split('/')
  if (service !== 's3' || end !== 'aws4_request' || more.length > 0)
    throw new S3Error(400, code, `the Credential is mal-formed: ${scope}`)
  if (day !== date.slice(0, 8)) throw new S3Error(400, code, 'Invalid credential date. This date is not the same.')
  const expected = wrongRegion(region)
  if (expected !== undefined)
    throw new S3Error(400, code, `the region '${region}' is wrong; expecting '${expected}'`, { Region: expected })
}

function checkTime({ date, expiresIn }: Signature, now: number): void {
  const at = millisecondsOf(date)
  const ServerTime = new Date(now).toISOString()
  if (expiresIn === undefined) {
    if (Math.abs(at - now) <= maxSkewMs) return
    throw new S3Error(
      403,
      'RequestTimeTooSkewed',
      'The difference between the request time and the current time is too large.',
      { RequestTime: date, ServerTime, MaxAllowedSkewMilliseconds: String(maxSkewMs) },
    )
  }
  if (at > now + maxSkewMs) throw accessDenied('Request is not yet valid', { ServerTime })
  const end = at + expiresIn * 1000
  if (now > end) throw accessDenied('Request has expired', { Expires: new Date(end).toISOString(), ServerTime })
}

/** A signature must cover the host and all headers of Amazon. */
function checkCoverage({ signedHeaders }: Signature, { headers }: Signable): void {
  const needed = ['host', ...Object.keys(headers).filter((name) => name.startsWith('x-amz-'))]
  const open = needed.filter((name) => !signedHeaders.includes(name))
  if (open.length > 0)
    throw accessDenied('There were headers present in the request which were not signed', {
      HeadersNotSigned: open.join(','),
    })
}

type Signed = Omit<Signature, 'accessKeyId' | 'signature'>

function stringToSign({ date, scope, ...rest }: Signed, request: Signable): string {
  return [algorithm, date, scope, sha256(canonical(rest, request))].join('\n')
}

function canonical(fields: Pick<Signed, 'signedHeaders' | 'payloadHash'>, request: Signable): string {
  const { method, path, query, headers } = request
  const pairs = [...query]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
  const lines = fields.signedHeaders.map((name) => `${name}:${trimmed(headers[name])}\n`)
  return [
    method,
    path
      .split('/')
      .map((part) => encode(decode(part)))
      .join('/'),
    pairs.sort((a, b) => (a < b ? -1 : 1)).join('&'),
    lines.join(''),
    fields.signedHeaders.join(';'),
    fields.payloadHash,
  ].join('\n')
}

function trimmed(value: string | string[] | undefined): string {
  return [value ?? []]
    .flat()
    .map((each) => each.trim().replace(/ +/g, ' '))
    .join(',')
}

function isDate(date: string): boolean {
  return /^\d{8}T\d{6}Z$/.test(date) && !Number.isNaN(millisecondsOf(date))
}

function millisecondsOf(date: string): number {
  return Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new S3Error(400, 'InvalidURI', "Couldn't parse the specified URI.")
  }
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
