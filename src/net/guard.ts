/**
 * Where we may connect to: public addresses, and origins that the settings name. The address that was checked is the
 * one connected to, so a name that resolves differently the second time (DNS rebinding) gains nothing.
 */
import { lookup as resolve } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { buildConnector } from 'undici'
import { NetError } from './errors.ts'

/** All addresses of a name. */
export type Lookup = (hostname: string) => Promise<readonly { address: string; family: number }[]>

const connectMs = 10_000
const nat64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96')
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3')
/** Looks public, but is the metadata host of every virtual machine on Azure. */
const azureHost = '168.63.129.16'

/** Public unicast; an IPv6 address that stands for an IPv4 address is judged by that one. */
export function isPublicAddress(ip: string): boolean {
  // ipaddr.js reads more than addresses (0177.1, zone ids); isIP does not
  if (isIP(ip) === 0 || ip.includes('%')) return false
  if (isIP(ip) === 4) return isPublicV4(ipaddr.IPv4.parse(ip))

  // to ipaddr.js ::1.2.3.4 is ::ffff:1.2.3.4; the URL parser spells it ::102:304
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

/** The interface id ::[02]00:5efe:a.b.c.d is a tunnel to an IPv4 address inside the site. */
function isIsatap({ parts }: ipaddr.IPv6): boolean {
  return parts[5] === 0x5efe && (parts[4] === 0 || parts[4] === 0x0200)
}

/** Settings may hold a path or upper case. Throws for what is no address. */
export function originsOf(addresses: readonly string[]): ReadonlySet<string> {
  return new Set(addresses.map((each) => new URL(each).origin))
}

/**
 * The address, read once, in the spelling that is used from here on: the parser has turned `0x7f.1`, fullwidth digits
 * and the like into what they mean. Throws NetError forbidden unless it is trusted, or https at the usual port of what
 * may be a public host.
 */
export function checkUrl(text: string, trusted: ReadonlySet<string>, base?: URL): URL {
  // the parser's own error quotes the whole address
  if (!URL.canParse(text, base?.href)) throw forbidden('no address')
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
  // names without a dot, or with one at the end, are for search lists and local networks
  if (!hostname.includes('.') || hostname.endsWith('.')) throw forbidden('not a public name', origin)
  return url
}

function forbidden(reason: string, origin?: string): NetError {
  return new NetError('forbidden', { reason, origin, neverSent: true })
}

/**
 * The `connect` of an undici Agent or Pool. A literal and every resolved address must be public unless the origin is
 * trusted. Rejects with a NetError for which nothing was sent.
 */
export function createConnector(trusted: readonly string[], lookup: Lookup = resolveAll): buildConnector.connector {
  const origins = originsOf(trusted)
  const anywhere = buildConnector({ timeout: connectMs, lookup: uncheckedLookup(lookup) })
  const publicly = buildConnector({ timeout: connectMs, lookup: checkedLookup(lookup) })

  return (options, callback) => {
    const { protocol, host, hostname } = options
    const { origin } = new URL(`${protocol}//${host ?? hostname}`)
    const done: buildConnector.Callback = (...[error, socket]) => {
      if (error) callback(connectError(error, origin), null)
      else callback(null, socket)
    }
    // net does not look literals up
    if (origins.has(origin)) anywhere(options, done)
    else if (isIP(hostname) === 0 || isPublicAddress(hostname)) publicly(options, done)
    else queueMicrotask(() => done(forbidden('not a public address', origin), null))
  }
}

function connectError(error: Error, origin: string): NetError {
  const { code } = error as { code?: unknown }
  const late = code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT'
  const kind = error instanceof NetError ? error.kind : late ? 'timeout' : 'unreachable'
  return new NetError(kind, { origin, neverSent: true, cause: error })
}

const resolveAll: Lookup = (hostname) => resolve(hostname, { all: true })

/** For `net`: resolves once and hands on what it checked. One address that is not public refuses the name. */
export function checkedLookup(lookup: Lookup): LookupFunction {
  return uncheckedLookup(async (hostname) => {
    const found = await lookup(hostname)
    if (!found.every(({ address }) => isPublicAddress(address))) throw forbidden('resolves to an address inside')
    return found
  })
}

function uncheckedLookup(lookup: Lookup): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname).then(
      (found) => {
        const [first] = found
        if (!first) callback(new NetError('unreachable', { reason: 'no address', neverSent: true }), '')
        else if (options.all) callback(null, [...found])
        else callback(null, first.address, first.family)
      },
      (error: Error) => callback(error, ''),
    )
  }
}
