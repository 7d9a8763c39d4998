/**
 * Where a submitted request is found. The addresses that fal returns name fal's own host even behind a relay. Therefore
 * only their paths are kept, if they have the expected form, and requests always go to the configured address.
 */
import { z } from 'zod'
import { canParseUrl } from '../../net/can-parse-url.ts'

/** Paths below the configured address. */
export const ticketShape = z.object({
  requestId: z.string(),
  statusPath: z.string(),
  resultPath: z.string(),
  cancelPath: z.string(),
})
export type Ticket = z.infer<typeof ticketShape>

/** Strict, because ids become part of paths. */
export const requestIdShape = z.string().regex(/^[\w-]{1,100}$/)

interface Submitted {
  requestId: string
  statusUrl?: string | null
  responseUrl?: string | null
  cancelUrl?: string | null
}

const falHost = /(^|\.)fal(run\.com|\.run|\.ai)$/
const namespaces = new Set(['workflows', 'comfy'])

/** Uses the returned addresses where they can be trusted, and fal's documented paths otherwise. */
export function ticketFor(submitted: Submitted, { endpoint, baseUrl }: { endpoint: string; baseUrl: string }): Ticket {
  const { requestId, statusUrl, responseUrl, cancelUrl } = submitted
  const root = `/${appOf(endpoint)}/requests/${requestId}`
  const path = (address: string | null | undefined, end: string) =>
    trustedPath(address, { baseUrl, tail: `/requests/${requestId}${end}` })
  return {
    requestId,
    statusPath: path(statusUrl, '/status') ?? `${root}/status`,
    resultPath: path(responseUrl, '') ?? path(responseUrl, '/response') ?? root,
    cancelPath: path(cancelUrl, '/cancel') ?? `${root}/cancel`,
  }
}

/** All paths but the submission's hold owner and app only: fal-ai/flux-1/dev/redux → fal-ai/flux-1. */
function appOf(endpoint: string): string {
  const parts = endpoint.split('/')
  return parts.slice(0, namespaces.has(parts[0] ?? '') ? 3 : 2).join('/')
}

function trustedPath(address: string | null | undefined, { baseUrl, tail }: { baseUrl: string; tail: string }) {
  if (!address || !canParseUrl(address)) return undefined
  const url = new URL(address)
  const base = new URL(baseUrl)
  const prefix = base.pathname.replace(/\/$/, '')
  const own = url.origin === base.origin
  if (!own && !falHost.test(url.hostname)) return undefined
  const path = own && url.pathname.startsWith(`${prefix}/`) ? url.pathname.slice(prefix.length) : url.pathname
  return /^(\/[\w.-]+){2,4}$/.test(path.slice(0, -tail.length)) && path.endsWith(tail) ? path : undefined
}
