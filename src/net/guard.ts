/**
 * Decides where we may connect: to public addresses, and to origins that the settings name. A name is resolved once and
 * connected to at the checked address, which defeats DNS rebinding.
 */
import { lookup as resolve } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { buildConnector } from 'undici'
import { canParseUrl } from './can-parse-url.ts'
import { NetError } from './errors.ts'

/** Resolves a name to all of its addresses. */
export type Lookup = (hostname: string) => Promise<readonly { address: string; family: number }[]>

const connectMs = 10_000
const nat64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96')
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3')
/** In a public range, but the metadata server of every virtual machine on Azure. */
const azureHost = '168.63.129.16'

/** Whether the address is public unicast. An IPv6 address that contains an IPv4 address is judged by that address. */
export function isPublicAddress(ip: string): boolean {
  // ipaddr.js also parses 0177.1 and zone ids; isIP does not
  if (isIP(ip) === 0 || ip.includes('%')) return false
  if (isIP(ip) === 4) return isPublicV4(ipaddr.IPv4.parse(ip))

  // ipaddr.js reads ::1.2.3.4 as ::ffff:1.2.3.4; the URL parser writes it as ::102:304
  const address = ipaddr.IPv6.parse(new URL(`http://[${ip}]`).hostname.slice(1, -1))
  const bytes = address.toByteArray()
  if (isIsatap(address)) return false
  const range = address.range()
  if (range === 'ipv4Mapped') return isPublicV4(new ipaddr.IPv4(bytes.slice(12)))
  if (range === 'rfc6052') return address.match(nat64) && isPublicV4(new ipaddr.IPv4(bytes.slice(12)))
  if (range === '6to4') return isPublicV4(new ipaddr.IPv4(bytes.slice(2, 6)))
  return range === 'unicast' && address.match(globalUnicast)
}

function isPublicV4(address: ipaddr.IPv4): boolean {
  return address.range() === 'unicast' && address.toString() !== azureHost
}

/** Whether the interface id is ::[02]00:5efe:a.b.c.d, a tunnel to an IPv4 address inside a site. */
function isIsatap({ parts }: ipaddr.IPv6): boolean {
  return parts[5] === 0x5efe && (parts[4] === 0 || parts[4] === 0x0200)
}

/**
 * The origins of addresses from the settings, which may contain a path or upper case. Throws for an invalid address.
 */
export function originsOf(addresses: readonly string[]): ReadonlySet<string> {
  return new Set(addresses.map((each) => new URL(each).origin))
}

/**
 * Parses and checks an address. Use only the result from then on: the parser has already turned `0x7f.1`, fullwidth
 * digits and similar spellings into the host that they mean. Throws NetError forbidden unless the address is trusted,
 * or https at the default port of a host that may be public.
 */
export function checkUrl(text: string, trusted: ReadonlySet<string>, base?: URL): URL {
  // the error of the URL parser would quote the whole address
  if (!canParseUrl(text, base?.href)) throw forbidden('invalid address')
  const url = new URL(text, base?.href)
  const { protocol, hostname, origin } = url
  if (protocol !== 'https:' && protocol !== 'http:') throw forbidden(`scheme ${protocol.slice(0, 20)}`)
  if (url.username !== '' || url.password !== '') throw forbidden('credentials', origin)
  if (trusted.has(origin)) return url

  if (protocol !== 'https:') throw forbidden('not https', origin)
  if (url.port !== '') throw forbidden('port', origin)
  const literal = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
  if (isIP(literal) !== 0) {
    if (!isPublicAddress(literal)) throw forbidden('not a public address', origin)
    return url
  }
  // a name without a dot, or with one at the end, may belong to a local network
  if (!hostname.includes('.') || hostname.endsWith('.')) throw forbidden('not a public name', origin)
  return url
}

function forbidden(reason: string, origin?: string): NetError {
  return new NetError('forbidden', { reason, origin, neverSent: true })
}

/**
 * Creates the `connect` option of an undici Agent or Pool. Unless the origin is trusted, an address literal and every
 * resolved address must be public. Fails with a NetError whose `neverSent` is true.
 */
export function createConnector(trusted: readonly string[], lookup: Lookup = resolveAll): buildConnector.connector {
  const origins = originsOf(trusted)
  const toAnyAddress = buildConnector({ timeout: connectMs, lookup: uncheckedLookup(lookup) })
  const toPublicAddress = buildConnector({ timeout: connectMs, lookup: checkedLookup(lookup) })

  return (options, callback) => {
    const { protocol, host, hostname } = options
    const { origin } = new URL(`${protocol}//${host ?? hostname}`)
    const done: buildConnector.Callback = (...[error, socket]) => {
      if (error) callback(connectError(error, origin), null)
      else callback(null, socket)
    }
    // node:net does not look up address literals
    if (origins.has(origin)) toAnyAddress(options, done)
    else if (isIP(hostname) === 0 || isPublicAddress(hostname)) toPublicAddress(options, done)
    else queueMicrotask(() => done(forbidden('not a public address', origin), null))
  }
}

function connectError(error: Error, origin: string): NetError {
  const { code } = error as { code?: unknown }
  const timedOut = code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT'
  const kind = error instanceof NetError ? error.kind : timedOut ? 'timeout' : 'unreachable'
  return new NetError(kind, { origin, neverSent: true, cause: error })
}

const resolveAll: Lookup = (hostname) => resolve(hostname, { all: true })

/** The `lookup` option of node:net. Resolves once; refuses the name if any of its addresses is not public. */
export function checkedLookup(lookup: Lookup): LookupFunction {
  return uncheckedLookup(async (hostname) => {
    const addresses = await lookup(hostname)
    if (!addresses.every(({ address }) => isPublicAddress(address))) throw forbidden('resolves to a private address')
    return addresses
  })
}

function uncheckedLookup(lookup: Lookup): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname).then(
      (addresses) => {
        const [first] = addresses
        if (!first) callback(new NetError('unreachable', { reason: 'no address', neverSent: true }), '')
        else if (options.all) callback(null, [...addresses])
        else callback(null, first.address, first.family)
      },
      (error: Error) => callback(error, ''),
    )
  }
}
