/** Checks Tencent's q-sign signatures against the request as it arrived. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { CosError } from './errors.ts'

/** The parts of a request that a signature covers. */
export interface Signable {
  method: string
  /** '/' and the decoded key, without the bucket. */
  path: string
  query: URLSearchParams
  headers: Readonly<Record<string, string | string[] | undefined>>
}

export interface Account {
  secretId: string
  secretKey: string
}

/** The fields of a signature. */
interface Signature {
  algorithm: string
  ak: string
  signTime: string
  keyTime: string
  headerList: string[]
  paramList: string[]
  signature: string
}

/** Seconds that a client's clock may be ahead. */
const maxSkewSeconds = 900

/** From the header or the query. undefined: the request is not signed. */
export function parseSignature({ headers, query }: Pick<Signable, 'headers' | 'query'>): Signature | undefined {
  const header = headers.authorization
  if (header === undefined && !query.has('q-signature')) return undefined
  const fields = typeof header === 'string' ? parseFields(header) : query
  const need = (name: string): string => {
    const value = fields.get(name)
    if (value === null) throw new CosError(403, 'AccessDenied', `Access Denied: ${name} is missing.`)
    return value
  }
  const list = (name: string) => need(name).split(';').filter(Boolean)
  return {
    algorithm: need('q-sign-algorithm'),
    ak: need('q-ak'),
    signTime: need('q-sign-time'),
    keyTime: need('q-key-time'),
    headerList: list('q-header-list'),
    paramList: list('q-url-param-list').map((name) => decodeURIComponent(name)),
    signature: need('q-signature'),
  }
}

/** Throws a CosError if the signature is wrong or outside its times. `now`: Unix time in seconds. */
export function checkSignature(
  signature: Signature,
  request: Signable,
  { account, now }: { account: Account; now: number },
): void {
  if (signature.algorithm !== 'sha1') throw new CosError(403, 'AccessDenied', 'Access Denied: unknown algorithm.')
  if (signature.ak !== account.secretId)
    throw new CosError(403, 'InvalidAccessKeyId', 'The Access Key Id you provided does not exist in our records.')
  const expected = Buffer.from(signatureOf(signature, request, account.secretKey))
  const given = Buffer.from(signature.signature)
  if (expected.length !== given.length || !timingSafeEqual(expected, given))
    throw new CosError(
      403,
      'SignatureDoesNotMatch',
      'The Signature you specified is invalid.',
      `<StringToSign>${stringToSign(signature, request)}</StringToSign>`,
    )
  for (const time of [signature.signTime, signature.keyTime]) checkTime(time, now)
}

export function signatureOf(
  fields: Pick<Signature, 'keyTime' | 'signTime' | 'headerList' | 'paramList'>,
  request: Signable,
  secretKey: string,
): string {
  const signKey = hmac(secretKey, fields.keyTime)
  return hmac(signKey, stringToSign(fields, request))
}

function stringToSign(
  { signTime, headerList, paramList }: Pick<Signature, 'signTime' | 'headerList' | 'paramList'>,
  { method, path, query, headers }: Signable,
): string {
  const params = new Map([...query].map(([name, value]) => [name.toLowerCase(), value]))
  const format = [
    method.toLowerCase(),
    path,
    pairs(paramList, (name) => params.get(name)),
    pairs(headerList, (name) => headers[name]?.toString()),
    '',
  ].join('\n')
  return `sha1\n${signTime}\n${createHash('sha1').update(format).digest('hex')}\n`
}

/** A name that was signed but did not arrive has no value here, which makes the signature wrong. */
function pairs(names: readonly string[], read: (name: string) => string | undefined): string {
  return names.map((name) => `${encode(name).toLowerCase()}=${encode(read(name) ?? '')}`).join('&')
}

function checkTime(time: string, now: number): void {
  const [start, end] = time.split(';').map(Number)
  if (start === undefined || end === undefined || !(start <= end))
    throw new CosError(403, 'AccessDenied', 'Access Denied: invalid time.')
  const serverTime = `<ServerTime>${new Date(now * 1000).toISOString()}</ServerTime>`
  if (now > end) throw new CosError(403, 'AccessDenied', 'Request has expired', serverTime)
  if (start > now + maxSkewSeconds)
    throw new CosError(
      403,
      'RequestTimeTooSkewed',
      'The difference between the request time and the server time is too large.',
      serverTime,
    )
}

function parseFields(header: string): { get(name: string): string | null } {
  const fields = new Map(header.split('&').map((part) => [part.slice(0, part.indexOf('=')), part]))
  return { get: (name) => fields.get(name)?.slice(name.length + 1) ?? null }
}

function hmac(key: string, text: string): string {
  return createHmac('sha1', key).update(text).digest('hex')
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
}
