/**
 * Where fal keeps a request. The addresses it hands out name its own host even behind a relay, so only their paths are
 * kept, and only when they look as expected: whatever an answer says, requests go to the configured address.
 */
import { z } from 'zod'

export const ticketShape = z.object({
  requestId: z.string(),
  statusPath: z.string(),
  resultPath: z.string(),
  cancelPath: z.string(),
})
export type Ticket = z.infer<typeof ticketShape>

/** Ids end up in paths. */
export const requestIdShape = z.string().regex(/^[\w-]{1,100}$/)

interface Handed {
  requestId: string
  statusUrl?: string | null
  responseUrl?: string | null
  cancelUrl?: string | null
}

const falHost = /(^|\.)fal(run\.com|\.run|\.ai)$/
const namespaces = new Set(['workflows', 'comfy'])

/** Everything but the submission drops what follows owner and app: fal-ai/flux-1/dev/redux → fal-ai/flux-1. */
export function appOf(endpoint: string): string {
  const parts = endpoint.split('/')
  return parts.slice(0, namespaces.has(parts[0] ?? '') ? 3 : 2).join('/')
}

export function ticketOf(handed: Handed, { endpoint, baseUrl }: { endpoint: string; baseUrl: string }): Ticket {
  const { requestId, statusUrl, responseUrl, cancelUrl } = handed
  const root = `/${appOf(endpoint)}/requests/${requestId}`
  const path = (address: string | null | undefined, end: string) =>
    handedPath(address, { baseUrl, tail: `/requests/${requestId}${end}` })
  return {
    requestId,
    statusPath: path(statusUrl, '/status') ?? `${root}/status`,
    resultPath: path(responseUrl, '') ?? path(responseUrl, '/response') ?? root,
    cancelPath: path(cancelUrl, '/cancel') ?? `${root}/cancel`,
  }
}

function handedPath(address: string | null | undefined, { baseUrl, tail }: { baseUrl: string; tail: string }) {
  if (!address || !URL.canParse(address)) return undefined
  const url = new URL(address)
  const base = new URL(baseUrl)
  const prefix = base.pathname.replace(/\/$/, '')
  const own = url.origin === base.origin
  if (!own && !falHost.test(url.hostname)) return undefined
  const path = own && url.pathname.startsWith(`${prefix}/`) ? url.pathname.slice(prefix.length) : url.pathname
  return /^(\/[\w.-]+){2,4}$/.test(path.slice(0, -tail.length)) && path.endsWith(tail) ? path : undefined
}
