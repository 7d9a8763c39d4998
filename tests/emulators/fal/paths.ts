/** Parses paths of the queue API. Only a submission names the whole endpoint. */
import { type AnyEndpoint, allSchemas } from './pack-schemas.ts'

export type Call =
  | { what: 'submit'; endpoint: AnyEndpoint }
  | { what: 'status' | 'stream' | 'result' | 'cancel'; app: string; requestId: string }
  /** A request addressed below the whole endpoint, which is a common mistake. */
  | { what: 'subPath' }
  | { what: 'unknown' }

const tails = { '': 'result', '/status': 'status', '/status/stream': 'stream', '/cancel': 'cancel' } as const

export function parseCall(path: string): Call {
  const match = /^\/(.+)\/requests\/([^/]+)(\/.*)?$/.exec(path)
  if (!match) {
    const endpoint = path.slice(1)
    return endpoint in allSchemas ? { what: 'submit', endpoint: endpoint as AnyEndpoint } : { what: 'unknown' }
  }
  const [, app = '', requestId = '', tail = ''] = match
  const what = tails[tail as keyof typeof tails]
  if (!what) return { what: 'unknown' }
  return app.split('/').length === 2 ? { what, app, requestId } : { what: 'subPath' }
}

export function appOf(endpoint: string): string {
  return endpoint.split('/').slice(0, 2).join('/')
}
