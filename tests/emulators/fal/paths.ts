/** Which address means what: only the submission names the whole endpoint. */
import { type FalEndpoint, schemas } from './schemas.ts'

export type Call =
  | { what: 'submit'; endpoint: FalEndpoint }
  | { what: 'status' | 'stream' | 'result' | 'cancel'; app: string; requestId: string }
  /** Asked after under the whole endpoint: the classic mistake. */
  | { what: 'subPath' }
  | { what: 'unknown' }

const tails = { '': 'result', '/status': 'status', '/status/stream': 'stream', '/cancel': 'cancel' } as const

export function readCall(path: string): Call {
  const asked = /^\/(.+)\/requests\/([^/]+)(\/.*)?$/.exec(path)
  if (!asked) {
    const endpoint = path.slice(1)
    return endpoint in schemas ? { what: 'submit', endpoint: endpoint as FalEndpoint } : { what: 'unknown' }
  }
  const [, app = '', requestId = '', tail = ''] = asked
  const what = tails[tail as keyof typeof tails]
  if (!what) return { what: 'unknown' }
  return app.split('/').length === 2 ? { what, app, requestId } : { what: 'subPath' }
}

export function appOf(endpoint: string): string {
  return endpoint.split('/').slice(0, 2).join('/')
}
