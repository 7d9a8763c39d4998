/**
 * Volcengine's signature of a request: the form of AWS's version 4 with other names, and without a prefix of the key. It covers the
 * host, the query, the time and the body.
 */
import { createHash, createHmac } from 'node:crypto'

export interface SignedRequest {
  host: string
  /** Path and query, such as '/?Action=x&Version=y'. The parameters are in alphabetical order and need no escapes. */
  target: string
  body: string
}

interface Keys {
  access: string
  secret: string
}

const service = 'cn-north-1/cv/request'
const names = 'host;x-content-sha256;x-date'

/** The headers to send with a POST. */
export function signedHeaders({ access, secret }: Keys, { host, target, body }: SignedRequest, now = new Date()) {
  const time = now.toISOString().replace(/[:-]|\.\d{3}/g, '')
  const scope = `${time.slice(0, 8)}/${service}`
  const hash = sha256(body)
  const { pathname, search } = new URL(target, 'https://any')
  const headers = [`host:${host}`, `x-content-sha256:${hash}`, `x-date:${time}`]
  const canonical = ['POST', pathname, search.slice(1), ...headers, '', names, hash].join('\n')
  const text = ['HMAC-SHA256', time, scope, sha256(canonical)].join('\n')
  const key = scope.split('/').reduce<string | Buffer>((from, part) => hmac(from, part), secret)
  return {
    'x-date': time,
    'x-content-sha256': hash,
    authorization: `HMAC-SHA256 Credential=${access}/${scope}, SignedHeaders=${names}, Signature=${hmac(key, text).toString('hex')}`,
  }
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
