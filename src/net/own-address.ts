/** The addresses by which browsers may reach the service, against pages of other sites that use the visitor's browser. */
import { isIP } from 'node:net'

/** Names that no DNS server can point elsewhere. */
const loopback = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/

/** Whether a Host header names the public address or this machine. */
export function isOwnHost(host: string, publicUrl: string): boolean {
  const { protocol, host: own } = new URL(publicUrl)
  const address = `${protocol}//${host}`
  // the parser omits the default port, which some proxies name
  const isNamed = /^[\w.:[\]-]+$/.test(host) && URL.canParse(address)
  return loopback.test(host) || (isNamed && new URL(address).host === own)
}

/** Endings that no registry of the internet gives to anyone. */
const privateEnding = /\.(internal|local|svc|lan|home\.arpa)$/i

/**
 * Also true for IP addresses and for names of a local network, by which its programs reach each other. A site on the
 * internet has neither, so it cannot point its own name at the service and read the answer.
 */
export function isNetworkHost(host: string, publicUrl: string): boolean {
  const name = host.replace(/:\d+$/, '')
  const isAddress = isIP(name.replace(/^\[|\]$/g, '')) > 0
  return isOwnHost(host, publicUrl) || isAddress || /^[a-z0-9_-]+$/i.test(name) || privateEnding.test(name)
}

/** The path of the public address, below which everything is: '' or '/path'. */
export function basePathOf(publicUrl: string): string {
  return new URL(publicUrl).pathname.replace(/\/+$/, '')
}
