/**
 * What can go wrong on the way to an address from outside. Signed addresses are secrets, so an error names the origin
 * and never the path, the query or the credentials.
 */

/**
 * `forbidden`: not an address we go to. `unreachable`: no connection. `too_big`: over the caller's limit. `status`: an
 * answer other than 200. `broken`: an answer that breaks off, is compressed, or redirects without end.
 */
export type NetErrorKind = 'forbidden' | 'unreachable' | 'timeout' | 'too_big' | 'status' | 'broken'

export interface NetErrorExtra {
  origin?: string
  /** Our own words. */
  reason?: string
  status?: number
  neverSent?: boolean
  cause?: unknown
}

export class NetError extends Error {
  readonly kind: NetErrorKind
  readonly origin: string | undefined
  readonly status: number | undefined
  /** Known: no request has reached anybody. */
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
