/** Mistakes in the values of settings that need more than a pattern to find. None of the sentences contains the value. */
import { isIP } from 'node:net'

/** Quotes that were left around a value: Docker's --env-file and shells keep those that .env would lose. */
export function quoteMistake(value: string): string | undefined {
  const [start = '', end = ''] = [value.trim().at(0), value.trim().at(-1)]
  if (!quotes.includes(start)) return undefined
  if (value.trim().length > 1 && quotes.includes(end)) return 'has quotes around its value: remove them'
  return 'starts with a quote that does not end: remove it, or close it'
}

const quotes = ['"', "'", '`', '“', '”', '„', '‘', '’', '«', '»']

const escapes = 'write % as %25, @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and a space as %20'
const unreadable = `cannot be read: in its user name and password, ${escapes} (and in .env, put quotes around the value)`

/** For the address of a Postgres or Redis server. A password that is not escaped would move the host to another place. */
export function serverMistake(value: string): string | undefined {
  const rest = value.slice(value.indexOf('://') + 3)
  const [authority = ''] = rest.split(/[/?#]/, 1)
  const hasStrayAt = rest.slice(authority.length).includes('@') || authority.split('@').length > 2
  if (hasStrayAt || /[\s#]/.test(value) || !isDecodable(value)) return unreadable
  if (URL.canParse(value)) return undefined
  const port = /:(\d+)$/.exec(authority)?.[1]
  if (Number(port) > 65_535) return 'has a port that does not exist: it must be from 1 to 65535'
  return authority.includes(',') ? 'names several servers: name one' : unreadable
}

/** For one address of Redis, or several that are separated by commas. */
export function redisMistake(value: string): string | undefined {
  return value
    .split(',')
    .map((part) => redisServerMistake(part.trim()))
    .find((mistake) => mistake !== undefined)
}

function redisServerMistake(value: string): string | undefined {
  if (!/^rediss?:\/\//.test(value)) return 'must start with redis:// or rediss://, also after each comma'
  const mistake = serverMistake(value)
  if (mistake) return mistake
  const { pathname } = new URL(value)
  return /^(\/\d*)?$/.test(pathname)
    ? undefined
    : 'must end with the number of a database, such as /0, or with the port'
}

/** Mistakes that only show in several settings of Redis together. */
export function redisMistakes(value: (name: 'REDIS_URL' | 'REDIS_CLUSTER' | 'REDIS_SENTINEL') => string | undefined) {
  const parts = (value('REDIS_URL') ?? '').split(',').map((part) => part.trim())
  const urls = parts.filter((part) => URL.canParse(part)).map((part) => new URL(part))
  const cluster = /^(true|1|on)$/.test(value('REDIS_CLUSTER')?.trim() ?? '')
  const sentinel = value('REDIS_SENTINEL') !== undefined
  const logins = new Set(urls.map(({ protocol, username, password }) => `${protocol} ${username} ${password}`))
  const mistakes = {
    'REDIS_CLUSTER and REDIS_SENTINEL must not both be set: REDIS_URL names nodes of a cluster, or sentinels':
      cluster && sentinel,
    'REDIS_URL names several servers: set REDIS_CLUSTER=true if they are nodes of a cluster, REDIS_SENTINEL if they are sentinels, or name one':
      parts.length > 1 && !cluster && !sentinel,
    'REDIS_URL must have the same user name, password and protocol in each address': logins.size > 1,
    'REDIS_URL must not name a database: a cluster has only /0':
      cluster && urls.some(({ pathname }) => Number(pathname.slice(1)) > 0),
  }
  return Object.entries(mistakes).flatMap(([mistake, isMade]) => (isMade ? [mistake] : []))
}

function isDecodable(value: string): boolean {
  try {
    decodeURIComponent(value)
    return true
  } catch {
    return false
  }
}

/** For an address below which the service adds paths of its own. */
export function baseMistake(value: string): string | undefined {
  if (!URL.canParse(value) || !/^https?:$/.test(new URL(value).protocol))
    return 'must be an http:// or https:// address'
  return /[?#\s]/.test(value) ? 'must not contain ?, # or spaces' : undefined
}

/** For the address of an object store, which is shown in links. */
export function endpointMistake(value: string): string | undefined {
  const mistake = baseMistake(value)
  if (mistake) return mistake
  const { username, password } = new URL(value)
  return username || password
    ? 'must not contain a user name or password: set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY'
    : undefined
}

/** First parts of our own paths. Below a path of the same name, a request could mean two routes. */
export const ownPaths: readonly string[] =
  'v1 api image web docs exports hooks telegram discord health healthz readyz metrics status models queue generate openapi.json'.split(
    ' ',
  )

export function publicUrlMistake(value: string): string | undefined {
  const mistake = baseMistake(value)
  if (mistake) return mistake
  const { username, password, pathname } = new URL(value)
  if (username || password) return 'must not contain a user name or password'
  const [, first = ''] = pathname.split('/')
  return ownPaths.includes(first)
    ? `must not begin with the path /${first}, which fluxbot uses itself: choose another path, such as /fluxbot`
    : undefined
}

/** For the address that the HTTP server listens on. */
export function hostMistake(value: string): string | undefined {
  const isName = /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/i.test(value)
  if (isName || isIP(value.replace(/^\[|\]$/g, '')) > 0) return undefined
  return 'must be an IP address or a host name without a port, such as 127.0.0.1 or 0.0.0.0; set the port in PORT'
}

/** Whether a host of a URL or the HOST setting is this machine alone. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host)
}

/** undefined for a blank value, which counts as not set. */
export function unlessBlank(value: string | undefined): string | undefined {
  return value?.trim() === '' ? undefined : value
}

export function urlOf(value: string): URL | undefined {
  return URL.canParse(value) ? new URL(value) : undefined
}
