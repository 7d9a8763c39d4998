/**
 * What can go wrong with a request to an address that we did not choose. Signed addresses are secrets, so an error
 * names the origin and never the path, the query or the credentials.
 */

/**
 * `forbidden`: an address that we refuse to connect to. `unreachable`: no connection. `too_big`: over the caller's
 * limit. `status`: a status other than 200. `broken`: a response that breaks off, is compressed, or redirects without
 * end.
 */
export type NetErrorKind = 'forbidden' | 'unreachable' | 'timeout' | 'too_big' | 'status' | 'broken'

export interface NetErrorExtra {
  origin?: string
  /** A few words of our own, never the server's. */
  reason?: string
  status?: number
  neverSent?: boolean
  cause?: unknown
}

export class NetError extends Error {
  readonly kind: NetErrorKind
  readonly origin: string | undefined
  readonly status: number | undefined
  /** True when it is certain that no request was sent. */
  readonly neverSent: boolean

  constructor(kind: NetErrorKind, { origin, reason, status, neverSent = false, cause }: NetErrorExtra = {}) {
    super([kind, status, origin, reason && `(${reason})`].filter(Boolean).join(' '), { cause })
    this.name = 'NetError'
    this.kind = kind
    this.origin = origin
    this.status = status
    this.neverSent = neverSent
  }
}
