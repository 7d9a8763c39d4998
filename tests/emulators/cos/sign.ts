/** Tencent's q-sign signatures, as the server checks them: over what arrived, never over what the library meant. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { CosRefusal } from './errors.ts'

/** The parts of a request that a signature covers. */
export interface Signable {
  method: string
  /** Decoded, '/' and the key; without the bucket in path style. */
  path: string
  query: URLSearchParams
  headers: Readonly<Record<string, string | string[] | undefined>>
}

export interface Account {
  secretId: string
  secretKey: string
}

interface Claim {
  algorithm: string
  ak: string
  signTime: string
  keyTime: string
  headerList: string[]
  paramList: string[]
  signature: string
}

/** How far ahead a client's clock may be, in seconds. */
const SKEW = 900

/** From the header or the query. undefined: nobody signed it. */
export function readClaim({ headers, query }: Pick<Signable, 'headers' | 'query'>): Claim | undefined {
  const header = headers.authorization
  if (header === undefined && !query.has('q-signature')) return undefined
  const fields = typeof header === 'string' ? readFields(header) : query
  const need = (name: string): string => {
    const value = fields.get(name)
    if (value === null) throw new CosRefusal(403, 'AccessDenied', `Access Denied: ${name} is missing.`)
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

/** Throws a CosRefusal. */
export function checkClaim(claim: Claim, request: Signable, { account, now }: { account: Account; now: number }): void {
  if (claim.algorithm !== 'sha1') throw new CosRefusal(403, 'AccessDenied', 'Access Denied: unknown algorithm.')
  if (claim.ak !== account.secretId)
    throw new CosRefusal(403, 'InvalidAccessKeyId', 'The Access Key Id you provided does not exist in our records.')
  const wanted = Buffer.from(signatureOf(claim, request, account.secretKey))
  const given = Buffer.from(claim.signature)
  if (wanted.length !== given.length || !timingSafeEqual(wanted, given))
    throw new CosRefusal(
      403,
      'SignatureDoesNotMatch',
      'The Signature you specified is invalid.',
      `<StringToSign>${stringToSign(claim, request)}</StringToSign>`,
    )
  for (const time of [claim.signTime, claim.keyTime]) checkTime(time, now)
}

export function signatureOf(
  claim: Pick<Claim, 'keyTime' | 'signTime' | 'headerList' | 'paramList'>,
  request: Signable,
  secretKey: string,
): string {
  const signKey = hmac(secretKey, claim.keyTime)
  return hmac(signKey, stringToSign(claim, request))
}

function stringToSign(
  { signTime, headerList, paramList }: Pick<Claim, 'signTime' | 'headerList' | 'paramList'>,
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

/** A name that was signed and did not arrive stands there without a value, so the text differs and with it the signature. */
function pairs(names: readonly string[], read: (name: string) => string | undefined): string {
  return names.map((name) => `${encode(name).toLowerCase()}=${encode(read(name) ?? '')}`).join('&')
}

function checkTime(time: string, now: number): void {
  const [start, end] = time.split(';').map(Number)
  if (start === undefined || end === undefined || !(start <= end))
    throw new CosRefusal(403, 'AccessDenied', 'Access Denied: bad time.')
  const serverTime = `<ServerTime>${new Date(now * 1000).toISOString()}</ServerTime>`
  if (now > end) throw new CosRefusal(403, 'AccessDenied', 'Request has expired', serverTime)
  if (start > now + SKEW)
    throw new CosRefusal(
      403,
      'RequestTimeTooSkewed',
      'The difference between the request time and the server time is too large.',
      serverTime,
    )
}

function readFields(header: string): { get(name: string): string | null } {
  const fields = new Map(header.split('&').map((part) => [part.slice(0, part.indexOf('=')), part]))
  return { get: (name) => fields.get(name)?.slice(name.length + 1) ?? null }
}

function hmac(key: string, text: string): string {
  return createHmac('sha1', key).update(text).digest('hex')
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
}
