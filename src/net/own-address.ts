/** The addresses by which browsers may reach the service, against pages of other sites that use the visitor's browser. */
import { isIP } from 'node:net'

/** Names that no DNS server can point elsewhere. */
const loopback = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/

/** Whether a Host header names the public address or this machine. */
export function isOwnHost(host: string, publicUrl: string): boolean {
  return host.toLowerCase() === new URL(publicUrl).host || loopback.test(host)
}

/**
 * Also true for IP addresses and for names without a dot, by which programs of one network reach each other. A site on the
 * internet has neither, so it cannot point its own name at the service and read the answer.
 */
export function isNetworkHost(host: string, publicUrl: string): boolean {
  const name = host.replace(/:\d+$/, '')
  const isAddress = isIP(name.replace(/^\[|\]$/g, '')) > 0
  return isOwnHost(host, publicUrl) || isAddress || /^[a-z0-9_-]+$/i.test(name)
}

/** The path of the public address, below which everything is: '' or '/path'. */
export function basePathOf(publicUrl: string): string {
  return new URL(publicUrl).pathname.replace(/\/+$/, '')
}
