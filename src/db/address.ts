/**
 * The address of a Postgres server. Its parameters have libpq's meaning, which neither driver gives all of them; those that
 * the drivers cannot follow are refused by name.
 */
import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import tls, { type ConnectionOptions } from 'node:tls'
import type pg from 'pg'
import type { Options } from 'postgres'

const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
export type SslMode = (typeof sslModes)[number]

export interface Address {
  /** A name, an IP address, or the folder of a Unix socket. */
  host: string
  port: number
  user: string
  password: string
  database: string
  applicationName: string
  connectSeconds: number
  /** Settings of the session, written as on the server's command line: `-c name=value`. */
  options: string
  sslMode: SslMode
  /** File with the certificates of trusted authorities, or 'system' for those that this machine trusts. */
  sslRootCert?: string
  sslCert?: string
  sslKey?: string
  sslPassword?: string
}

type Check = (value: string) => string | undefined

const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    values.includes(value) ? undefined : `must be ${values.join(', ').replace(/, ([^,]+)$/, ' or $1')}`
const notEmpty: Check = (value) => (value === '' ? 'must not be empty' : undefined)
const anything: Check = () => undefined

/** What each parameter may be. */
const checks: Readonly<Record<string, Check>> = {
  sslmode: oneOf(...sslModes),
  ssl: (value) => (value === 'true' ? undefined : 'must be true, which means sslmode=require; or write sslmode'),
  sslrootcert: notEmpty,
  sslcert: notEmpty,
  sslkey: notEmpty,
  sslpassword: anything,
  channel_binding: (value) =>
    value === 'require'
      ? 'must be prefer or disable: the drivers cannot bind the password to the channel. sslmode=verify-full makes sure of the server'
      : oneOf('prefer', 'disable')(value),
  gssencmode: (value) =>
    value === 'require'
      ? 'must be prefer or disable: the drivers cannot use GSSAPI'
      : oneOf('prefer', 'disable')(value),
  options: anything,
  application_name: notEmpty,
  connect_timeout: (value) =>
    /^\d{1,3}$/.test(value) && Number(value) >= 1 && Number(value) <= 300
      ? undefined
      : 'must be a whole number of seconds from 1 to 300',
  target_session_attrs: (value) =>
    ['any', 'read-write', 'primary'].includes(value)
      ? undefined
      : 'must be any, read-write or primary: fluxbot writes, so it needs the primary',
  host: (value) =>
    value.startsWith('/') ? undefined : 'must be the folder of a Unix socket; write other hosts before /',
}

/** Parameters of other libraries, and those that have a place of their own. */
const cures: Readonly<Record<string, string>> = {
  user: 'write it before the host',
  password: 'write it before the host',
  port: 'write it behind the host',
  dbname: 'write it behind the host and /',
  pgbouncer: 'remove it: fluxbot finds out by itself whether a pooler answers',
  prepare: 'remove it: fluxbot finds out by itself whether a pooler answers',
  connection_limit: 'remove it and set DATABASE_POOL',
  pool_timeout: 'remove it',
  uselibpqcompat: 'remove it: sslmode has the meaning of libpq here',
  schema: 'write options=-c%20search_path%3Dname instead',
}

/** The address, or what is wrong with it and how to mend it. The sentence has no values, which may be passwords. */
export function readAddress(text: string): Address | { mistake: string } {
  if (!URL.canParse(text)) return { mistake: 'cannot be read' }
  const url = new URL(text)
  const given = new Map<string, string>()
  for (const part of url.search.slice(1).split('&')) {
    if (part === '') continue
    // libpq, unlike browsers, does not read + as a space
    const [name = '', value = ''] = part.split(/=(.*)/s, 2).map(decodeURIComponent)
    const problem = problemWith(name, value)
    if (problem) return { mistake: problem }
    given.set(name, value)
  }
  const mistake = combinationMistake(given)
  if (mistake) return { mistake }
  const host = given.get('host') ?? (decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, '$1') || 'localhost')
  const user = decodeURIComponent(url.username) || userInfo().username
  return {
    host,
    port: Number(url.port || 5432),
    user,
    password: decodeURIComponent(url.password),
    database: decodeURIComponent(url.pathname.slice(1)) || user,
    applicationName: given.get('application_name') ?? 'fluxbot',
    connectSeconds: Number(given.get('connect_timeout') ?? 10),
    options: given.get('options') ?? '',
    sslMode: sslModeOf(given, host),
    sslRootCert: given.get('sslrootcert'),
    sslCert: given.get('sslcert'),
    sslKey: given.get('sslkey'),
    sslPassword: given.get('sslpassword'),
  }
}

function problemWith(name: string, value: string): string | undefined {
  const shown = /^[a-z_]{1,40}$/i.test(name) ? name : 'a parameter'
  const check = Object.hasOwn(checks, name) ? checks[name] : undefined
  const problem = check?.(value)
  if (problem) return `has a wrong ${shown}: it ${problem}`
  if (check) return undefined
  const cure = Object.hasOwn(cures, name)
    ? cures[name]
    : `remove it. These are known: ${Object.keys(checks).join(', ')}`
  return `has ${shown} behind the question mark, which fluxbot does not use: ${cure}`
}

function combinationMistake(given: ReadonlyMap<string, string>): string | undefined {
  const [mode, root] = [given.get('sslmode'), given.get('sslrootcert')]
  if (root === 'system' && mode !== undefined && mode !== 'verify-full')
    return 'has sslrootcert=system, which needs sslmode=verify-full: everyone can get a certificate of a public authority'
  if (mode?.startsWith('verify-') && root === undefined)
    return `has sslmode=${mode} without sslrootcert: add sslrootcert with the path of the authority's certificate, or sslrootcert=system`
  if (given.has('sslcert') !== given.has('sslkey')) return 'must have both sslcert and sslkey, or neither'
  return undefined
}

/** On this machine there is nothing to protect by encryption unless it is asked for. */
function sslModeOf(given: ReadonlyMap<string, string>, host: string): SslMode {
  // libpq ignores sslmode for Unix sockets, too
  if (host.startsWith('/')) return 'disable'
  const mode = given.get('sslmode')
  if (mode) return mode as SslMode
  if (given.has('ssl')) return 'require'
  if (given.get('sslrootcert') === 'system') return 'verify-full'
  return /^(localhost|127(\.\d+){3}|::1)$/.test(host) && !given.has('sslrootcert') ? 'disable' : 'prefer'
}

/** How a server is connected to, once it is known whether it takes encrypted connections. */
export interface Server {
  address: Address
  encrypted: boolean
}

interface Session {
  /** Behind the application name, in pg_stat_activity. */
  suffix?: string
  options?: string
}

/** The same connection for both drivers. Neither gets the address itself, which each would read in its own way. */
export function driverOptions({ address, encrypted }: Server, { suffix = '', options = '' }: Session) {
  const { host, port, user, password, database, connectSeconds } = address
  const name = address.applicationName + suffix
  const ssl = encrypted ? tlsOptions(address) : false
  const forPostgres: Options<Record<string, never>> = {
    // lists, which its types do not know: it would cut a single IPv6 address at its colons
    host: [host] as unknown as string,
    port: [port] as unknown as number,
    path: host.startsWith('/') ? `${host}/.s.PGSQL.${port}` : undefined,
    user,
    password,
    database,
    ssl,
    connect_timeout: connectSeconds,
    connection: { application_name: name, ...(options && { options }) },
    // notices such as 'relation already exists, skipping' would be printed
    onnotice: () => undefined,
  }
  const forPg: pg.PoolConfig = {
    host,
    port,
    user,
    password,
    database,
    ssl,
    connectionTimeoutMillis: connectSeconds * 1000,
    keepAlive: true,
    application_name: name,
    options: options || undefined,
  }
  return { postgres: forPostgres, pg: forPg }
}

function tlsOptions({ host, sslMode, sslRootCert, sslCert, sslKey, sslPassword }: Address): ConnectionOptions {
  return {
    // checked against the certificate; postgres.js leaves out IP addresses
    host,
    // as in libpq, an authority that is given is always required
    rejectUnauthorized: sslRootCert !== undefined,
    ca: sslRootCert === 'system' ? systemAuthorities() : fileOf('sslrootcert', sslRootCert),
    ...(sslMode !== 'verify-full' && { checkServerIdentity: () => undefined }),
    cert: fileOf('sslcert', sslCert),
    key: fileOf('sslkey', sslKey),
    passphrase: sslPassword,
  }
}

function fileOf(parameter: string, path: string | undefined): Buffer | undefined {
  try {
    return path === undefined ? undefined : readFileSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new Unusable(`the file of ${parameter} cannot be read (${code})`, `Check ${parameter} in`)
  }
}

/** Trying again does not help. `cure` ends before the name of the setting. */
export class Unusable extends Error {
  readonly cure: string
  constructor(reason: string, cure: string) {
    super(reason)
    this.cure = cure
  }
}

/** undefined: those that come with Node.js, whose older versions cannot read the machine's. */
function systemAuthorities(): string[] | undefined {
  const { getCACertificates } = tls as { getCACertificates?(kind: string): string[] }
  const found = getCACertificates?.('system') ?? []
  return found.length > 0 ? found : undefined
}
